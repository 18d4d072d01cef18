"""One digest over all that a migration looks at: as long as it stays, there is nothing to do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from envtool import __version__
from envtool.audit.discover import discover
from envtool.audit.options import read_settings
from envtool.audit.rules import RULES
from envtool.env import generations as chain
from envtool.env.models import find_models
from envtool.lock.workspace import LOCKFILES
from envtool.migrate.models import Options
from envtool.migrate.record import Record
from envtool.models import Layout


def fingerprint(layout: Layout, options: Options, record: Record) -> str:
    """The digest now; empty where the environment or the bundle is not the one that the record names.

    The content of every file that the audit reads, of the lock, the README and .gitignore; size and time of the model
    files, which may be gigabytes.
    """
    live = chain.current(layout)
    built = record.facts.get("built")
    if live is None or live.id != record.facts.get("generation") or not chain.is_sound(layout, live):
        return ""
    if built is not None and not (layout.root / "dist" / built).exists():
        return ""
    settings = read_settings(layout.root, [rule.code for rule in RULES])
    found = discover([layout.root], cwd=layout.root, exclude=settings.exclude).project
    rows: list[list[str]] = [["envtool", __version__], ["options", json.dumps(asdict(options), sort_keys=True)]]
    rows += [[path, _digest(source.text.encode("utf-8", "surrogatepass"))] for path, source in found.sources.items()]
    names = [Path(layout.root, name) for name in ("README.md", ".gitignore", ".python-version")]
    rows += [[path.name, _digest(path.read_bytes())] for path in names if path.is_file()]
    rows += [[path.name, _digest(path.read_bytes())] for path in sorted((layout.root / LOCKFILES).glob("*.t*"))]
    for path, _ in find_models([layout.root]):
        status = path.lstat()
        rows.append([path.as_posix(), str(status.st_size), str(status.st_mtime_ns)])
    return _digest(json.dumps(sorted(rows)).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
