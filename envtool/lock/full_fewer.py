"""Full torch for fewer targets than the cpu build: where it has no solution on one of them, the others keep it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from envtool.errors import ResolutionError, UnsatisfiableError
from envtool.lock.fewer import if_possible, leave_out_first, muted, with_most_targets
from envtool.lock.full_step import lock_full, short
from envtool.lock.task import BackendPins, Settled, Task
from envtool.models import Note
from envtool.torch.backends import FULL
from envtool.torch.select import Cell
from envtool.torch.targets import host_target


def lock_full_fewer(
    task: Task, cells: frozenset[Cell], settled: Settled, error: UnsatisfiableError
) -> BackendPins | ResolutionError:
    """Lock full torch for as many targets of ``cells`` as have a solution, after ``error`` said that not all have.

    This machine's comes first, since it is where somebody goes back; it is left out only where it has no solution by
    itself, and not where the backend is needed here. Where no target has one, that is what is given back: why there is
    none, for this machine if it is among them. Raises what lock_full raises, but for want of a solution.
    """
    targets = leave_out_first({target for target, _ in cells})
    quiet = muted(task)

    def attempt(left_out: tuple[str, ...], what: str) -> BackendPins | ResolutionError:
        task.reporter.phase("resolve", f"full torch {what}")
        fewer = frozenset(cell for cell in cells if cell[0] not in left_out)
        return if_possible(lambda: lock_full(quiet, fewer, settled))

    if len(targets) == 1:  # tried before
        return error
    gone: tuple[str, ...] = ()
    reasons: list[ResolutionError] = []
    wanted = _most_wanted_first(targets)
    for here in wanted[:1] if FULL.name in task.options.needed else wanted:
        found = with_most_targets(targets, here, attempt, gone, None if gone else error)
        if not isinstance(found, ResolutionError):
            left_out, pins = found
            return _told(pins, left_out, error)
        gone = (*gone, here)
        reasons.append(found)
    return reasons[0]


def _most_wanted_first(targets: Iterable[str]) -> list[str]:
    host = host_target()
    ordered = [*reversed(leave_out_first(targets))]
    return sorted(ordered, key=lambda name: host is None or name != host.name)  # stable: the others stay in order


def _told(pins: BackendPins, left_out: Iterable[str], error: UnsatisfiableError) -> BackendPins:
    """With the gap, and a note on its cause. lock.toml gets no cause: uv's words may name an index."""
    gap = f"full torch is not locked for {', '.join(leave_out_first(left_out))}"
    message = f"{gap}, for which there is no solution: {short(error.message)}"
    note = Note(code="lock.backend-narrow", message=message)
    return replace(pins, gaps=(*pins.gaps, gap), notes=(*pins.notes, note))
