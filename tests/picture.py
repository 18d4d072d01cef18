"""A project folder as a picture: two of them are equal if nothing that a user could miss has changed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path


def picture(folder: Path) -> dict[str, str]:
    """Every name with its kind, mode and content, and which folder a real ``.venv`` is; without ``.envtool``."""
    found = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".envtool"]
        for name in (*folders, *names):
            path = Path(top, name)
            status = path.lstat()
            what = f"{stat.S_IMODE(status.st_mode):o} "
            if path.is_symlink():
                what = f"-> {path.readlink()}"
            elif path.is_dir():
                what += f"folder {status.st_ino if name == '.venv' and any(path.iterdir()) else ''}"
            elif ".venv" in path.relative_to(folder).parts:
                # Gigabytes: the same file, not written since.
                what += f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
            else:
                what += hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.relative_to(folder).as_posix()] = what
    return found
