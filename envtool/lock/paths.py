"""Paths as a lock keeps them: the same wherever the project lies. Pure but for links, which are followed."""

from __future__ import annotations

import os
from pathlib import Path


def relative(path: Path, root: Path, *, absolute: bool = False) -> str:
    """A path as POSIX text, relative to ``root``: ``../common`` where it lies outside.

    It stays absolute outside where it was written so (``absolute``), and on another drive of Windows.
    """
    place, top = path.resolve(), root.resolve()
    if place.is_relative_to(top):
        return place.relative_to(top).as_posix()
    if absolute:
        return place.as_posix()
    try:
        return Path(os.path.relpath(place, top)).as_posix()
    except ValueError:  # there is no way from one drive to another
        return place.as_posix()


def is_absolute(text: str) -> bool:
    """Whether a path was written as an absolute one, or as a URL."""
    return "://" in text or text.startswith("file:") or Path(text).is_absolute()
