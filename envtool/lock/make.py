"""Make a lock: torch step, rest step, one set of pins for all backends.

The torch step pins the family from the backend's index alone. The rest step resolves everything else on the default
index alone, with these pins given. Where another package forbids the newest torch, both are solved together once, and
the torch step is repeated with the version that came out.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace

from envtool import __version__
from envtool.adapters.sizes import remember_sizes
from envtool.adapters.uv_errors import IndexUnreachableError
from envtool.errors import ResolutionError, UnsatisfiableError
from envtool.lock.fewer import lock_fewer
from envtool.lock.full_fewer import lock_full_fewer
from envtool.lock.full_step import DisagreementError, lock_full, short
from envtool.lock.indexed_step import lock_indexed
from envtool.lock.inputs import (
    check_python,
    constraint_lines,
    inputs_digest,
    minor_versions,
    override_lines,
    requirement_lines,
)
from envtool.lock.rest_step import narrow_for_pip_tools, resolver_version
from envtool.lock.task import BackendPins, LockOptions, Settled, Task
from envtool.lock.text import REST, torch_filename
from envtool.lock.torch_step import FamilySource
from envtool.models import Lock, LockFile, Note, Reporter, Request
from envtool.torch.backends import Backend
from envtool.torch.gpu_index import is_gpu_index
from envtool.torch.select import Grid
from envtool.torch.targets import TARGETS, host_target


def make_lock(request: Request, options: LockOptions, previous: Lock | None, reporter: Reporter) -> Lock:
    """Lock a request for all its backends.

    A project that does not say which Pythons it is for gets all from the one in use on, and where these have no
    solution together, the one in use alone, with a note; of targets that nobody chose, those without a solution are
    left out, with a note. A package whose source had to be built, and could not be, has no wheel for one of them: that
    counts as no solution too.

    Raises ResolutionError (4), LockError (5), InstallError (6, an index cannot be reached), NoInputsError (3).
    """
    task = Task(request=request, options=options, previous=previous, reporter=reporter)
    pythons = minor_versions(request.python)
    try:
        return _lock(task, pythons)
    except ResolutionError as error:
        return lock_fewer(task, pythons, error, _lock)


@dataclass(frozen=True, kw_only=True)
class _Locked:
    """All backends, locked one after the other."""

    files: dict[str, LockFile] = field(default_factory=dict)
    targets: tuple[str, ...]
    pythons: tuple[str, ...]
    settled: Settled
    parts: tuple[BackendPins, ...] = ()
    notes: tuple[Note, ...] = ()


def _lock(task: Task, pythons: tuple[str, ...]) -> Lock:
    request, options = task.request, task.options
    if options.primary not in pythons:
        check_python(request.python, options.primary)
    start = _Locked(targets=options.targets, pythons=pythons, settled=Settled(), notes=request.notes)
    if options.resolver == "pip-tools":
        target, notes = narrow_for_pip_tools(task)
        start = replace(start, targets=(target,), pythons=(options.primary,), notes=(*request.notes, *notes))
    locked = _lock_agreeing(task, start)
    _check_linked(request, locked)
    remember_sizes(artifact for part in locked.parts for artifact in part.seen)
    return Lock(
        torch=locked.files,
        rest=LockFile(filename=REST, backend=None, pins=locked.settled.rest or ()),
        inputs=inputs_digest(request, options.targets if options.targets_chosen else (), options.gpu_packages),
        requirements=tuple(requirement_lines(request)),
        constraints=tuple(constraint_lines(request)),
        overrides=tuple(override_lines(request)),
        gpu_packages=options.gpu_packages,
        python=str(request.python),
        pythons=locked.pythons,
        targets=locked.targets,
        routes=request.routes,
        projects=request.projects,
        gaps=tuple(dict.fromkeys(gap for part in locked.parts for gap in part.gaps)),
        narrowed=any(part.narrowed for part in locked.parts),
        notes=tuple(dict.fromkeys(locked.notes)),
        resolver=options.resolver,
        tools={"envtool": __version__, **resolver_version(options)},
    )


def _check_linked(request: Request, locked: _Locked) -> None:
    """Raise ResolutionError (``lock.unlockable``) for a package that came in and that a link decides about."""
    names = {pin.name for pin in locked.settled.rest or ()}
    names |= {pin.name for file in locked.files.values() for pin in file.pins}
    for name in sorted(names & set(request.linked)):
        message = f"a lock pins releases by hash, without URLs, and cannot pin {request.linked[name]}"
        raise ResolutionError("lock.unlockable", message, "Name a release from an index instead (name==version).")


def _lock_agreeing(task: Task, start: _Locked) -> _Locked:
    """All backends with one set of pins for the rest, as far as there is one."""
    try:
        return _lock_backends(task, start)
    except DisagreementError as disagreement:
        task.reporter.phase("resolve", "again, with what full torch needs")
        # Full torch asks for other versions of the rest than the cpu build does: lock both to what full needs.
        extra = disagreement.constraints
    with contextlib.suppress(ResolutionError):
        found = _lock_backends(task, replace(start, settled=Settled(extra=extra)))
        if found.files.keys() == {backend.name for backend in task.options.backends}:
            return found
    # No version suits both: the first backend keeps its own, and the other one says what became of it.
    return _lock_backends(task, replace(start, settled=Settled(final=True)))


def _lock_backends(task: Task, locked: _Locked) -> _Locked:
    backends = sorted(task.options.backends, key=lambda backend: (not backend.is_cpu, backend.local is None))
    for backend in backends:
        try:
            part = _lock_backend(task, backend, locked)
        except IndexUnreachableError as error:
            spared = backend.name in task.options.optional - task.options.needed and locked.settled.rest is not None
            if not spared or not is_gpu_index(error.url):
                raise
            again = "".join(f" --backend {other.name}" for other in backends)
            message = f"{backend.name} torch is not locked: {error.message}. When it can: envtool lock{again}"
            locked = replace(locked, notes=(*locked.notes, Note(code="lock.backend-left-out", message=message)))
            continue
        except UnsatisfiableError as error:
            if locked.settled.rest is None or backend.name not in task.options.optional:
                raise
            fewer = lock_full_fewer(task, locked.settled.cells or frozenset(), locked.settled, error)
            if isinstance(fewer, ResolutionError):
                if backend.name in task.options.needed:
                    raise fewer from error
                message = f"{backend.name} torch is not locked: {short(fewer.message)}"
                locked = replace(locked, notes=(*locked.notes, Note(code="lock.backend-left-out", message=message)))
                continue
            part = fewer
        locked = _with(locked, backend, part)
    return locked


def _lock_backend(task: Task, backend: Backend, locked: _Locked) -> BackendPins:
    host = host_target()
    grid = Grid(
        targets=tuple(TARGETS[name] for name in locked.targets),
        pythons=locked.pythons,
        primary=task.options.primary,
        host=host.name if host is not None and host.name in locked.targets else None,
    )
    index = backend.index_url(task.options.torch_index)
    if index is None:
        return lock_full(task, locked.settled.cells or frozenset(grid.cells), locked.settled)
    source = FamilySource(backend=backend, index=index, folders=task.options.folders, grid=grid)
    if locked.settled.rest is not None or locked.settled.extra:
        return lock_indexed(task, source, locked.settled)
    # Where the backends disagree, all begins again: the first one comes out as before.
    key = (backend.name, locked.targets, locked.pythons)
    if key not in task.learned.first:
        task.learned.first[key] = lock_indexed(task, source, locked.settled)
    return task.learned.first[key]


def _with(locked: _Locked, backend: Backend, part: BackendPins) -> _Locked:
    """One backend more. The first one decides the rest, and which targets and Pythons the lock covers."""
    if locked.settled.rest is None:
        targets = tuple(name for name in locked.targets if any(target == name for target, _ in part.cells))
        pythons = tuple(python for python in locked.pythons if any(minor == python for _, minor in part.cells))
        locked = replace(locked, targets=targets, pythons=pythons)
    file = LockFile(filename=torch_filename(backend.name), backend=backend.name, pins=part.torch)
    return replace(
        locked,
        files={**locked.files, backend.name: file},
        settled=replace(
            locked.settled,
            rest=part.rest,
            cells=locked.settled.cells or part.cells,
            public={**part.public, **locked.settled.public},
        ),
        parts=(*locked.parts, part),
        notes=(*locked.notes, *part.notes),
    )
