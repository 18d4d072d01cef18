"""Sizes of files by their sha256, remembered in the user's cache folder: an index page does not say them all.

A lock holds digests and no sizes, so a plan would have to ask for each file on every run. The cache is only ever a
saving: it is keyed by digest, so it cannot be wrong for long, and a broken or missing one counts as empty.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from envtool.models import Artifact

_LIMIT = 50_000


def cache_path() -> Path:
    """Where the sizes are remembered."""
    from platformdirs import user_cache_path

    return user_cache_path("envtool", appauthor=False) / "sizes.json"


def known_sizes() -> dict[str, tuple[str, int]]:
    """sha256 → (file name, bytes)."""
    try:
        table = json.loads(cache_path().read_text(encoding="utf-8"))
        return {key: (str(name), int(size)) for key, (name, size) in table.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember_sizes(artifacts: Iterable[Artifact], known: Mapping[str, tuple[str, int]] | None = None) -> None:
    """Add what these files say. A cache that cannot be written is no error."""
    table = dict(known if known is not None else known_sizes())
    before = len(table)
    for item in artifacts:
        if item.sha256 and item.size:
            table[item.sha256] = (item.filename, item.size)
    if len(table) == before:
        return
    kept = dict(list(table.items())[-_LIMIT:])
    path = cache_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.replace(path)
