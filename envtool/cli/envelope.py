"""What goes to stdout: text, or the JSON envelope of ``--json``. Imports nothing heavy: the quick way out uses it."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from envtool import __version__

SCHEMA = 1
"""Version of the envelope; it goes up when a documented key changes its meaning or disappears."""


def envelope(command: str, result: Mapping[str, Any], exit_code: int, error: tuple[str, str, str] | None) -> str:
    """One object as text. ``error`` is ``(code, message, hint)``."""
    table: dict[str, Any] = {
        "envtool": __version__,
        "schema": SCHEMA,
        "command": command,
        "ok": exit_code == 0,
        "exit_code": exit_code,
        "result": dict(result),
        "error": dict(zip(("code", "message", "hint"), error, strict=True)) if error is not None else None,
    }
    return json.dumps(table, indent=2, ensure_ascii=False)


def is_gone(error: OSError) -> bool:
    """Whether a stream refused because its reader has gone; Windows calls that EINVAL (CPython issue 79935)."""
    return error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)


def write_out(text: str) -> None:
    """Write a result to stdout, now.

    A reader that has gone (``| head -1``) is no error: the work is done, and the exit code says how. Anything else
    that stdout refuses, a full disk or a closed descriptor, ends with exit code 2 and says so: the result is lost.
    """
    reason = "it is closed"
    try:
        if sys.stdout is not None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            return
    except OSError as error:
        drop_stdout()
        if is_gone(error):
            return
        reason = error.strerror or str(error)
    if sys.stderr is not None:
        sys.stderr.write(f"error[output]: cannot write to stdout: {reason}\n  hint: Send it somewhere else.\n")
    raise SystemExit(2)


def drop_stdout() -> None:
    """From now on stdout takes all and keeps nothing: Python flushes it when it ends, and would end with 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
