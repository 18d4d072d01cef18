"""PyInstaller hook for torch in a CPU bundle, in the place of the default one. Run by run_pyinstaller.py."""

import sys
from pathlib import Path

from PyInstaller.utils.hooks import PY_DYLIB_PATTERNS, collect_data_files, collect_dynamic_libs, get_package_paths

lean = sys.modules["envtool_lean"]
_left_out = lean.without(lean.MODULES, lean.KEEP)

# TorchScript reads torch's own source at import; without the .py files "import torch" fails.
module_collection_mode = "pyz+py"
warn_on_missing_hiddenimports = False

hiddenimports = lean.torch_modules(Path(get_package_paths("torch")[1]), _left_out)
# These imports are not followed from torch; where the app itself imports one of them, it is collected.
excludedimports = [*_left_out, *lean.without(lean.OTHERS, lean.KEEP)]
datas = [
    (source, folder) for source, folder in collect_data_files("torch", excludes=["bin/**", "test/**", "include/**"])
]
binaries = collect_dynamic_libs("torch", search_patterns=[*PY_DYLIB_PATTERNS, "*.so.*"])
# Links beside the executable would let torch look for its libraries in the wrong folder.
bindepend_symlink_suppression = ["**/torch/lib/*.so*"]

_shm_manager = Path(get_package_paths("torch")[1], "bin", "torch_shm_manager")
if _shm_manager.is_file():
    binaries.append((str(_shm_manager), "torch/bin"))
