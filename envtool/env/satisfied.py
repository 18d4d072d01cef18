"""Is there anything to do? A quick answer before anything heavy is imported: same words, same files, same environment.

The record of a generation keeps a fingerprint over all that a setup reads. When it is the same, and the environment
still holds what was installed, a setup would change nothing, and says so within the time that importing typer takes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envtool import __version__

_SOURCES = ("pyproject.toml", "requirements.in", "requirements.txt", ".python-version")


_DECIDING = ("pyproject.toml", "setup.py", "setup.cfg")
"""What the metadata of a local project comes from; uv's cache looks at the same ones."""
_BUILT = frozenset({"__pycache__", "build", "dist", "lockfiles", "node_modules"})
"""Folders of a project that building, running and locking it write to."""


def fingerprint(
    root: Path,
    words: Sequence[str],
    files: Sequence[str],
    environ: Mapping[str, str],
    sources: Sequence[Sequence[Any]] = (),
) -> str:
    """A digest over the words, ENVTOOL_* variables, every file that decides, and the Python that runs envtool.

    ``files`` are further inputs by name, relative to ``root``. A file that is not there counts as such. ``sources`` are
    local projects that are installed: path and whether editable.
    """
    digest = hashlib.sha256()

    def add(text: str) -> None:
        # A file's name that is no UTF-8 has lone surrogates in it.
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())

    add(json.dumps([__version__, sys.version, getattr(sys, "_base_executable", sys.executable)]))
    add(json.dumps(list(words)))
    add(json.dumps(sorted((k, v) for k, v in environ.items() if k.startswith("ENVTOOL_"))))
    lockfiles = root / "lockfiles"
    names = sorted({*_SOURCES, *files})
    with contextlib.suppress(OSError):
        names += sorted(f"lockfiles/{entry.name}" for entry in os.scandir(lockfiles))
    for name in names:
        try:
            add(name + "\0" + hashlib.sha256((root / name).read_bytes()).hexdigest())
        except OSError:
            add(name + "\0absent")
    for path, editable in sources:
        add(f"{path}\0{source_state(root / path, editable)}")
    return digest.hexdigest()


def source_state(folder: Path, editable: bool) -> str:
    """A digest over what a local project in ``folder`` was installed from: the contents of what describes an editable
    one; names, sizes and times of all files of any other.
    """
    digest = hashlib.sha256()
    for path in source_files(folder, editable):
        with contextlib.suppress(OSError):
            found = path.stat()
            state = hashlib.sha256(path.read_bytes()).hexdigest() if editable else (found.st_size, found.st_mtime_ns)
            said = f"{path.relative_to(folder).as_posix()}\0{state}\0"
            digest.update(said.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def source_files(folder: Path, editable: bool) -> list[Path]:
    """The files that a local project is installed from: those that describe an editable one, all of any other, but for
    hidden folders, environments, and what builds leave behind.
    """
    if editable:
        return [folder / name for name in _DECIDING if (folder / name).is_file()]
    files = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and not name.endswith(".egg-info")
            and name not in _BUILT
            and not os.path.lexists(Path(place, name, "pyvenv.cfg"))
        )
        files += [Path(place, name) for name in sorted(names)]
    return files


def is_satisfied(root: Path, venv: str, words: Sequence[str], environ: Mapping[str, str]) -> dict[str, Any] | None:
    """The record of the current generation as a table if a setup with these words would change nothing, else None.

    Plain dictionaries and no library: this runs before any import that costs time.
    """
    record = _current_record(root, venv)
    if record is None or not record.get("healthy"):
        return None
    try:
        satisfied = record["satisfied"]
        files, sources = json.loads(satisfied["files"]), json.loads(satisfied["sources"])
        if satisfied["fingerprint"] != fingerprint(root, words, files, environ, sources):
            return None
        return record if _still_holds(root / venv, satisfied) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # a record that somebody edited: the long way reads it with care


def _current_record(root: Path, venv: str) -> dict[str, Any] | None:
    environment = root / venv
    try:
        if environment.is_symlink() or _is_junction(environment):
            number = environment.readlink().name
            path = root / ".envtool" / "generations" / f"{number}.json"
        else:
            path = environment / ".envtool.json"
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return table if isinstance(table, dict) else None


def _is_junction(path: Path) -> bool:
    # Path.is_junction came with Python 3.12; a junction is the only folder that readlink accepts.
    if sys.platform != "win32":
        return False
    try:
        path.readlink()
    except OSError:
        return False
    return True


def _still_holds(environment: Path, satisfied: Mapping[str, str]) -> bool:
    site = environment / satisfied["site"]
    interpreter = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    if not environment.joinpath(*interpreter).exists():
        return False  # a link to a Python that was removed
    try:
        present = sorted(e.name for e in os.scandir(site) if e.name.endswith((".dist-info", ".egg-info")))
        torch = (site / "torch" / "version.py").read_bytes()
    except OSError:
        return False
    return marks(present, torch) == satisfied.get("marks")


def marks(metadata_folders: Sequence[str], torch_version: bytes) -> str:
    """What is remembered of an installed environment: its metadata folders' names and torch's version file."""
    return hashlib.sha256("\n".join(metadata_folders).encode() + b"\0" + torch_version).hexdigest()
