"""What became of a setup or a rollback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envtool.errors import AS_IT_WAS, EnvtoolError
from envtool.lock.workspace import LOCKFILES
from envtool.models import CheckResult, Generation, Note, Reporter

if TYPE_CHECKING:
    from envtool.env.plan import Plan

LASTING = ("lock.narrow", "lock.backend-narrow", "git.venv", "env.read-only", "env.uv-sync")
"""Codes of notes that are said at the end, where they are not missed: they speak of what is about to be done."""
REPEATED = (*LASTING, "request.subfolder", "request.other-files")
"""Codes of notes in the last lines; the one behind is said at the beginning too, before gigabytes are fetched."""

_CHANGES_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class InPlace:
    """The environment of an interpreter that was set up in place."""

    path: Path
    torch: str | None
    backend: str
    python: str


@dataclass(frozen=True, kw_only=True)
class SetupResult:
    """What became of it. ``generation`` is the current one afterwards; None on a dry run without any, and in place.

    ``reused``: it was there already, so that nothing was fetched. On a dry run it is the one that would be current.
    """

    generation: Generation | None
    changed: bool
    plan: Plan | None
    checks: tuple[CheckResult, ...]
    notes: tuple[Note, ...]
    phases: Mapping[str, float]
    lock_changed: bool = False
    place: InPlace | None = None
    reused: bool = False


@contextlib.contextmanager
def after_new_lock() -> Iterator[None]:
    """What ends a setup after the lock was written tells of it: the environment is as it was, and lockfiles/ is not."""
    news = f"{LOCKFILES}/ is new"
    try:
        yield
    except EnvtoolError as error:
        if AS_IT_WAS in error.message:
            error.message = error.message.replace(AS_IT_WAS, f"{AS_IT_WAS}; {news}", 1)
        else:
            # As a sentence of its own: the name of a folder does not begin with a capital.
            error.hint = f"{error.hint} {AS_IT_WAS.capitalize()}; {news}.".lstrip()
        raise
    except KeyboardInterrupt as error:
        error.args = (news,)
        raise


def tell_changes(diff: Sequence[str], reporter: Reporter) -> None:
    """What changed in a lock that a setup made anew, as ``envtool lock`` prints it; of many the first ones."""
    shown = diff if len(diff) <= _CHANGES_SHOWN else diff[: _CHANGES_SHOWN - 1]
    for line in shown:
        reporter.note(line)
    if len(shown) < len(diff):
        reporter.note(f"and {len(diff) - len(shown)} more changes of the lock")
