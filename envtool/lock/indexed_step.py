"""A backend with an index of its own (cpu, cu126, …): torch step and rest step, repeated until they agree."""

from __future__ import annotations

from collections.abc import Sequence

from envtool.errors import NoInputsError, ResolutionError, UnsatisfiableError
from envtool.lock import gpu_policy
from envtool.lock.full_step import no_torch
from envtool.lock.going_back import forbids, go_back, go_without, speaks_of
from envtool.lock.pins import family_pin, rest_pins, setuptools_notes, source_note
from envtool.lock.rest_step import resolve, rest_problem
from envtool.lock.task import BackendPins, Settled, Task
from envtool.lock.torch_step import (
    FamilySource,
    digests,
    family_requests,
    gap_sentences,
    pin_family,
    transitive_request,
)
from envtool.models import Note, Resolved
from envtool.torch.family import is_family, is_gpu_payload
from envtool.torch.gpu_index import is_gpu_index
from envtool.torch.select import FamilyRequest, TorchPins, describe_cells

_ROUNDS = 16
"""How often the torch step may be repeated: for members that come in late, and for versions that others forbid."""


def lock_indexed(task: Task, source: FamilySource, settled: Settled) -> BackendPins:
    """Lock one backend from its index.

    Raises ResolutionError, LockError (``lock.no-hash``), InstallError (an index cannot be reached), NoInputsError.
    """
    requirements, notes = task.request.requirements, list[Note]()
    unasked = _unasked(task, source)
    if source.backend.is_cpu:
        requirements, left_out = gpu_policy.split_direct(requirements, task.options.gpu_packages, source.grid.cells)
        notes += (*left_out, *gpu_policy.unasked(unasked))
    direct = [str(item.requirement) for item in requirements]
    wanted = family_requests(task.request)
    pins: TorchPins | None = None
    new: list[str] = []
    reason = ""
    for _ in range(_ROUNDS):
        if wanted:
            try:
                pins = _torch_step(task, source, wanted, settled)
            except ResolutionError as error:
                wanted, settled, note = go_without(task, source, direct, wanted, (pins, new, error), settled)
                notes.append(note)
                new = []
                continue
        task.reporter.phase("resolve", f"everything else, beside {_pinned(pins)}" if pins else "everything else")
        try:
            resolved = resolve(task, rest_problem(task, source, direct, pins, settled))
        except UnsatisfiableError as error:
            if pins is None and speaks_of(error.report, "torch"):
                # Somebody asks for torch, and what the default index has of it does not fit: the backend's may.
                wanted = [transitive_request(task.request, "torch")]
                continue
            if pins is None or not forbids(error, pins):
                error.hint = gpu_policy.not_there(error.absent, unasked) or error.hint
                raise
            wanted, note = go_back(task, source, direct, wanted, (pins, error), settled)
            notes.append(note)
            reason = f": {error.message}"
            continue
        members = {item.name for item in resolved if is_family(item.name)}
        new = sorted(members - {request.name for request in wanted})
        if not new:
            break
        wanted = [*wanted, *(transitive_request(task.request, name) for name in new)]
    else:
        message = f"the torch family and the rest do not settle on one solution in {_ROUNDS} rounds{reason}"
        raise ResolutionError("resolve.unstable", message, "Pin torch: envtool lock 'torch==X.Y.Z' -r FILE.")
    if pins is None:
        raise no_torch(task.request, source.backend.name)
    return _collect(task, source, (pins, resolved), settled, notes)


def _unasked(task: Task, source: FamilySource) -> tuple[str, ...]:
    """The indexes that serve GPU packages alone, and that a cpu lock does not ask."""
    if not source.backend.is_cpu or task.options.gpu_packages == "keep":
        return ()
    named = (route.url for route in task.request.routes if route.kind == "index" and not route.packages)
    return tuple(url for url in named if is_gpu_index(url))


def _torch_step(task: Task, source: FamilySource, wanted: Sequence[FamilyRequest], settled: Settled) -> TorchPins:
    names = ", ".join(request.name for request in wanted)
    task.reporter.phase("torch", f"look up {names} on {source.backend.name}")
    pins = pin_family(source, wanted, settled.public or task.preferred_family(), task.reporter)
    if not pins.cells:
        targets = ", ".join(target.name for target in source.grid.targets)
        message = f"the markers of {names} hold on none of the targets: {targets}"
        raise NoInputsError("lock.no-torch", message, "Take the marker away, or name another target.")
    for pin in pins.pins:
        digests(source, pin, task.reporter)  # now: uv fetches what has no digest, and fails less clearly
    return pins


def _collect(
    task: Task,
    source: FamilySource,
    found: tuple[TorchPins, Sequence[Resolved]],
    settled: Settled,
    notes: Sequence[Note],
) -> BackendPins:
    """The pins, after a last look at what came in. Raises ResolutionError (``gpu.*``), LockError (``lock.no-hash``)."""
    pins, resolved = found
    notes = list(notes)
    if source.backend.is_cpu:
        left_out = [item for item in resolved if item.stand_in and is_gpu_payload(item.name)]
        notes += gpu_policy.judge_transitive(left_out, task.options.gpu_packages)
        if task.options.gpu_packages != "keep":
            gpu_policy.refuse_payload(resolved)
    notes += source.notes
    unasked = set(source.grid.cells) - pins.cells - {cell for _, cell in pins.gaps}
    if unasked:
        message = f"this lock does not cover {describe_cells(unasked)}: nothing asks for torch there"
        notes.append(Note(code="lock.narrow", message=message))
    notes += [Note(code="torch.not-newest", message=sentence) for sentence in pins.skipped]
    family = tuple(family_pin(source, pin, pins.cells, task.reporter) for pin in pins.pins)
    kept = [item for item in resolved if not item.stand_in and not is_family(item.name)]
    notes += source_note(kept, pins.cells) if settled.rest is None and task.options.resolver == "uv" else ()
    notes += setuptools_notes(kept)
    others = rest_pins(kept, pins.cells, task.options.access)
    rest = others if settled.rest is None else settled.rest
    known = {pin.name for pin in rest}
    return BackendPins(
        torch=(*family, *(pin for pin in others if pin.name not in known)),
        rest=rest,
        cells=pins.cells,
        public={pin.name: pins.public(pin.name) for pin in pins.pins},
        notes=tuple(notes),
        gaps=gap_sentences(pins),
        narrowed=source.narrowed,
        seen=tuple(artifact for item in resolved for artifact in item.artifacts),
    )


def _pinned(pins: TorchPins) -> str:
    return ", ".join(sorted({f"{pin.name} {pin.version}" for pin in pins.pins}))
