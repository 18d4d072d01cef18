"""The rest step: everything but the family, as a problem for the resolver that was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envtool.adapters import pip_tools, uv
from envtool.errors import ResolutionError, UsageError
from envtool.lock.inputs import constraint_lines, first_release, minor_versions
from envtool.lock.markers import cells_of, marker_for
from envtool.lock.task import LockOptions, Settled, Task
from envtool.lock.torch_step import FamilySource
from envtool.models import SUPPORTED_PYTHONS, Note, Pin, Problem, Resolved
from envtool.torch.backends import FULL
from envtool.torch.family import GPU_STAND_INS
from envtool.torch.gpu_index import without_gpu_indexes
from envtool.torch.offers import path_of, read_metadata
from envtool.torch.select import Cell, FamilyPin, TorchPins
from envtool.torch.targets import TARGETS, host_target


def resolve(task: Task, problem: Problem, explain: tuple[str, ...] = ()) -> tuple[Resolved, ...]:
    """Ask the resolver that was chosen. ``explain``: names to say who asked for."""
    with task.reporter.busy("resolve"):  # where no index answers, it is tried again and again
        if task.options.resolver == "pip-tools":
            return pip_tools.resolve(problem)
        found = uv.resolve(replace(problem, old_setuptools=task.learned.old_setuptools), explain)
    _refuse_sometimes_local(task, found)
    built = next((f"{item.name}=={item.version}" for item in found if item.old_setuptools), "")
    task.learned.old_setuptools = built or task.learned.old_setuptools
    return found


def _refuse_sometimes_local(task: Task, found: Iterable[Resolved]) -> None:
    """A name that a local project has on some targets only: elsewhere nothing would be there under it.

    Raises ResolutionError (``lock.source``).
    """
    cells = frozenset(product(task.options.targets, minor_versions(task.request.python)))
    projects = [item for item in task.request.projects if cells_of(item.marker, cells)[0] != cells]
    for item in found:
        project = next((other for other in projects if other.name == item.name), None)
        if item.stand_in and project is not None:
            who = f"{', '.join(item.via) or 'another package'} asks for {item.name}"
            message = f"{who}, which is the project in {project.path} where {project.marker}, and nothing elsewhere"
            raise ResolutionError("lock.source", message, "Take that marker away.")


def resolver_version(options: LockOptions) -> dict[str, str]:
    """Name and version of the resolver."""
    if options.resolver == "pip-tools":
        return {"pip-tools": pip_tools.pip_tools_version()}
    return {"uv": str(uv.uv_version())}


def narrow_for_pip_tools(task: Task) -> tuple[str, tuple[Note, ...]]:
    """The one target that pip-compile can lock for, with a note where others were asked for.

    Raises UsageError (``usage.resolver-python``, ``usage.resolver-target``, ``usage.resolver-overrides``,
    ``usage.resolver-index``).
    """
    options = task.options
    own = [route for route in task.request.routes if route.packages]
    if own:
        message = f"--resolver pip-tools knows no index for single packages, and [tool.uv] has {own[0].url} for "
        raise UsageError("usage.resolver-index", f"{message}{', '.join(own[0].packages)}", "Use --resolver uv.")
    if task.request.overrides:
        message = f"--resolver pip-tools knows no overrides, and [tool.uv] has some: {task.request.overrides[0].origin}"
        raise UsageError("usage.resolver-overrides", message, "Use --resolver uv.")
    pip_tools.check_python(options.primary)
    host = host_target()
    if host is None or host.name not in options.targets:
        name = host.name if host is not None else "this platform"
        message = f"--resolver pip-tools can lock for {name} only, and targets are {', '.join(options.targets)}"
        raise UsageError("usage.resolver-target", message, "Use --resolver uv.")
    if options.targets == (host.name,):
        return host.name, ()
    cover = f"this lock covers {host.name} with Python {options.primary} only: pip-compile knows no other"
    return host.name, (Note(code="lock.narrow", message=cover),)


def rest_problem(
    task: Task, source: FamilySource, direct: Sequence[str], pins: TorchPins | None, settled: Settled
) -> Problem:
    """Everything else on the default index, with the family given at the versions of ``pins``."""
    cells = pins.cells if pins is not None else frozenset(source.grid.cells)
    given: dict[str, list[str]] = {}
    for pin in pins.pins if pins is not None else ():
        exact = line(pin.name, f"=={pin.version}", marker_for(pin.cells, cells))
        given.setdefault(pin.name, []).append(exact)
    overridden = {_name(str(item.requirement)) for item in task.request.overrides}
    lines = [*direct, *(exact for name in sorted(given) for exact in given[name])]
    problem = plain_problem(task, lines, cells, [*settled.extra, *rest_constraints(settled.rest)], given)
    problem = with_family(problem, task, source, tuple(sorted(given)))
    if pins is None:
        return problem
    if task.options.resolver == "pip-tools":
        metadata = _metadata(source, pins.pins, ("--resolver pip-tools", "Use --resolver uv"))
    else:
        chosen = [pin for pin in pins.pins if pin.name in overridden]
        metadata = _metadata(source, chosen, ("an override of it", "Take the override away"))
    return replace(problem, family_metadata=metadata)


def with_family(problem: Problem, task: Task, source: FamilySource, members: tuple[str, ...]) -> Problem:
    """The problem with ``members`` from the backend's own index, and nothing else from there."""
    wheels = _wheels(source, members) if source.flat else []
    folders = sorted({str(path.parent) for path in wheels})
    index = folders[0] if len(folders) == 1 else None
    keep_gpu = task.options.gpu_packages == "keep" or not source.backend.is_cpu
    stand_ins = (*problem.stand_ins, *(() if keep_gpu else GPU_STAND_INS))
    return replace(
        problem,
        access=problem.access if keep_gpu else without_gpu_indexes(problem.access),
        family=members,
        family_index=(index if source.flat else source.index) if members else None,
        family_is_flat=bool(wheels),
        family_wheels=tuple(str(path) for path in wheels) if len(folders) > 1 else (),
        stand_ins=stand_ins,
        preferences=tuple(item for item in task.preferred_rest(source.backend.name) if item[0] not in stand_ins),
        # What a stand-in keeps out, no override brings in.
        overrides=tuple(text for text in problem.overrides if _name(text) not in stand_ins),
    )


def plain_problem(
    task: Task,
    lines: Sequence[str],
    cells: frozenset[Cell],
    constraints: Iterable[str],
    given: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Problem:
    """A problem over the default index alone. ``given``: the lines by name that are settled, whatever overrides say."""
    pythons = sorted({python for _, python in cells}, key=SUPPORTED_PYTHONS.index)
    bounds = SpecifierSet(f">={pythons[0]}") & SpecifierSet(f"<{_after(pythons[-1])}") & task.request.python
    return Problem(
        requirements=tuple(dict.fromkeys(lines)),
        constraints=(*constraint_lines(task.request), *constraints),
        python=str(bounds),
        python_version=first_release(bounds, pythons[0]),
        projects=tuple(project.line for project in task.request.dynamic),
        environments=environments(cells),
        overrides=_overrides(task, given),
        stand_ins=_local_names(task),
        access=task.options.access,
        interpreter=task.options.interpreter,
        preferences=task.preferred_rest(FULL.name),
    )


def _local_names(task: Task) -> tuple[str, ...]:
    # What another package asks of a local project, the project itself is: not what an index has under its name.
    if task.request.dynamic or task.options.resolver == "pip-tools":
        return ()  # a line of a local folder would be replaced as well; pip-compile would want the stand-in's version
    return task.request.local_names


def _overrides(task: Task, given: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    # An override takes the place of the project's own lines, too: for what is settled, it has to say the same.
    names = {str(item.requirement): canonicalize_name(item.requirement.name) for item in task.request.overrides}
    found = [given.get(name) or [text] for text, name in sorted(names.items())]
    return tuple(dict.fromkeys(text for texts in found for text in texts))


def _name(text: str) -> str:
    return canonicalize_name(Requirement(text).name)


def line(name: str, specifier: str, marker: str | None) -> str:
    """A requirement as text."""
    return f"{name}{specifier}{f' ; {marker}' if marker else ''}"


def rest_constraints(rest: tuple[Pin, ...] | None) -> list[str]:
    """The pins of the rest, for a backend that must share them."""
    return [line(pin.name, f"=={pin.version}", pin.marker) for pin in rest or ()]


def environments(cells: frozenset[Cell]) -> tuple[str, ...]:
    """A marker a target, with its Pythons.

    uv ignores the upper bound of requires-python: without one here it resolves for Pythons that nobody asked for, and
    fails, or takes older versions, because of them.
    """
    found = []
    for target in sorted({target for target, _ in cells}):
        pythons = sorted({python for name, python in cells if name == target}, key=SUPPORTED_PYTHONS.index)
        first, last = SUPPORTED_PYTHONS.index(pythons[0]), SUPPORTED_PYTHONS.index(pythons[-1])
        if tuple(pythons) == SUPPORTED_PYTHONS[first : last + 1]:
            python = f"python_version >= '{pythons[0]}' and python_version < '{_after(pythons[-1])}'"
        else:
            python = f"({' or '.join(f'python_version == {python!r}' for python in pythons)})"
        found.append(f"{python} and {TARGETS[target].marker} and platform_python_implementation == 'CPython'")
    return tuple(found)


def _after(python: str) -> str:
    major, minor = python.split(".")
    return f"{major}.{int(minor) + 1}"


def _wheels(source: FamilySource, members: Iterable[str]) -> list[Path]:
    """The wheels of members in folders; of one name in several folders the first, as in the torch step."""
    found: dict[str, Path] = {}
    for path in (path_of(wheel) for name in members for wheel in source.offers(name)):
        found.setdefault(path.name, path)
    return list(found.values())


def _metadata(
    source: FamilySource, pins: Iterable[FamilyPin], wanted: tuple[str, str]
) -> tuple[tuple[str, str, bytes], ...]:
    """Core metadata of pinned builds. ``wanted``: who needs it, and what to do without it.

    Raises ResolutionError (``resolve.no-metadata``).
    """
    who, instead = wanted
    found = []
    for pin in pins:
        metadata = next((data for file in pin.files if (data := read_metadata(file)) is not None), None)
        if metadata is None:
            message = f"the index serves no metadata for {pin.name} {pin.version}, which {who} needs"
            raise ResolutionError("resolve.no-metadata", message, f"{instead}, or take torch 2.6 or newer.")
        found.append((pin.name, str(pin.version), metadata))
    return tuple(found)
