"""What the risk report of ``envtool audit`` may count on beside the sources: lock, environments, flip, bundle.

Everything is read from records; nothing is run, locked or asked over the network. What cannot be read is a note of the
report and not the end of the audit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from envtool.audit.risk.evidence import (
    BundleFacts,
    EnvironmentFacts,
    Evidence,
    FlipFacts,
    LockFacts,
    Mention,
    PlanFacts,
)
from envtool.errors import EnvtoolError

if TYPE_CHECKING:
    from envtool.env.status import Row, Status
    from envtool.lock.workspace import Project
    from envtool.models import Layout, Lock

_README_CAP = 2_000_000

# A command ends with its code span, its cell of a table, or where another one begins.
_SETUP = re.compile(r"\benvtool setup(?= )(?![^`|;&]* --dry-run\b)[^`|;&]* (--cpu|--backend[ =]cpu)(?![\w-])")
_ROLLBACK = re.compile(r"\benvtool rollback(?![\w-])(?![^`|;&]* --dry-run\b)")


def project_root(audited: Path, cwd: Path) -> Path:
    """The folder whose records count: the audited one, or the current one when only a part of it was audited."""
    own = any((audited / name).exists() for name in (".envtool", "lockfiles", "pyproject.toml"))
    return audited if own or not audited.is_relative_to(cwd) else cwd


def gather(root: Path) -> Evidence:
    """The evidence that lies in a project folder. Never raises for what is in it."""
    from envtool.adapters.platform import disk_usage
    from envtool.env.records import layout_for
    from envtool.env.status import read_status
    from envtool.lock.workspace import open_project

    notes: list[str] = []
    setup, rollback = _mention(root, _SETUP), _mention(root, _ROLLBACK)
    project = None
    with _noting("The settings", notes):
        project = open_project(root, {})
    if project is None:
        return Evidence(setup_documented=setup, rollback_documented=rollback, notes=tuple(notes))
    layout = layout_for(root, project.settings.venv)
    lock: Lock | None = None
    with _noting("The lock", notes):
        from envtool.lock.stage import existing_lock

        lock = existing_lock(project)
    status: Status | None = None
    with _noting("The environments", notes):
        status = read_status(layout)
    own = status is not None and status.occupant.kind == "directory"
    return Evidence(
        lock=_lock(project, lock, notes) if lock is not None else None,
        environments=tuple(_environment(row) for row in status.rows) if status is not None else (),
        own_size=disk_usage([layout.venv]).apparent if own else None,
        way_back=status.way_back if status is not None else None,
        flip=_flip(layout),
        bundle=_bundle(layout),
        plan=_plan(lock) if lock is not None else None,
        setup_documented=setup,
        rollback_documented=rollback,
        notes=tuple(notes),
    )


@contextmanager
def _noting(what: str, notes: list[str]) -> Iterator[None]:
    try:
        yield
    except EnvtoolError as error:
        notes.append(f"{what} could not be read: {error.message}.")
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        notes.append(f"{what} could not be read: {error.strerror or error}{where}.")
    except RuntimeError as error:  # links that lead in a circle, before Python 3.13
        notes.append(f"{what} could not be read: {error}.")


def _lock(project: Project, lock: Lock, notes: list[str]) -> LockFacts:
    from envtool.lock.coverage import has_way_back
    from envtool.lock.request import RequestOptions, build_request
    from envtool.lock.stage import has_sources, request_from_lock, staleness
    from envtool.lock.workspace import LOCKFILES
    from envtool.torch.backends import CPU

    torch = tuple(
        (backend, " and ".join(sorted({str(pin.version) for pin in file.pins if pin.name == "torch"})))
        for backend, file in sorted(lock.torch.items())
    )
    stale: tuple[str, ...] | None = None
    with _noting("What the lock was made from", notes):
        # The oldest Python of the lock stands for the one that envtool would choose: choosing would run it.
        oldest = min(lock.pythons, key=lambda text: tuple(int(part) for part in text.split(".")), default="3.10")
        inputs = RequestOptions()
        request = (
            build_request(project.root, inputs, project.settings, oldest)
            if has_sources(project)
            else request_from_lock(lock)
        )
        stale = staleness(lock, request, project, (CPU,))
    return LockFacts(path=LOCKFILES, torch=torch, stale=stale, way_back=has_way_back(lock))


def _environment(row: Row) -> EnvironmentFacts:
    one = row.generation
    states = [check.status for check in one.checks]
    return EnvironmentFacts(
        number=one.id,
        backend=one.backend,
        torch=one.torch or "none",
        current=row.current,
        healthy=row.healthy,
        size=row.usage.apparent,
        passed=states.count("pass"),
        failed=states.count("fail"),
        skipped=states.count("skip"),
    )


def _flip(layout: Layout) -> FlipFacts | None:
    from envtool.env.records import remembered_flip

    flip = remembered_flip(layout)
    if flip is None:
        return None
    return FlipFacts(seconds=flip.seconds, before=flip.before, after=flip.after, day=flip.at[:10])


def _bundle(layout: Layout) -> BundleFacts | None:
    from envtool.bundle.record import read_record

    record = read_record(layout.state, layout.root)
    if record is None:
        return None
    states = {check.id: check.status for check in record.checks}
    return BundleFacts(
        path=record.path,
        torch=record.torch,
        size=record.size,
        passed=tuple(name for name, status in states.items() if status == "pass"),
        skipped=tuple(name for name, status in states.items() if status == "skip"),
        default_size=record.default_size,
    )


def _plan(lock: Lock) -> PlanFacts | None:
    from envtool.env.plan import recall

    for python in lock.pythons:
        with suppress(EnvtoolError):
            sizes = recall(lock, python)
            if sizes is not None:
                return PlanFacts(cpu=sizes[0], full=sizes[1])
    return None


def _mention(root: Path, command: re.Pattern[str]) -> Mention | None:
    """The first line of a README that names a command. Blanks count as one."""
    for path in sorted(root.glob("*")):
        if not path.name.lower().startswith("readme"):
            continue
        text = ""
        with suppress(OSError):  # one that cannot be read says nothing to its readers either
            if path.is_file() and path.stat().st_size <= _README_CAP:
                text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if command.search(" ".join(line.split())):
                return Mention(path=path.name, line=number)
    return None
