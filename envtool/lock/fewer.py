"""What a lock leaves out where its targets and Pythons have no solution together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TypeVar

from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import canonicalize_name

from envtool.errors import ResolutionError, UnsatisfiableError
from envtool.lock.full_step import short
from envtool.lock.markers import cells_of
from envtool.lock.task import Task
from envtool.models import SUPPORTED_PYTHONS, Lock, Note, Reporter
from envtool.settings import ALL_TARGETS
from envtool.torch.targets import host_target

_LEAVE_OUT_FIRST = ("linux-aarch64", "macos-arm64", "windows-amd64", "linux-x86_64")
"""The fewest wheels first."""

Attempt = Callable[[Task, tuple[str, ...]], Lock]

Found = TypeVar("Found")


def lock_fewer(task: Task, pythons: tuple[str, ...], error: ResolutionError, lock: Attempt) -> Lock:
    """Lock for fewer Pythons and targets than those for which ``error`` says that there is no solution.

    Later Pythons go first, when the project has no requires-python; then targets, when nobody chose them. What is left
    out is told in notes. Raises ResolutionError where that is not allowed, or where this machine has no solution.
    """
    # pip-compile knows one target and one Python anyway; and what there is not, there is not for any of them.
    if not _no_solution(error) or task.options.resolver == "pip-tools" or _asks_for_nothing_there(task, error):
        raise error
    if len(pythons) > 1 and not task.request.python_given:
        primary = task.options.primary
        task.reporter.phase("resolve", f"no versions for Python {', '.join(pythons)} together: for {primary} alone")
        found = if_possible(lambda: lock(task, (primary,)))
        if isinstance(found, Lock):
            return _with_notes(found, _python_note(task, pythons, error))
        error = found
    if task.options.targets_chosen:
        raise error
    return _leave_targets_out(task, pythons, error, lock)


def _leave_targets_out(task: Task, pythons: tuple[str, ...], error: ResolutionError, lock: Attempt) -> Lock:
    """Without as few targets as it takes, and with this machine's."""
    fewer = pythons if task.request.python_given else (task.options.primary,)
    quiet = muted(task)

    def attempt(left_out: tuple[str, ...], pythons: tuple[str, ...], what: str) -> Lock | ResolutionError:
        task.reporter.phase("resolve", what)
        return if_possible(lambda: lock(_without(quiet, left_out), pythons))

    task.reporter.note(f"no versions for {', '.join(task.options.targets)} together: finding out what to leave out")
    kept = with_most_targets(
        task.options.targets,
        _first_target(task),
        lambda left_out, what: attempt(left_out, fewer, what),
        error=error,
    )
    if isinstance(kept, ResolutionError):
        raise kept
    left_out, best = kept
    message = f"this lock leaves out {', '.join(left_out)}, for which there is no solution: {short(error.message)}"
    notes = [Note(code="lock.narrow", message=message)]
    if fewer != pythons:
        found = attempt(left_out, pythons, f"for Python {', '.join(pythons)}, too")
        if isinstance(found, Lock):
            best = found
        else:
            notes.append(_python_note(task, pythons, found))
    return _with_notes(best, *notes)


def with_most_targets(
    targets: Iterable[str],
    here: str,
    attempt: Callable[[tuple[str, ...], str], Found | ResolutionError],
    gone: tuple[str, ...] = (),
    error: ResolutionError | None = None,
) -> tuple[tuple[str, ...], Found] | ResolutionError:
    """What ``attempt`` finds with as few targets left out as it takes, ``here`` kept; and those that are left out.

    An attempt is given what to leave out, and that in words. Those are tried first that ``error``, which all targets
    together ended with, lays the blame on, and then all others: where nothing is blamed, or it helps nothing. ``gone``
    is left out in any case; without it, all targets together were tried before. Gives the error where there is no
    solution for ``here`` alone.
    """
    others = [name for name in leave_out_first(targets) if name not in (here, *gone)]
    alone = attempt((*gone, *others), f"for {here} alone")
    if isinstance(alone, ResolutionError):
        return alone
    failed: list[tuple[str, ...]] = []
    left_out = gone
    while error is not None and (blamed := _blamed(error, others, left_out)):
        left_out = (*gone, *(name for name in others if name in (*left_out, *blamed)))
        if len(left_out) == len(gone) + len(others):
            return left_out, alone
        found = attempt(left_out, f"without {', '.join(left_out)}")
        if not isinstance(found, ResolutionError):
            return left_out, found
        failed.append(left_out)
        error = found
    for count in range(0 if gone else 1, len(others)):
        for some in combinations(others, count):
            left_out = (*gone, *some)
            if left_out in failed:
                continue
            found = attempt(left_out, f"without {', '.join(left_out)}")
            if not isinstance(found, ResolutionError):
                return left_out, found
    return (*gone, *others), alone


def _blamed(error: ResolutionError, others: Iterable[str], left_out: Iterable[str]) -> tuple[str, ...]:
    """The targets that the resolver names as the part without a solution; none where it names one that has to stay."""
    if not isinstance(error, UnsatisfiableError) or not error.split:
        return ()
    try:
        cells, _ = cells_of(error.split, product(ALL_TARGETS, SUPPORTED_PYTHONS))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return ()
    named = {target for target, _ in cells}
    return tuple(named) if named <= set(others) - set(left_out) else ()


def leave_out_first(targets: Iterable[str]) -> list[str]:
    """Targets in the order in which they are left out: the one with the fewest wheels first."""
    return sorted(targets, key=_LEAVE_OUT_FIRST.index)


def if_possible(attempt: Callable[[], Found]) -> Found | ResolutionError:
    """What an attempt gives, or the error which says that there is no solution. Raises any other ResolutionError."""
    try:
        return attempt()
    except ResolutionError as error:
        if not _no_solution(error):
            raise
        return error


def muted(task: Task) -> Task:
    """The task, with attempts at it that only show that work goes on."""
    return replace(task, reporter=_Muted(task.reporter))


def _without(task: Task, left_out: tuple[str, ...]) -> Task:
    kept = tuple(name for name in task.options.targets if name not in left_out)
    return replace(task, options=replace(task.options, targets=kept))


@dataclass(frozen=True)
class _Muted:
    """A reporter that only shows that work goes on."""

    inner: Reporter

    def phase(self, name: str, detail: str = "") -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing: the lock that is made in the end says it."""

    def busy(self, name: str) -> AbstractContextManager[Callable[[str], None]]:
        """As it is."""
        return self.inner.busy(name)

    @property
    def passthrough(self) -> bool:
        """As it is."""
        return self.inner.passthrough


def _no_solution(error: ResolutionError) -> bool:
    # A package whose source had to be built, and could not be, has no wheel for one of them.
    return error.code in ("resolve.unsatisfiable", "resolve.build")


def _asks_for_nothing_there(task: Task, error: ResolutionError) -> bool:
    """Whether the cause is a package that no index has and that the project itself asks for on this machine."""
    if not isinstance(error, UnsatisfiableError) or not error.absent:
        return False
    here = [(_first_target(task), task.options.primary)]
    asked = [
        item.requirement
        for item in task.request.requirements
        if canonicalize_name(item.requirement.name) == canonicalize_name(error.absent)
    ]
    return any(cells_of(str(item.marker) if item.marker else None, here)[0] for item in asked)


def _first_target(task: Task) -> str:
    host = host_target()
    return host.name if host is not None else task.options.targets[0]


def _python_note(task: Task, pythons: tuple[str, ...], error: ResolutionError) -> Note:
    message = f"this lock covers Python {task.options.primary} only: the project has no requires-python, and for "
    message += f"Python {', '.join(pythons)} together there is no solution: {error.message}"
    return Note(code="lock.narrow", message=message)


def _with_notes(lock: Lock, *notes: Note) -> Lock:
    return replace(lock, notes=(*lock.notes, *notes))
