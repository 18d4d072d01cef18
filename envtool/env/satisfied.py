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


def fingerprint(root: Path, words: Sequence[str], files: Sequence[str], environ: Mapping[str, str]) -> str:
    """A digest over the words, ENVTOOL_* variables, every file that decides, and the Python that runs envtool.

    ``files`` are further inputs by name, relative to ``root``. A file that is not there counts as such.
    """
    digest = hashlib.sha256()

    def add(text: str) -> None:
        digest.update(hashlib.sha256(text.encode()).digest())

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
    return digest.hexdigest()


def is_satisfied(root: Path, venv: str, words: Sequence[str], environ: Mapping[str, str]) -> dict[str, Any] | None:
    """The record of the current generation as a table if a setup with these words would change nothing, else None.

    Plain dictionaries and no library: this runs before any import that costs time.
    """
    record = _current_record(root, venv)
    if record is None or not record.get("healthy"):
        return None
    try:
        satisfied = record["satisfied"]
        files = json.loads(satisfied["files"])
        if satisfied["fingerprint"] != fingerprint(root, words, files, environ):
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
