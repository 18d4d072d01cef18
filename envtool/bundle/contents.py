"""What is in a bundle: its files, their sizes by part, GPU libraries among them, and the executable."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from envtool.bundle.models import Sizes
from envtool.env.probe import is_gpu_library
from envtool.errors import InstallError

_PYTHON = "Python, system, executable"

_LIBRARY = re.compile(r"\.(so(\.\d+)*|dll|dylib|pyd)$")

Files = Mapping[str, int]
"""Path in the bundle (POSIX) to bytes."""


def list_files(path: Path) -> dict[str, int]:
    """The files of a folder, or a single file. Links are not followed and count nothing. Raises OSError."""
    if path.is_file():
        return {path.name: path.stat().st_size}
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if not file.is_symlink():
                found[file.relative_to(path).as_posix()] = file.stat().st_size
    return found


def read_contents(path: Path) -> dict[str, int]:
    """The list that the build wrote: what went into the bundle, also into a one-file one."""
    return {str(name).replace("\\", "/"): int(size) for name, size in json.loads(path.read_text(encoding="utf-8"))}


def library_bytes(packages: Path) -> int:
    """Bytes of the shared libraries below a site-packages folder: PyInstaller's hooks for torch collect them all."""
    return sum(count for name, count in list_files(packages).items() if _LIBRARY.search(name))


def gpu_libraries(names: Iterable[str]) -> tuple[str, ...]:
    """The paths whose file is part of a GPU stack."""
    return tuple(sorted({name for name in names if is_gpu_library(PurePosixPath(name).name)}))


def part_of(name: str) -> str:
    """The part of the bundle that a file belongs to: ``torch/lib``, ``torch``, another package, or Python itself."""
    parts = [part for part in PurePosixPath(name).parts if part != "_internal"]
    if parts[0] == "torch" and len(parts) > 2 and parts[1] == "lib":
        return "torch/lib"
    if len(parts) == 1 or parts[0].startswith(("python3", "lib-dynload")):
        return _PYTHON
    return parts[0].removesuffix(".libs")


def sizes_of(files: Files, total: int, *, packed: bool) -> Sizes:
    """Sizes by part, largest first."""
    parts: dict[str, int] = {}
    for name, size in files.items():
        parts[part_of(name)] = parts.get(part_of(name), 0) + size
    ordered = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
    return Sizes(total=total, parts=tuple(ordered), packed=packed)


def find_bundle(dist: Path) -> tuple[Path, Path]:
    """(what was built, its executable) in a dist folder that holds one build.

    Raises InstallError (``bundle.nothing``) when there is none, or several that cannot be told apart.
    """
    entries = sorted(dist.iterdir()) if dist.is_dir() else []
    # A windowed build on macOS leaves the plain folder beside the .app.
    apps = [path for path in entries if path.suffix == ".app"]
    entries = apps or entries
    if len(entries) != 1:
        what = "nothing" if not entries else f"{len(entries)} things ({', '.join(path.name for path in entries)})"
        raise InstallError("bundle.nothing", f"the spec built {what}", "A spec for envtool bundle builds one app.")
    made = entries[0]
    if made.is_file():
        return made, made
    folder = made / "Contents" / "MacOS" if made.suffix == ".app" else made
    likely = [folder / made.stem, folder / made.name, folder / f"{made.name}.exe"]
    programs = [path for path in likely if path.is_file()] or [
        path for path in sorted(folder.iterdir()) if path.is_file() and os.access(path, os.X_OK)
    ]
    if not programs:
        raise InstallError("bundle.nothing", f"{made.name} holds no executable", "Does the spec have EXE and COLLECT?")
    return made, programs[0]
