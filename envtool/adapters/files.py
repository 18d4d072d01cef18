"""Write a file whole or not at all, and remove a tree that resists."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from envtool.adapters import platform

TEMPORARY_SUFFIX = ".envtool-tmp"
"""Ending of the name of a half-written file, so that the recovery knows it."""

_ATTEMPTS = 4


def may_write(folder: Path) -> bool:
    """Whether this user may make files in a folder, or in the one above it where it is not there yet.

    On Windows that is not known before it is tried: True.
    """
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)


def write_bytes(path: Path, content: bytes, *, mode: int | None = None, modified: int | None = None) -> None:
    """Write ``path`` atomically and durably: a temporary file beside it, fsync, rename.

    ``mode``: its permission bits, ``modified``: its time in nanoseconds, both from the first moment on. A reader sees
    the old content or the new one. Raises OSError; then ``path`` is as it was and no rest is left.
    """
    temporary = _stage(path, content, mode=mode, modified=modified)
    try:
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    platform.sync_folder(path.parent)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all of them beside their places first, then the renames, in order.

    Killed among the renames, the files that come after are found by :func:`waiting`. Raises OSError; then all are as
    they were and no rest is left.
    """
    staged: dict[Path, Path] = {}
    before: dict[Path, bytes | None] = {}
    try:
        for path, content in contents.items():
            staged[path] = _stage(path, content)
        for path, temporary in staged.items():
            old = path.read_bytes() if path.is_file() else None
            temporary.replace(path)
            before[path] = old
    except OSError:
        with contextlib.suppress(OSError):
            for temporary in staged.values():
                remove_file(temporary)
            for path, old in before.items():
                remove_file(path) if old is None else write_bytes(path, old)
        raise
    for folder in {path.parent for path in contents}:
        platform.sync_folder(folder)


def _stage(path: Path, content: bytes, *, mode: int | None = None, modified: int | None = None) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb", opener=_unfollowed) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        if modified is not None:
            os.utime(temporary, ns=(modified, modified))
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _unfollowed(path: str, flags: int) -> int:
    """Open the very name: a link that waits under it, in a repository from a stranger, is an error."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def path_of_url(url: str) -> Path:
    """The path in a ``file:`` URL."""
    return Path(_local_path(url, windows=platform.is_windows()))


def _local_path(url: str, *, windows: bool, convert: Callable[[str], str] | None = None) -> str:
    """As text. ``convert``: ``url2pathname`` of another system, for a test."""
    if convert is None:
        from urllib.request import url2pathname  # it brings http.client and ssl, which few commands need

        convert = url2pathname
    parts = urlsplit(url)
    if not windows:
        # Python 3.14 takes //a at the beginning for a host.
        return convert(re.sub("^/+", "/", parts.path))
    host = "" if parts.netloc.lower() in ("", "localhost") else f"//{parts.netloc}"
    return convert(host + parts.path)


def waiting(path: Path) -> tuple[Path, ...]:
    """What writes of ``path`` that were killed have left beside it. Raises OSError."""
    return tuple(sorted(path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY_SUFFIX}")))


def sweep(path: Path) -> None:
    """Remove what a write of ``path`` that was killed has left beside it. Raises OSError."""
    for rest in waiting(path):
        remove_file(rest)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with line feeds on every platform. Raises OSError as :func:`write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def make_folder(path: Path) -> None:
    """Create a folder and its parents; one that is there is fine. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True)


def remove_file(path: Path) -> None:
    """Remove a file; nothing there is fine. Raises OSError."""
    path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove whatever is there: a file, a folder with all that is in it, or a link itself. Raises OSError."""
    if platform.is_folder(path) or platform.is_link(path):
        remove_tree(path)
    else:
        remove_file(path)


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, read-only or not; a link is removed, not followed. Raises OSError.

    Tries again when somebody still writes into it: the child of an envtool that was killed may live a little longer.
    """
    if platform.is_link(path):
        platform.remove_link(path)
        return
    for attempt in range(_ATTEMPTS):
        try:
            shutil.rmtree(path)
        except OSError:
            if not platform.exists(path):
                return
            if attempt == _ATTEMPTS - 1:
                raise
            platform.make_writable(path)
            time.sleep(0.1 * attempt)
        else:
            return


def move(source: Path, destination: Path) -> None:
    """Move a file, to another file system too; what is at ``destination`` is replaced. Raises OSError."""
    try:
        source.replace(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, destination, follow_symlinks=False)
        source.unlink()


def link_file(path: Path, name: Path) -> None:
    """Give a file another name: by a link of whatever kind the system allows, else a copy. Raises OSError."""
    for link in (os.symlink, os.link):
        with contextlib.suppress(OSError, NotImplementedError):  # Windows allows symlinks to few
            link(path, name)
            return
    shutil.copyfile(path, name)
