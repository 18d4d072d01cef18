"""The record of a migration: what was asked, what each phase found, how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from envtool import __version__
from envtool.adapters import files
from envtool.adapters.clock import timestamp
from envtool.errors import InstallError, UsageError
from envtool.migrate.models import LEFT_OUT, PHASES, Before, Options, Row
from envtool.models import Layout
from envtool.reports.migration import render_summary

SCHEMA = 1
State = Literal["running", "done", "partial", "failed", "interrupted", "undone"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """``.envtool/migration.json``. ``before``: what there was before the move, also in a second migration; ``found``:
    what this one found at ``.venv``. ``error``: code, message and hint of the gate that failed. ``fingerprint``: of all
    that the migration looked at, when it was done."""

    state: State
    options: Options
    before: Before
    found: Before
    started: str
    rows: tuple[Row, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    finished: str | None = None
    error: tuple[str, str, str] | None = None
    restored: bool = False
    left: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def to_do(self) -> tuple[str, ...]:
        """The phases that are not done yet."""
        return tuple(row.name for row in self.rows if row.status in ("todo", "fail"))

    def row(self, name: str) -> Row:
        """The row of a phase."""
        return next(row for row in self.rows if row.name == name)

    def with_row(self, new: Row, facts: Mapping[str, Any]) -> Record:
        """The record after a phase."""
        rows = tuple(new if row.name == new.name else row for row in self.rows)
        return replace(self, rows=rows, facts={**self.facts, **facts})

    def ended(self, state: State, **changes: Any) -> Record:
        """The record at the end."""
        return replace(self, state=state, finished=timestamp(), **changes)

    def as_dict(self) -> dict[str, Any]:
        """As JSON: the keys of the command's result, and what is needed to go on."""
        before, facts = self.before, {} if self.restored else self.facts
        return {
            "state": self.state,
            "phases": [row.as_dict() for row in self.rows],
            "restored": self.restored,
            "left": list(self.left),
            "record": record_name("json"),
            "summary": record_name("md"),
            "generation": facts.get("generation"),
            "torch": {"before": before.torch, "after": facts.get("torch")},
            "sizes": {
                "environment": {"before": before.size, "after": facts.get("environment_size")},
                "bundle": {"before": facts.get("bundle_size_before"), "after": facts.get("bundle_size")},
            },
            "way_back": facts.get("way_back"),
            "remaining": facts.get("remaining", []),
            "notes": facts.get("notes", []),
            "started": self.started,
            "finished": self.finished,
        }


def record_name(suffix: str) -> str:
    """The record's file (``json``) and the summary (``md``), relative to the project."""
    return f".envtool/migration.{suffix}"


def left_out(name: str) -> Row:
    """The row of a phase that the options leave out."""
    return Row(name=name, status="skip", evidence=LEFT_OUT)


def fresh(options: Options, found: Before) -> Record:
    """The record at the beginning: everything is to do, but for what the options leave out."""
    rows = tuple(Row(name=name, status="todo") if options.runs(name) else left_out(name) for name in PHASES)
    return Record(state="running", options=options, before=found, found=found, started=timestamp(), rows=rows)


def write_record(layout: Layout, record: Record) -> None:
    """Write the record and the summary, each atomically. Raises InstallError (``migrate.record``)."""
    error = None if record.error is None else dict(zip(("code", "message", "hint"), record.error, strict=True))
    table = {
        "schema": SCHEMA,
        "envtool": __version__,
        **record.as_dict(),
        "error": error,
        "options": asdict(record.options),
        "before": asdict(record.before),
        "found": asdict(record.found),
        "facts": dict(record.facts),
        "fingerprint": record.fingerprint,
    }
    try:
        for suffix, text in (
            ("json", json.dumps(table, indent=1, ensure_ascii=False) + "\n"),
            ("md", render_summary(table)),
        ):
            # A file name that is no UTF-8 becomes an escape, which JSON reads as one.
            files.write_bytes(layout.root / record_name(suffix), text.encode("utf-8", "backslashreplace"))
    except OSError as problem:
        message = f"the record cannot be written: {problem.strerror or problem}"
        raise InstallError("migrate.record", message, "Free some disk space, or make .envtool writable.") from problem


def read_record(layout: Layout) -> Record | None:
    """The record of the last migration; None when there is none that this envtool can read."""
    try:
        table = json.loads((layout.root / record_name("json")).read_text(encoding="utf-8"))
        if table["schema"] != SCHEMA:
            return None
        options: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table["options"].items()
        }
        error = table["error"]
        return Record(
            state=table["state"],
            options=Options(**options),
            before=Before(**table["before"]),
            found=Before(**table["found"]),
            started=table["started"],
            rows=tuple(Row(**{**row, "evidence": tuple(row["evidence"])}) for row in table["phases"]),
            facts=table["facts"],
            finished=table["finished"],
            error=None if error is None else (error["code"], error["message"], error["hint"]),
            restored=table["restored"],
            left=tuple(table["left"]),
            fingerprint=table["fingerprint"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def check_names(names: Iterable[str], option: str) -> tuple[str, ...]:
    """Names of phases from words with commas. Raises UsageError (``usage.phase``) for one that there is not."""
    found = [word.strip() for value in names for word in value.split(",") if word.strip()]
    for word in found:
        if word not in PHASES:
            raise UsageError("usage.phase", f"{option} {word}: no such phase", f"There are: {', '.join(PHASES)}.")
    return tuple(found)
