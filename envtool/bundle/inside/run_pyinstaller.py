"""Run PyInstaller with envtool's additions: python run_pyinstaller.py CONFIG.json.

The user's spec runs as it is; what is added goes in at the one class that every spec calls, Analysis. Runs in the build
environment, on the app's packages: those come first on the path, so that the bundle holds the app's versions.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this folder: none of it is part of the app
sys.path.insert(0, str(Path(__file__).resolve().parent))
lean: Any = importlib.import_module("envtool_lean")

sys.path.pop(0)

Entry = tuple[str, str, str]
"""Name in the bundle, source, kind: a row of PyInstaller's tables of contents."""


def prefer_app(site_packages: str) -> None:
    """Put the app's packages, with its editable installs, before PyInstaller's own."""
    own = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    before = [path for path in sys.path if path not in own]
    sys.path[:] = before
    site.addsitedir(site_packages)
    sys.path += own
    # What lies in a site-packages keeps its folder in the bundle; else each library of torch is there twice.
    packages = [site_packages, *site.getsitepackages()]
    site.getsitepackages = lambda prefixes=None: packages


def strip_torch(binaries: list[Entry], folder: Path) -> list[Entry]:
    """libtorch without its symbol tables, as copies. numpy's libraries do not survive it, torch's do."""
    stripped = []
    for destination, source, kind in binaries:
        name = Path(destination).name
        used = source
        if name.startswith(("libtorch", "libc10")) and name.endswith((".so", ".dylib")):
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod(0o755)
            flags = ["-x"] if sys.platform == "darwin" else ["--strip-unneeded"]
            subprocess.run(["strip", *flags, str(copy)], check=True)
            used = str(copy)
        stripped.append((destination, used, kind))
    return stripped


def in_order(scripts: list[Entry]) -> list[Entry]:
    """Access to sources first, then the start check, then the app's own runtime hooks and scripts."""
    first = [entry for entry in scripts if entry[0] == "pyi_rth_inspect"]
    check = [entry for entry in scripts if entry[0] == "envtool_start_check"]
    return first + check + [entry for entry in scripts if entry not in first and entry not in check]


def make_analysis(original: Any, config: dict[str, Any]) -> Any:
    """A subclass of PyInstaller's Analysis that adds envtool's parts to what the spec asks for."""

    class Analysis(original):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            options = inspect.signature(original.__init__).bind(self, *args, **kwargs).arguments
            options.pop("self")
            options.update(options.pop("_kwargs", {}))
            add(options, config)
            scripted = options.pop("envtool_modes")
            super().__init__(**options)
            for name in sorted(set(scripted) & {entry[0] for entry in self.pure}):
                note(f"module {name} is in the bundle as source too: TorchScript reads it at run time")
            amend(self, config)

    return Analysis


def note(text: str) -> None:
    """A line that envtool bundle shows."""
    print(f"envtool-note: {text}", flush=True)


def amend(analysis: Any, config: dict[str, Any]) -> None:
    """Leave out what came in by other ways than the hook, strip where that was asked for, and put scripts in order."""
    binaries = [entry for entry in analysis.binaries if lean.keeps_file(entry[0])]
    analysis.binaries = strip_torch(binaries, Path(config["work"], "stripped")) if config["strip"] else binaries
    analysis.datas = [entry for entry in analysis.datas if lean.keeps_file(entry[0])]
    analysis.scripts = in_order(list(analysis.scripts))


def add(options: dict[str, Any], config: dict[str, Any]) -> None:
    """Hooks, the start check and its files, and the sources that TorchScript reads."""
    from PyInstaller.config import CONF

    folder = Path(CONF["spec"]).resolve().parent
    scripts = [Path(folder, script) for script in options["scripts"]]
    hooks = [Path(hook) for hook in options.get("runtime_hooks") or []]
    folders = {path.parent for path in scripts} | {Path(folder, path) for path in options.get("pathex") or []}
    scripted = [*lean.scripting_modules(sorted(folders)), *config["sources"]]
    entry = [path for path in [*scripts, *hooks] if lean.scripts_functions(lean.read_source(path))]
    hidden = list(options.get("hiddenimports") or [])
    options["hiddenimports"] = lean.without_collected(hidden)
    if len(options["hiddenimports"]) < len(hidden):
        note('collect_submodules("torch") in the spec is not followed: envtool\'s hook names what is needed')
    for path in entry:
        note(f"{path.name} is in the bundle as source too: TorchScript reads it at run time")
    options["envtool_modes"] = [name for name in scripted if name not in {path.stem for path in entry}]
    options["module_collection_mode"] = lean.with_sources(options.get("module_collection_mode"), scripted)
    options["datas"] = [*(options.get("datas") or []), *config["datas"], *((str(path), ".") for path in entry)]
    options["hookspath"] = [config["hooks"], *(options.get("hookspath") or [])]
    if config["start_check"]:
        options["runtime_hooks"] = [config["start_check"], *(options.get("runtime_hooks") or [])]


def make_listed(original: Any, path: str) -> Any:
    """A subclass that writes the list of what goes into the bundle: nobody can look into a one-file one."""

    class Listed(original):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            rows = [
                (name, os.path.getsize(source))
                for name, source, kind in [*self.binaries, *self.datas]
                if kind != "SYMLINK" and os.path.exists(source)
            ]
            Path(path).write_text(json.dumps(rows), encoding="utf-8")

    return Listed


def main() -> None:
    """Build."""
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    prefer_app(config["site_packages"])
    lean.KEEP = tuple(config["keep"])
    from PyInstaller.building import build_main

    if config["lean"]:
        build_main.Analysis = make_analysis(build_main.Analysis, config)
    build_main.Analysis = make_listed(build_main.Analysis, config["contents"])
    from PyInstaller.__main__ import run

    run(config["arguments"])


if __name__ == "__main__":
    main()
