"""The file lock of a project: how it is got, and who holds it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from envtool.env.records import prepare, unwritable
from envtool.errors import BusyError, InstallError
from envtool.models import Layout

if TYPE_CHECKING:
    from filelock import BaseFileLock

_SLICE = 0.5
"""Seconds: filelock would wait to the end for a file in a folder that has been taken away."""


def acquire(layout: Layout, wait: float) -> BaseFileLock:
    """The lock, with the folders that belong to it: a command that failed may just be taking them away.

    Raises BusyError (``busy``), InstallError (``env.state``).
    """
    from filelock import FileLock, Timeout

    path = layout.state / "lock"
    end = time.monotonic() + max(wait, _SLICE)
    while True:
        lock = FileLock(path)
        try:
            prepare(layout)
            lock.acquire(timeout=min(wait, _SLICE))
            prepare(layout)
        except Timeout as error:
            if time.monotonic() < end and (wait or not path.exists()):
                continue
            number = holder_of(layout.state / "lock.pid")
            raise BusyError(
                "busy",
                f"another envtool{f' (process {number})' if number is not None else ''} is working in {layout.root}",
                "Wait until it has ended and run the command again; it holds .envtool/lock.",
            ) from error
        except (InstallError, OSError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, FileNotFoundError) and time.monotonic() < end:
                continue  # a folder has gone between two steps
            if isinstance(error, OSError):
                raise unwritable(layout, error) from error
            raise
        if path.exists():
            return lock
        lock.release()  # of a file that has no name any more: it keeps nobody out


def holder_of(path: Path) -> int | None:
    """The process number in a ``lock.pid``; None without one."""
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None
