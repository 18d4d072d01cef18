"""The pins of a lock as data, and what changed between two locks."""

from __future__ import annotations

from typing import Any

from envtool.models import Lock, LockFile
from envtool.reports.tables import changes


def pins_by_backend(lock: Lock) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The pins as JSON: backend → name → [{version, marker}]."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for backend, file in sorted(lock.torch.items()):
        table: dict[str, list[dict[str, Any]]] = {}
        for pin in sorted((*file.pins, *lock.rest.pins), key=lambda pin: (pin.name, pin.version)):
            table.setdefault(pin.name, []).append({"version": str(pin.version), "marker": pin.marker})
        found[backend] = table
    return found


def diff_locks(before: Lock | None, now: Lock) -> tuple[str, ...]:
    """What changed between two locks, a line a package and file: ``+`` added, ``-`` removed, ``~`` changed."""
    lines: list[str] = []
    old_files = {file.filename: file for file in lock_files(before)} if before is not None else {}
    new_files = {file.filename: file for file in lock_files(now)}
    for filename in sorted({*old_files, *new_files}):
        old, new = _versions(old_files.get(filename)), _versions(new_files.get(filename))
        lines += [f"{line}  ({filename})" for line in changes(old, new)]
    return tuple(lines)


def lock_files(lock: Lock) -> list[LockFile]:
    """All files of a lock but lock.toml."""
    return [*lock.torch.values(), lock.rest]


def _versions(file: LockFile | None) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for pin in file.pins if file is not None else ():
        found.setdefault(pin.name, []).append(str(pin.version))
    return {name: ", ".join(sorted(set(versions))) for name, versions in found.items()}
