"""What a CPU bundle can do without: modules, files, and which sources TorchScript needs. Pure; standard library only.

Each name was checked with torch 2.13.0+cpu by import, load of a TorchScript model, and forward. Leaving out more breaks
``import torch``: torch.testing, torch.distributed, torch.ao, torch.backends.cuda and unittest are needed by it.
"""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

MODULES: tuple[str, ...] = (
    "torch._dynamo",
    "torch._inductor",
    "torch._lazy",
    "torch._numpy",
    "torch.nativert",
    "torch.onnx",
    "torch.utils.benchmark",
    "torch.utils.tensorboard",
)
"""Parts of torch that loading and running a model does not import."""

OTHERS: tuple[str, ...] = (
    "filelock",
    "fsspec",
    "jinja2",
    "markupsafe",
    "mpmath",
    "networkx",
    "setuptools",
    "sqlite3",
    "sympy",
    "tkinter",
)
"""Packages that torch imports for work that a frozen app does not do. An app that imports one itself keeps it."""

FILES: tuple[str, ...] = (
    "torch/bin/*",
    "torch/include/*",
    "torch/share/*",
    "torch/test/*",
    "torch/lib/*aoti_custom_ops.*",
    "torch/lib/*backend_with_compiler.*",
    "torch/lib/*jitbackend_test.*",
    "torch/lib/*torchbind_test.*",
    "torch/*.a",
    "torch/*.cmake",
    "torch/*.cpp",
    "torch/*.cuh",
    "torch/*.h",
    "torch/*.hpp",
    "torch/*.lib",
    "torch/*.pyi",
)
"""Tests, programs, headers, static libraries: patterns of POSIX paths in the bundle (``*`` crosses folders)."""

NEEDED_FILES: tuple[str, ...] = ("torch/bin/torch_shm_manager*",)
"""torch looks for this program at import on Linux."""

_SCRIPTING = frozenset({"script", "script_method", "interface"})
_SKIPPED_FOLDERS = frozenset({"site-packages", "node_modules", "__pycache__", "build", "dist"})
_FILE_LIMIT = 5000


def without(names: Iterable[str], keep: Iterable[str]) -> tuple[str, ...]:
    """The names that stay left out: not those in ``keep``, nor a package that holds one of them."""
    kept = tuple(keep)
    return tuple(
        name
        for name in names
        if not any(name == k or name.startswith(f"{k}.") or k.startswith(f"{name}.") for k in kept)
    )


def is_left_out(module: str, left_out: Iterable[str]) -> bool:
    """Whether a module is one of the names or inside of one."""
    return any(module == name or module.startswith(f"{name}.") for name in left_out)


def without_collected(hidden: Iterable[str]) -> list[str]:
    """Hidden imports without those that ``collect_submodules("torch")`` put there: the hook names what is needed.

    A module of torch that stands there for itself stays.
    """
    names = list(hidden)
    if not {"torch", *MODULES[:2]} <= set(names):
        return names
    return [name for name in names if not is_left_out(name, ["torch"])]


def keeps_file(destination: str) -> bool:
    """Whether a file of the bundle, by its path inside, is worth its place."""
    path = PurePosixPath(destination.replace("\\", "/")).as_posix()
    if any(fnmatch.fnmatchcase(path, pattern) for pattern in NEEDED_FILES):
        return True
    return not any(fnmatch.fnmatchcase(path, pattern) for pattern in FILES)


def torch_modules(package: Path, left_out: Iterable[str]) -> list[str]:
    """The modules of an installed torch by its files, without importing any, but for the ones left out.

    ``torch.testing._internal`` is for torch's own tests: it comes in only where something imports it.
    """
    names = tuple(left_out)
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not all(part.isidentifier() for part in parts) or not _is_in_packages(path, package):
            continue
        if not is_left_out(module, (*names, "torch.testing._internal")):
            found.append(module)
    return found


def _is_in_packages(path: Path, package: Path) -> bool:
    folder = path.parent
    while folder != package:
        if not (folder / "__init__.py").is_file():
            return False
        folder = folder.parent
    return True


def scripts_functions(source: str) -> bool:
    """Whether Python source calls or applies ``torch.jit.script``: then TorchScript reads that source at run time."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _SCRIPTING and _ends_in_jit(node.value):
            return True
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "torch.jit"
            and _SCRIPTING & {a.name for a in node.names}
        ):
            return True
    return False


def _ends_in_jit(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "jit") or (isinstance(node, ast.Attribute) and node.attr == "jit")


def read_source(path: Path) -> str:
    """The text of a Python file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""


def scripting_modules(folders: Iterable[Path]) -> list[str]:
    """Dotted names of the modules below these folders whose source TorchScript reads at run time."""
    found = []
    for folder in folders:
        for path in _python_files(folder):
            if scripts_functions(read_source(path)):
                parts = path.relative_to(folder).with_suffix("").parts
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                if parts and all(part.isidentifier() for part in parts):
                    found.append(".".join(parts))
    return sorted(dict.fromkeys(found))


def with_sources(modes: dict[str, str] | None, scripted: Iterable[str]) -> dict[str, str]:
    """A spec's ``module_collection_mode``, with the source of these modules whatever it says of them."""
    return {**(modes or {}), **dict.fromkeys(scripted, "pyz+py")}


def _python_files(folder: Path) -> Iterator[Path]:
    count, todo = 0, [folder]
    while todo:
        for path in sorted(todo.pop().iterdir()):
            if path.is_dir() and not path.is_symlink():
                hidden = path.name.startswith(".") or path.name in _SKIPPED_FOLDERS
                if not hidden and not (path / "pyvenv.cfg").is_file():
                    todo.append(path)
            elif path.suffix == ".py":
                count += 1
                if count > _FILE_LIMIT:
                    return
                yield path
