"""A project in a folder above: commands work on the current folder, and a subfolder of the project is a common slip."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from envtool.lock.workspace import LOCKFILES

# As a requirement: at the beginning of a line, or of a string.
_IN_TABLE = re.compile(rb"""["']torch(vision|audio)?\s*["'\[=<>!~;@(]""")
_IN_LIST = re.compile(rb"^\s*torch(vision|audio)?\s*([\[=<>!~;@#(]|$)", re.MULTILINE)
_SOURCES = {"pyproject.toml": _IN_TABLE, "requirements.in": _IN_LIST, "requirements.txt": _IN_LIST}


def project_above(root: Path) -> str:
    """A question that names the nearest project with torch above ``root``, to end a hint with; empty where none is.

    Looked for up to the repository's or the user's folder. What cannot be read is none.
    """
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises where nobody is at home
    if root == home or (root / ".git").exists():
        return ""
    for number, folder in enumerate(root.parents, start=1):
        found = "" if folder == home else _why(folder)
        if found:
            return f"Did you mean {'/'.join(['..'] * number)} ({found})?"
        if folder == home or (folder / ".git").exists():
            return ""
    return ""


def _why(folder: Path) -> str:
    if (folder / LOCKFILES / "lock.toml").is_file():
        return f"{LOCKFILES}/ is there"
    name = _naming_torch(folder, _SOURCES)
    return f"{name} there names torch" if name else ""


def torch_beside(root: Path, source: str) -> str:
    """The requirements file in ``root`` that names torch, where ``source`` was read instead; empty where none is."""
    return _naming_torch(root, [name for name in ("requirements.in", "requirements.txt") if name != source])


def _naming_torch(folder: Path, names: Iterable[str]) -> str:
    for name in names:
        try:
            if _SOURCES[name].search((folder / name).read_bytes()):
                return name
        except OSError:
            continue
    return ""
