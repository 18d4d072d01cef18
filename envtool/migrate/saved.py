"""Files as they were: read with all that matters, and put back byte for byte."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from envtool.adapters import files, platform
from envtool.migrate.journal import ABSENT, Saved

SPECIAL = "special"
"""The state of a named pipe, a socket or a device: never opened, since that may wait for ever."""


def digest(content: bytes) -> str:
    """The state of a file with this content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def state_of(path: Path) -> str:
    """What is at ``path``: ``absent``, ``link:TARGET``, ``folder``, ``special`` or ``sha256:…``. Raises OSError."""
    if not platform.exists(path):
        return ABSENT
    if platform.is_link(path):
        return f"link:{os.readlink(path)}"  # noqa: PTH115 - Path.readlink makes a\\b of Windows' own form
    if platform.is_folder(path):
        return "folder"
    if not path.is_file():
        return SPECIAL
    return digest(path.read_bytes())


def save(path: Path, name: str, store: Path) -> Saved:
    """Write down what is at ``path`` (``name`` to the project), its bytes into ``store``, durably. Raises OSError."""
    state = state_of(path)
    if state == ABSENT:
        return Saved(path=name, kind="absent", state=state)
    if state.startswith("link:"):
        return Saved(path=name, kind="link", state=state, target=state.removeprefix("link:"))
    if state == SPECIAL:
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device", str(path))
    status = path.stat()
    content = path.read_bytes()
    files.make_folder(store.parent)
    files.write_bytes(store, content)
    return Saved(
        path=name,
        kind="file",
        state=digest(content),
        store=store.name,
        mode=stat.S_IMODE(status.st_mode),
        modified=status.st_mtime_ns,
    )


def put_back(saved: Saved, path: Path, stores: Path) -> str:
    """Bring ``path`` back to what was saved. Safe to repeat. Raises OSError.

    Gives the reason when somebody else has changed the file since: then it is left alone; else an empty string.
    """
    if path.parent.is_dir():
        files.sweep(path)
    now = state_of(path)
    if now == SPECIAL:
        return "it is a pipe, a socket or a device now"
    if now not in (saved.state, *saved.written):
        return "somebody changed it since"
    if saved.kind == "absent":
        files.remove_file(path)
        return ""
    if saved.kind == "link":
        if now != saved.state:
            waiting = path.with_name(f".{path.name}.{os.getpid()}{files.TEMPORARY_SUFFIX}")
            waiting.symlink_to(saved.target)
            waiting.replace(path)
        return ""
    if now == saved.state and stat.S_IMODE(os.lstat(path).st_mode) == saved.mode:
        return ""
    content = (stores / saved.store).read_bytes()
    if digest(content) != saved.state:
        return f"what was saved of it is damaged ({saved.store})"
    files.make_folder(path.parent)
    files.write_bytes(path, content, mode=saved.mode, modified=saved.modified)
    return ""
