"""The JSON envelope that every command prints under ``--json``. Imports nothing heavy: the quick way out uses it."""

from __future__ import annotations

import json
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
