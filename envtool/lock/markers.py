"""Markers over the cells of a lock: which cells a marker holds in, and the shortest marker for a set of cells. Pure.

uv's universal markers name every target on every line. A lock covers known cells only, so a marker that holds in all
of them is left out, and one that follows whole minor versions is written again in a form that people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.markers import Marker
from packaging.requirements import Requirement

from envtool.torch.select import Cell
from envtool.torch.targets import TARGETS

_PATCHES = (*range(50), 99)
"""Patch releases, and a late one. A marker that differs among them is finer than a cell, and is kept as it is."""


def both(one: str | None, other: str | None) -> str | None:
    """The marker that holds where both do; None: everywhere."""
    if not one or not other or one == other:
        return one or other
    return str(Marker(f"({one}) and ({other})"))


def limited(requirement: Requirement, marker: str | None) -> Requirement:
    """The requirement where a marker holds."""
    if not marker:
        return requirement
    found = Requirement(str(requirement))
    found.marker = Marker(both(str(requirement.marker) if requirement.marker else None, marker) or marker)
    return found


def cells_of(marker: str | None, cells: Iterable[Cell]) -> tuple[frozenset[Cell], bool]:
    """The cells in which a marker holds (in any patch release), and whether it is the same in all patch releases."""
    if marker is None:
        return frozenset(cells), True
    parsed = Marker(marker)
    patches = _PATCHES if "full_version" in marker or "implementation_version" in marker else _PATCHES[:1]
    holding = set()
    exact = True
    for target, python in cells:
        results = {parsed.evaluate(dict(TARGETS[target].environment(python, patch))) for patch in patches}
        exact = exact and len(results) == 1
        if True in results:
            holding.add((target, python))
    return frozenset(holding), exact


def shorten(
    marker: str | None, cells: frozenset[Cell], universe: frozenset[Cell] | None = None
) -> tuple[str | None, frozenset[Cell]]:
    """A marker fit for a lock over ``cells``: None where it always holds; and the cells it holds in.

    Where the lock covers a ``universe`` of more cells, the marker holds in none of the others.
    """
    universe = universe or cells
    holding, exact = cells_of(marker, cells)
    if exact:
        return marker_for(holding, universe), holding
    bound = marker_for(cells, universe)
    return f"({marker}) and ({bound})" if bound else marker, holding


def marker_for(wanted: frozenset[Cell], universe: frozenset[Cell]) -> str | None:
    """The marker that holds in ``wanted`` and in no other cell of ``universe``; None if it is all of them."""
    if wanted >= universe:
        return None
    by_pythons: dict[tuple[str, ...], list[str]] = {}
    for target in sorted({target for target, _ in wanted}):
        pythons = tuple(sorted({p for t, p in wanted if t == target}, key=_minor))
        by_pythons.setdefault(pythons, []).append(target)
    parts = []
    for pythons, targets in by_pythons.items():
        all_pythons = sorted({p for t, p in universe if t in targets}, key=_minor)
        platform = _platform(targets, sorted({t for t, _ in universe}))
        python = _pythons(pythons, all_pythons)
        parts.append([part for part in (python, platform) if part])
    if len(parts) == 1:
        return " and ".join(_bracket(part) if len(parts[0]) > 1 else part for part in parts[0])
    return " or ".join(f"({' and '.join(_bracket(part) for part in group)})" for group in parts)


def _bracket(part: str) -> str:
    return f"({part})" if " or " in part else part


def _minor(python: str) -> int:
    return int(python.split(".")[1])


def _pythons(wanted: Sequence[str], universe: Sequence[str]) -> str:
    if list(wanted) == list(universe):
        return ""
    if len(wanted) == 1 and wanted[0] not in (universe[0], universe[-1]):
        return f"python_version == '{wanted[0]}'"
    first, last = universe.index(wanted[0]), universe.index(wanted[-1])
    if list(universe[first : last + 1]) != list(wanted):
        return " or ".join(f"python_version == '{python}'" for python in wanted)
    bounds = []
    if first > 0:
        bounds.append(f"python_version >= '{wanted[0]}'")
    if last < len(universe) - 1:
        bounds.append(f"python_version < '{universe[last + 1]}'")
    return " and ".join(bounds)


def _platform(wanted: Sequence[str], universe: Sequence[str]) -> str:
    if list(wanted) == list(universe):
        return ""
    systems = {TARGETS[name].sys_platform for name in wanted}
    others = {TARGETS[name].sys_platform for name in universe if name not in wanted}
    if not systems & others:
        # Whole systems: one comparison is enough, the negated one where a single system is left out.
        if len(others) == 1 and len(systems) > 1:
            return f"sys_platform != '{others.pop()}'"
        return " or ".join(f"sys_platform == '{system}'" for system in sorted(systems))
    return " or ".join(f"({TARGETS[name].marker})" if len(wanted) > 1 else TARGETS[name].marker for name in wanted)
