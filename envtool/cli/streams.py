"""stdout and stderr as every command has them. Imports nothing heavy: the quick way out uses it."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

from envtool.cli.envelope import is_gone

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Unread(io.FileIO):
    """A descriptor whose reader may go: what nobody reads is dropped."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if not is_gone(error):
                raise
            return len(memoryview(data))


def prepare_streams() -> None:
    """Call this first.

    What a console cannot show, and a file name that is no UTF-8, becomes an escape on stdout as on stderr, in JSON too.
    Progress on stderr that nobody reads (``2>&1 | true``) must not end the work half-way; a full disk still does.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        # As it is: behind a wrapper like the one below, nobody would keep it open, and what is opened next would get
        # its number, and what stderr was meant to get.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process lives
        return
    stream = sys.stderr
    # A console of Windows is no FileIO, and has no reader that goes.
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # python -u has none in between
    if not isinstance(stream, io.TextIOWrapper) or type(raw) is not io.FileIO:
        return
    unread = _Unread(raw.fileno(), "w", closefd=False)
    # As with python -u: what a buffer keeps back is written once more when Python ends, and fails once more.
    sys.stderr = io.TextIOWrapper(unread, encoding=stream.encoding, errors=stream.errors, write_through=True)
