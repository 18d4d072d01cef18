"""Where a finding is, for a reader that is not in the audited folder."""

from __future__ import annotations

import os
from pathlib import Path


def shown(root: Path, path: str) -> str:
    """A path that can be clicked on: relative to the current folder if it lies below."""
    return _below(root, path) or str(root / path)


def from_here(root: Path, path: str) -> str:
    """A path for a service that knows the repository: CI starts there, and one folder of it may be audited alone."""
    return _below(root, path) or path


def _below(root: Path, path: str) -> str:
    try:
        relative = os.path.relpath(root / path)
    except ValueError:  # another drive on Windows
        return ""
    return "" if relative.startswith("..") else Path(relative).as_posix()
