"""Full torch: the default index's own build, at the version of the other backends where it exists."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from packaging.version import Version

from envtool.errors import NoInputsError, ResolutionError, UnsatisfiableError
from envtool.lock.markers import cells_of, shorten
from envtool.lock.pins import full_pins
from envtool.lock.rest_step import line, plain_problem, resolve, rest_constraints
from envtool.lock.task import BackendPins, LockOptions, Settled, Task
from envtool.models import IndexAccess, Note, Pin, Request, Resolved
from envtool.torch.family import FAMILY, is_family, is_gpu_payload
from envtool.torch.offers import read_folders
from envtool.torch.select import Cell


class DisagreementError(Exception):
    """Full torch needs other versions of the rest; ``constraints`` are those."""

    def __init__(self, constraints: tuple[str, ...]) -> None:
        super().__init__()
        self.constraints = constraints


def lock_full(task: Task, cells: frozenset[Cell], settled: Settled) -> BackendPins:
    """Lock full torch for ``cells``, which may be fewer than those that earlier backends settled.

    Raises DisagreementError, NoInputsError, ResolutionError (``full.local``, …).
    """
    task.reporter.phase("resolve", "full torch from the default index, with the same pins for the rest")
    resolved, notes = _solve(task, cells, settled)
    if not any(item.name == "torch" for item in resolved):
        raise no_torch(task.request, "full")
    local = sorted({f"{item.name} {item.version}" for item in resolved if is_family(item.name) and item.version.local})
    if local:
        message = f"full torch resolved to {', '.join(local)}, which is no build of the default index"
        raise ResolutionError("full.local", message, "Take the folder with that wheel out of find-links.")
    pins = full_pins(resolved, cells, settled.cells or cells, task.options.access)
    if settled.rest is None:
        closure = {pin.name for pin in pins if is_family(pin.name) or is_gpu_payload(pin.name)}
        rest = tuple(pin for pin in pins if pin.name not in closure)
    else:
        closure = {pin.name for pin in pins} - {pin.name for pin in settled.rest}
        rest = settled.rest
    return BackendPins(
        torch=tuple(pin for pin in pins if pin.name in closure),
        rest=rest,
        cells=cells,
        notes=notes,
        seen=tuple(artifact for item in resolved for artifact in item.artifacts),
    )


def no_torch(request: Request, backend: str) -> NoInputsError:
    """The error for a request that reaches no torch."""
    message = f"nothing in {request.source} needs torch, directly or through another package"
    if request.source.endswith((".txt", ".in")):
        file = request.source if " and " not in request.source else "FILE"
        hint = f"Name it as well: envtool setup --{backend} torch -r {file}."
    else:
        hint = f"Add torch to what {request.source} asks for, if it is needed."
    if request.beside:
        hint = f"{request.beside} beside it names torch: envtool setup --{backend} -r {request.beside}."
    if request.elsewhere:
        hint = f"It is named apart there: add {' or '.join(request.elsewhere)}."
    return NoInputsError("lock.no-torch", message, hint)


def short(explanation: str) -> str:
    """The first clauses of a resolver's explanation, for a note."""
    text = explanation.removeprefix("Because ")
    return text if len(text) <= 240 else text[:240].rsplit(" ", 1)[0] + " …"


def _solve(task: Task, cells: frozenset[Cell], settled: Settled) -> tuple[tuple[Resolved, ...], tuple[Note, ...]]:
    """Full torch beside the pins of the rest; see make_lock for what becomes of a disagreement."""
    requested = [str(item.requirement) for item in task.request.requirements]
    # === : == would also match a +cpu wheel that a find-links folder holds.
    exact = {name: f"{name}==={versions[0]}" for name, versions in sorted(settled.public.items()) if len(versions) == 1}
    shared = rest_constraints(settled.rest)
    try:
        return _resolve(task, requested, cells, [*settled.extra, *shared], exact), ()
    except UnsatisfiableError as error:
        if not exact:
            raise
        reason = error
    if settled.rest is not None and not settled.final and not settled.extra:
        with contextlib.suppress(UnsatisfiableError):
            differences = _differences(_resolve(task, requested, cells, [], exact), settled.rest, cells)
            if differences:
                raise DisagreementError(differences)
    task.reporter.phase("resolve", "full torch at another version")
    resolved = _resolve(task, [*requested, *settled.public], cells, [*settled.extra, *shared])
    message = f"full torch has another version than the cpu build: {short(reason.message)}"
    return resolved, (Note(code="full.other-version", message=message),)


def _resolve(
    task: Task,
    lines: Sequence[str],
    cells: frozenset[Cell],
    constraints: Sequence[str],
    exact: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Resolved, ...]:
    given = {name: [text] for name, text in exact.items()}
    problem = plain_problem(task, [*lines, *exact.values()], cells, constraints, given)
    found = resolve(task, replace(problem, access=_without_family_wheels(task.options)))
    return tuple(item for item in found if not item.stand_in)


def _without_family_wheels(options: LockOptions) -> IndexAccess:
    """No find-links folder with another build of the family.

    pip-compile takes the digest of ``torch-2.13.0+cpu`` for ``torch==2.13.0`` when a folder offers it.
    """
    other = {
        str(folder)
        for folder in options.folders
        if any(item.version.local for name in FAMILY for item in read_folders((folder,), name))
    }
    return replace(options.access, find_links=tuple(link for link in options.access.find_links if link not in other))


def _differences(free: Sequence[Resolved], rest: tuple[Pin, ...], cells: frozenset[Cell]) -> tuple[str, ...]:
    """Constraints to the versions of ``free`` where ``rest`` has another one in the same cell."""
    known: dict[tuple[str, Cell], Version] = {}
    for pin in rest:
        known.update({(pin.name, cell): pin.version for cell in cells_of(pin.marker, cells)[0]})
    lines = []
    for item in free:
        marker, holding = shorten(item.marker, cells)
        if any(known.get((item.name, cell), item.version) != item.version for cell in holding):
            lines.append(line(item.name, f"=={item.version}", marker))
    return tuple(lines)
