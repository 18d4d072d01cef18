"""A second migration: what the record of the first one still answers for, and what is left to do. Pure, but for the
digest of the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from envtool.adapters.clock import timestamp
from envtool.migrate.fingerprint import fingerprint
from envtool.migrate.models import PHASES, Before, Options, Row
from envtool.migrate.record import Record, left_out
from envtool.models import Layout
from envtool.torch.backends import CPU

_TOUCHED: Mapping[str, tuple[str, ...]] = {
    "fix": ("audit", "fix"),
    "fail_on": ("audit", "fix"),
    "checks": ("setup",),
    "spec": ("bundle", "docs"),
    "only": (),
    "skip": (),
}
"""The phases that another value of an option begins again; all of them where an option is not named here."""


def holds(layout: Layout, record: Record | None) -> bool:
    """Whether the move that the record tells of is done, and nothing that it looked at has changed since."""
    if record is None or record.state not in ("done", "partial") or not record.fingerprint:
        return False
    return record.fingerprint == fingerprint(layout, record.options, record)


def continued(record: Record, given: Options) -> Record:
    """The record of a move that holds, with what ``given`` adds to it left to do: phases that were left out, and those
    that an option touches which it did not have."""
    before = record.options
    # A new check comes on top of those that the record was proven with.
    checks = tuple(dict.fromkeys((*before.checks, *given.checks)))
    wanted = replace(before.with_given(given), checks=checks, only=given.only, skip=given.skip)
    changed = [name for name in Options.__dataclass_fields__ if getattr(wanted, name) != getattr(before, name)]
    touched = {phase for name in changed for phase in _TOUCHED.get(name, PHASES)}
    rows = tuple(_row(row, wanted, due=row.name in touched or row.left_out) for row in record.rows)
    if not any(row.left_out for row in rows):
        wanted = replace(wanted, only=(), skip=())  # nothing is missing: they said what to begin again
    again = replace(record, state="running", options=wanted, rows=rows, started=timestamp(), finished=None)
    return replace(again, fingerprint="", left=())


def with_rest(record: Record, name: str) -> Record:
    """The record with the phases behind one to do again, because that one has changed what they look at."""
    behind = PHASES[PHASES.index(name) + 1 :]
    rows = [
        Row(name=row.name, status="todo") if row.name in behind and not row.left_out else row for row in record.rows
    ]
    return replace(record, rows=tuple(rows))


def _row(row: Row, wanted: Options, *, due: bool) -> Row:
    if not due:
        return row
    return Row(name=row.name, status="todo") if wanted.runs(row.name) else left_out(row.name)


def carried(record: Record | None, found: Before) -> tuple[Before, dict[str, Any]]:
    """What there was before the move, and the facts about it: of the first migration, as long as ``.venv`` is not full
    torch again."""
    moved = found.backend in (None, CPU.name)
    if record is None or not moved or record.before.torch is None or record.before.backend == CPU.name:
        return found, {}
    kept = {key: value for key, value in record.facts.items() if key == "bundle_size_before"}
    return record.before, kept
