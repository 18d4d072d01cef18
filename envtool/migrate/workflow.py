"""The whole move: begin, one gate after the other, place what was built, commit; or put everything back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from envtool.adapters import platform
from envtool.adapters.process import uninterrupted
from envtool.env import generations as chain
from envtool.env.afterwards import UV_SYNC, uv_keeps
from envtool.env.commands import read_commands
from envtool.env.installed import installed_versions
from envtool.env.verify import VerifyOptions, locate_site_packages, verify_environment
from envtool.errors import EnvtoolError, ExitCode, UsageError, interruption
from envtool.migrate import audit, bundle, docs, lock, setup, weights
from envtool.migrate.again import carried, continued, holds, with_rest
from envtool.migrate.fingerprint import fingerprint
from envtool.migrate.hints import go_on
from envtool.migrate.models import PHASES, Before, Gate, Migration, Options, Phase, Row
from envtool.migrate.record import Record, fresh, read_record, write_record
from envtool.migrate.remaining import remaining
from envtool.migrate.transaction import Transaction, begin, tidy, unfinished
from envtool.models import Layout, Reporter
from envtool.torch.backends import FULL

STEPS: tuple[Phase, ...] = (
    Phase(name="audit", promise="what breaks on CPU-only torch is known and mended", run=audit.audit, plan=audit.audit),
    Phase(name="fix", promise="the mechanical mends are made", run=audit.fix, plan=audit.plan_fix),
    Phase(name="lock", promise="the same torch, as a CPU build", run=lock.lock, plan=lock.plan_lock),
    Phase(name="setup", promise="a proven environment, and your checks in it", run=setup.setup, plan=setup.plan_setup),
    Phase(name="models", promise="every model file loads on a CPU", run=weights.models, plan=weights.models),
    Phase(name="bundle", promise="the frozen app builds and starts", run=bundle.bundle, plan=bundle.plan_bundle),
    Phase(name="docs", promise="the README says how", run=docs.docs, plan=docs.plan_docs),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What to do: the options, and how to begin."""

    options: Options
    resume: bool = False
    undo: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How it ended: the result as JSON, the exit code, and the error as (code, message, hint)."""

    result: Mapping[str, Any]
    exit_code: int = 0
    error: tuple[str, str, str] | None = None


def migrate(layout: Layout, wanted: Wanted, reporter: Reporter) -> Ended:
    """Move the project, or go on with it, or undo it. A gate that fails, and Ctrl-C, put everything back.

    Raises BusyError (9), UsageError (``migrate.resume``, ``usage.check``), RollbackError where something cannot be put
    back; the error of a gate is part of what is returned.
    """
    read_commands(wanted.options.checks)  # one that cannot be read is known before the work of the other phases
    if wanted.dry_run:
        return _rehearse(layout, wanted, reporter)
    with chain.exclusive(layout, migrating=True):
        tidy(layout)
        under_way, record = unfinished(layout), read_record(layout)
        options = _options(wanted, record)
        if wanted.undo:
            return _undo(layout, under_way, record)
        # What had passed holds for the options that it passed with.
        if under_way is not None and wanted.resume and record is not None and options == record.options:
            reporter.note("going on with the migration that was interrupted")
            chain.recover(layout)
            return _Run(layout, replace(record, state="running"), under_way, reporter).run()
        if under_way is not None:
            with uninterrupted():
                left = under_way.restore()
            reporter.note("an interrupted migration was undone first")
            for text in left:
                reporter.warn(text)
        for sentence in chain.recover(layout):
            reporter.note(sentence)
        stands = record is not None and holds(layout, record)
        last, record = record, _begin(layout, options, record, reporter)
        if record is last:
            return Ended(result={**record.as_dict(), "changed": False})
        # First the record: whoever finds a journal finds the record that belongs to it.
        write_record(layout, record)
        return _Run(layout, record, begin(layout), reporter, stands=last if stands else None).run()


class _Run:
    """One run through the phases. The record is written after each of them.

    ``stands``: the record of the move that this run goes on from. It is the record again when this run fails.
    """

    def __init__(
        self,
        layout: Layout,
        record: Record,
        transaction: Transaction,
        reporter: Reporter,
        *,
        stands: Record | None = None,
    ) -> None:
        self.layout = layout
        self.stands = stands
        self.record = record
        self.transaction = transaction
        self.migration = Migration(
            layout=layout,
            options=record.options,
            found=record.found,
            reporter=reporter,
            transaction=transaction,
            facts=dict(record.facts),
        )
        self.ended: Ended | None = None

    def run(self) -> Ended:
        """All phases that are to do, then the commit."""
        try:
            for phase in STEPS:
                if phase.name in self.record.to_do:
                    self.gate(phase)
            return self.finish()
        except EnvtoolError as error:
            told = (error.code, f"{self.where()}{_first(error)}", self.next_step(error.hint))
            return self.put_back("failed", told, int(error.exit_code))
        except KeyboardInterrupt as error:
            if self.ended is not None:
                return self.ended  # it came too late
            word, status = interruption(error)
            return self.put_back("interrupted", (word, f"{self.where()}{word}", self.next_step("")), int(status))
        except BaseException:
            self.put_back("failed", ("bug", "unexpected error", ""), int(ExitCode.BUG))
            raise

    def next_step(self, hint: str) -> str:
        """How to go on: the options are in the record of this run, which stays unless another one stands."""
        return go_on(hint) if self.stands is None else go_on(hint, resume=False)

    def where(self) -> str:
        """The gate that did not hold, for the error's first words."""
        failed = next((row.name for row in self.record.rows if row.status == "fail"), "")
        return f"gate {failed}: " if failed else ""

    def gate(self, phase: Phase) -> None:
        """One phase. Raises what the phase raises, after having written it down."""
        number = [step.name for step in STEPS].index(phase.name) + 1
        self.migration.reporter.phase(f"gate {number}/{len(STEPS)}", f"{phase.name}: {phase.promise}")
        start = time.monotonic()
        try:
            gate = phase.run(self.migration)
        except BaseException as error:
            message = getattr(error, "message", "") or _name(error)
            evidence, hint = tuple(message.splitlines()), getattr(error, "hint", "")
            row = Row(name=phase.name, status="fail", evidence=evidence, seconds=_since(start), next=hint)
            self.record = self.record.with_row(row, {})
            raise
        row = Row(name=phase.name, status=gate.status, evidence=gate.evidence, seconds=_since(start))
        self.record = self.record.with_row(row, gate.facts)
        if gate.facts.get("fixed"):
            self.record = with_rest(self.record, phase.name)
        self.migration.facts.update(gate.facts)
        write_record(self.layout, self.record)

    def finish(self) -> Ended:
        """Put the bundle into dist, and commit. Raises InstallError."""
        built = self.record.facts.get("built")
        # One of an earlier migration lies in dist already; one that a kill left half placed has its row.
        if built is not None and (platform.exists(self.transaction.staging / built) or self.transaction.journal.placed):
            self.transaction.place(self.transaction.staging / built, self.layout.root / bundle.DIST / built)
        if self.record.row("setup").status == "pass":
            rows = [row.as_dict() for row in remaining(self.migration)]
            notes = [UV_SYNC.message] if uv_keeps(self.migration.project(), self.layout) else []
            self.record = replace(self.record, facts={**self.record.facts, "remaining": rows, "notes": notes})
        partial = any(row.left_out for row in self.record.rows)
        record = self.record.ended("partial" if partial else "done")
        record = replace(record, fingerprint=fingerprint(self.layout, record.options, record))
        with uninterrupted():
            write_record(self.layout, record)
            self.transaction.commit()
            self.ended = Ended(result={**record.as_dict(), "changed": True})
        return self.ended

    def put_back(self, state: Any, error: tuple[str, str, str], exit_code: int) -> Ended:
        """Everything is put back; a second Ctrl-C does not stop that.

        Raises RollbackError where it cannot be put back: that is then what counts, and why it was tried is a warning.
        """
        journal = self.transaction.journal
        touched = bool(journal.files or journal.placed) or self.record.row("setup").status in ("pass", "fail")
        with uninterrupted():
            if touched:
                self.migration.reporter.phase("restore", "the environment and the files, as they were")
            try:
                left = self.transaction.restore()
            except EnvtoolError:
                self.migration.reporter.warn(error[1])
                raise
            if state == "interrupted":
                as_it_was = "all is as it was" if not left else "all is as it was but for what is left alone"
                error = (error[0], f"{error[1]}; {as_it_was}", error[2])
            record = self.record.ended(state, error=error, restored=True, left=left)
            # Whatever the record says, what counts is done: everything is back.
            with contextlib.suppress(EnvtoolError):
                write_record(self.layout, record if self.stands is None or left else self.stands)
        result = {**record.as_dict(), "changed": False, "touched": touched}
        if self.stands is not None:
            result["stands"] = self.stands.finished
        return Ended(result=result, exit_code=exit_code, error=error)


def _options(wanted: Wanted, record: Record | None) -> Options:
    """The options given, with ``resume`` on top of those of the last migration.

    Raises UsageError (``migrate.resume``, and ``usage.phase`` where they leave every phase out).
    """
    options = wanted.options
    if wanted.resume and record is None:
        message = "there is no migration to go on with"
        raise UsageError("migrate.resume", message, "Begin one: envtool migrate --fix")
    if wanted.resume and record is not None:
        options = record.options.with_given(options)
    if not wanted.undo and not any(map(options.runs, PHASES)):
        given = " and ".join(f"{name} {','.join(names)}" for name, names in _named(options) if names)
        raise UsageError("usage.phase", f"{given} leave no phase to run", f"There are: {', '.join(PHASES)}.")
    return options


def _named(options: Options) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("--only", options.only), ("--skip", options.skip)


def _begin(layout: Layout, options: Options, last: Record | None, reporter: Reporter) -> Record:
    """The record of a migration that begins: what is there, and the Python that stays. After one that is done and still
    holds it is that one's with what is left to do, or that very one where nothing is. Raises UsageError."""
    if last is not None and holds(layout, last):
        record = continued(last, options)
        if not record.to_do:
            return last
        reporter.note(f"moved on {last.finished}, nothing has changed since; still to do: {', '.join(record.to_do)}")
        return replace(record, found=survey(layout))
    record = fresh(options, survey(layout))
    migration = Migration(layout=layout, options=options, found=record.found, reporter=reporter)
    before, facts = carried(last, record.found)
    return replace(record, before=before, facts={**facts, "python": lock.keep_python(migration)})


def survey(layout: Layout) -> Before:
    """What stands at ``.venv``, read without running it."""
    try:
        site = locate_site_packages(layout.venv)
        report = verify_environment(python=None, site_packages=site, options=VerifyOptions(expected=FULL, static=True))
        installed = installed_versions(site)
    except (EnvtoolError, OSError):
        return Before()
    size = platform.disk_usage([layout.venv.resolve()]).apparent
    return Before(torch=report.torch, backend=report.backend, python=report.python, installed=installed, size=size)


def _undo(layout: Layout, under_way: Transaction | None, record: Record | None) -> Ended:
    if under_way is None:
        message = "there is no unfinished migration here"
        raise UsageError("migrate.undo", message, "A migration that is done: envtool rollback, and git for the files.")
    with uninterrupted():
        left = under_way.restore()
    ended = (record or fresh(Options(), Before())).ended("undone", restored=True, left=left)
    write_record(layout, ended)
    return Ended(result={**ended.as_dict(), "changed": True})


def _rehearse(layout: Layout, wanted: Wanted, reporter: Reporter) -> Ended:
    """What the move would do. Nothing is written; the gates that only read are real, and every one is looked at.

    Raises UsageError (``migrate.resume``).
    """
    last, under_way = read_record(layout), unfinished(layout)
    options = _options(wanted, last)
    if under_way is not None and wanted.resume and last is not None and options == last.options:
        reporter.note("a migration was interrupted here; it would go on")
        record = replace(last, state="running")
    else:
        if under_way is not None:
            reporter.warn("a migration was interrupted here; it would be undone first")
        record = _begin(layout, options, last, reporter)
    migration = Migration(
        layout=layout, options=record.options, found=record.found, reporter=reporter, facts=dict(record.facts)
    )
    first: EnvtoolError | None = None
    for phase in STEPS:
        if phase.name not in record.to_do:
            continue
        start = time.monotonic()
        try:
            gate = phase.plan(migration)
            row = Row(name=phase.name, status=gate.status, evidence=gate.evidence, seconds=_since(start))
        except EnvtoolError as error:
            first = first or error
            gate = Gate(evidence=tuple(error.message.splitlines()), status="fail")
            row = Row(name=phase.name, status="fail", evidence=gate.evidence, seconds=_since(start), next=error.hint)
        record = record.with_row(row, gate.facts)
        migration.facts.update(gate.facts)
    result = {**record.as_dict(), "state": "dry-run", "changed": False}
    if first is None:
        return Ended(result=result)
    failed = next(row.name for row in record.rows if row.status == "fail")
    told = (first.code, f"gate {failed}: {_first(first)}", first.hint)
    return Ended(result=result, exit_code=int(first.exit_code), error=told)


def _first(error: EnvtoolError) -> str:
    """The first line; the checklist has the others."""
    return (error.message.splitlines() or [error.code])[0]


def _name(error: BaseException) -> str:
    return interruption(error)[0] if isinstance(error, KeyboardInterrupt) else type(error).__name__


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)
