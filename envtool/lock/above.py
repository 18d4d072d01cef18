"""A project in a folder above, or requirements under another name: commands work on what is in the current folder.

Both are common slips, and what follows from them is gigabytes in the wrong place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from envtool.lock.workspace import LOCKFILES
from envtool.reports.escape import printable

# As a requirement: at the beginning of a line, or of a string.
_IN_TABLE = re.compile(rb"""["']torch(vision|audio)?\s*["'\[=<>!~;@(]""")
_IN_LIST = re.compile(rb"^\s*torch(vision|audio)?\s*([\[=<>!~;@#(]|$)", re.MULTILINE)
_PATTERNS = ("requirements*.in", "requirements*.txt", "*[-_.]requirements.in", "*[-_.]requirements.txt")
_FOLDER_PATTERNS = ("requirements/*.in", "requirements/*.txt")
_FIRST = re.compile(r"(^|[-_./])(base|main|core|common|default|prod|production)\.")
_ASKED_ABOUT = 3
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


def files_under_other_names(root: Path) -> tuple[str, ...]:
    """The requirements files in ``root`` that have to be named, such as ``requirements/base.txt``: likely ones first.

    Of a file and what was compiled from it, the one to read is the ``.in``.
    """
    patterns = (*_PATTERNS, *_FOLDER_PATTERNS)
    found = {path.relative_to(root).as_posix() for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    names = [name for name in found if not (name.endswith(".txt") and f"{name[:-4]}.in" in found)]
    return tuple(sorted(names, key=lambda name: (not _names(root / name, _IN_LIST), not _FIRST.search(name), name)))


def listed_files(names: Sequence[str]) -> str:
    """Files as the options that read them: ``-r requirements/base.txt or -r requirements/dev.txt``."""
    shown = [f"-r {printable(name)}" for name in names[:_ASKED_ABOUT]]
    if len(names) > _ASKED_ABOUT:
        return f"{', '.join(shown)} or one of {len(names) - _ASKED_ABOUT} more"
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)


def _naming_torch(folder: Path, names: Iterable[str]) -> str:
    return next((name for name in names if _names(folder / name, _SOURCES[name])), "")


def _names(path: Path, torch: re.Pattern[bytes]) -> bool:
    try:
        return torch.search(path.read_bytes()) is not None
    except OSError:
        return False
