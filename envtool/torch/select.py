"""The torch step: from what an index offers to exact pins of the family, per target and Python. Pure.

A *cell* is one (target, Python) pair. The newest torch whose wheels cover every cell is chosen, so that a release that
is still being uploaded, or a build for one odd platform, never becomes the pin; when no version covers them all, the
newest one that covers the Python in use on all targets; then the newest that covers this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envtool.errors import ResolutionError
from envtool.models import SUPPORTED_PYTHONS
from envtool.torch.backends import Backend
from envtool.torch.index import Candidate
from envtool.torch.targets import TARGETS, Target

Cell = tuple[str, str]
"""(target name, Python minor version)."""

RequiresTorch = Callable[[str, Version], SpecifierSet | None]
"""The torch that a family member's version asks for, or None if it does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The cells that a lock is asked to cover. ``primary`` is the Python in use; ``host`` this machine's target."""

    targets: tuple[Target, ...]
    pythons: tuple[str, ...]
    primary: str
    host: str | None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, targets first."""
        return tuple((target.name, python) for target in self.targets for python in self.pythons)

    def levels(self) -> tuple[frozenset[Cell], ...]:
        """What a version must cover, from the whole grid down to this machine alone."""
        now = frozenset((target.name, self.primary) for target in self.targets)
        here = frozenset({(self.host, self.primary)} & now) if self.host else frozenset()
        return tuple(dict.fromkeys(level for level in (frozenset(self.cells), now, here) if level))


_EVERYWHERE = Grid(targets=tuple(TARGETS.values()), pythons=SUPPORTED_PYTHONS, primary="", host=None)
"""All cells that envtool knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyPin:
    """One family member at one exact version: the cells it serves and all files of that version."""

    name: str
    version: Version
    cells: frozenset[Cell]
    files: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchPins:
    """The result of the torch step. ``gaps`` are cells that were asked for and have no build."""

    pins: tuple[FamilyPin, ...]
    cells: frozenset[Cell]
    gaps: tuple[tuple[str, Cell], ...]
    skipped: tuple[str, ...] = ()

    def public(self, name: str) -> tuple[str, ...]:
        """The public versions pinned for a member, sorted."""
        return tuple(sorted({pin.version.public for pin in self.pins if pin.name == name}))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Release:
    """One public version of a member: which exact build serves which cell."""

    public: Version
    builds: Mapping[Cell, Version]

    def covers(self, cells: Iterable[Cell]) -> bool:
        return all(cell in self.builds for cell in cells)


def releases(candidates: Sequence[Candidate], backend: Backend, grid: Grid) -> tuple[_Release, ...]:
    """Public versions, newest first, with the builds that ``backend`` accepts in each cell of the grid."""
    by_public: dict[Version, list[Candidate]] = {}
    for candidate in candidates:
        by_public.setdefault(Version(candidate.version.public), []).append(candidate)
    found = []
    for public, files in by_public.items():
        builds: dict[Cell, Version] = {}
        for target in grid.targets:
            platform = {file.version for file in files if any(target.accepts(file.tags, p) for p in grid.pythons)}
            has_local = any(version.local == backend.local for version in platform)
            for python in grid.pythons:
                fitting = [
                    file.version
                    for file in files
                    if target.accepts(file.tags, python) and backend.accepts(file.version, target, has_local=has_local)
                ]
                if fitting:
                    builds[(target.name, python)] = max(fitting)
        found.append(_Release(public=public, builds=builds))
    return tuple(sorted(found, key=lambda release: release.public, reverse=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyRequest:
    """What is asked of one family member: requirements with markers, from the project and from others."""

    name: str
    requirements: tuple[Requirement, ...]

    def specifier(self, target: Target, python: str) -> SpecifierSet | None:
        """The specifier that holds in a cell; None where no requirement applies (the member is not wanted there)."""
        environment = target.environment(python)
        applying = [r for r in self.requirements if r.marker is None or r.marker.evaluate(environment)]
        if not applying:
            return None
        combined = SpecifierSet()
        for requirement in applying:
            combined &= requirement.specifier
        return combined


def _allowed(specifier: SpecifierSet, found: Sequence[_Release]) -> list[_Release]:
    # A specifier may name the local version (==2.13.0+cpu); compare with the builds, not only with the public version.
    def matching(prereleases: bool) -> list[_Release]:
        return [
            release
            for release in found
            if any(
                specifier.contains(version, prereleases=prereleases)
                for version in (release.public, *release.builds.values())
            )
        ]

    # Pre-releases only where the specifier names one, or nothing else matches (PEP 440).
    return matching(bool(specifier.prereleases)) or matching(True)


def _by_coverage(found: Sequence[_Release], levels: Sequence[frozenset[Cell]]) -> list[_Release]:
    """Releases that cover at least the last level: those that cover more first, newer ones first among equals."""
    rank = {
        release.public: next((place for place, level in enumerate(levels) if release.covers(level)), None)
        for release in found
    }
    kept = [(place, release) for release in found if (place := rank[release.public]) is not None]
    return [release for _, release in sorted(kept, key=lambda pair: pair[0])]  # stable: newest first stays


def _select_group(
    cells: frozenset[Cell],
    specifiers: Mapping[str, SpecifierSet],
    offers: Mapping[str, Sequence[_Release]],
    requires_torch: RequiresTorch,
    levels: Sequence[frozenset[Cell]],
) -> dict[str, _Release] | None:
    """One version per member for cells that ask for the same things."""
    own = [level & cells for level in levels]
    levels = tuple(dict.fromkeys(level for level in own if level)) or (cells,)
    allowed = {name: _allowed(specifier, offers[name]) for name, specifier in specifiers.items()}
    for level_rank in range(len(levels)):
        for torch in allowed["torch"]:
            if not torch.covers(levels[level_rank]):
                continue
            chosen = {"torch": torch}
            for name in sorted(set(specifiers) - {"torch"}):
                for partner in _by_coverage(allowed[name], levels):
                    wanted = requires_torch(name, partner.public)
                    if wanted is None or wanted.contains(torch.public, prereleases=True):
                        chosen[name] = partner
                        break
                else:
                    break
            if len(chosen) == len(specifiers):
                return chosen
    return None


def _group_cells(
    by_name: Mapping[str, FamilyRequest], grid: Grid
) -> list[tuple[frozenset[Cell], dict[str, SpecifierSet]]]:
    """Cells that ask for the same versions, with what they ask for: mostly one group, more where markers differ."""
    groups: dict[tuple[tuple[str, str], ...], set[Cell]] = {}
    specifiers: dict[tuple[tuple[str, str], ...], dict[str, SpecifierSet]] = {}
    for target in grid.targets:
        for python in grid.pythons:
            wanted = {name: request.specifier(target, python) for name, request in by_name.items()}
            present = {name: specifier for name, specifier in wanted.items() if specifier is not None}
            if present:
                # A partner without torch beside it still runs on torch.
                present.setdefault("torch", SpecifierSet())
                key = tuple(sorted((name, str(specifier)) for name, specifier in present.items()))
                groups.setdefault(key, set()).add((target.name, python))
                specifiers[key] = present
    return [(frozenset(cells), specifiers[key]) for key, cells in groups.items()]


def select(
    requests: Sequence[FamilyRequest],
    offers: Mapping[str, Sequence[Candidate]],
    backend: Backend,
    grid: Grid,
    requires_torch: RequiresTorch,
    place: str = "",
) -> TorchPins:
    """Choose exact versions of the family for every cell of the grid.

    ``place`` is where the offers come from, if not from the backend's index: errors name it.
    Raises ResolutionError (``resolve.no-version``, ``resolve.no-build``, ``resolve.family``) that names what there is.
    """
    by_name = {request.name: request for request in requests}
    found = {name: releases(offers.get(name, ()), backend, grid) for name in {*by_name, "torch"}}
    pins: dict[tuple[str, Version], set[Cell]] = {}
    gaps: list[tuple[str, Cell]] = []
    skipped: list[str] = []
    for cells, specifiers in _group_cells(by_name, grid):
        chosen = _select_group(cells, specifiers, found, requires_torch, grid.levels())
        if chosen is None:
            raise _explain(cells, specifiers, found, (offers, backend, requires_torch, place), grid)
        allowed = _allowed(specifiers["torch"], found["torch"])
        if allowed[0].public != chosen["torch"].public:
            skipped.append(_why_not(allowed, chosen["torch"].public, cells))
        # A cell that lacks one of the members is not covered: a lock that left the member out there would keep quiet
        # about it, and could not be resolved where another package asks for the member.
        served = {cell for cell in cells if all(cell in release.builds for release in chosen.values())}
        for name, release in chosen.items():
            for cell in served:
                pins.setdefault((name, release.builds[cell]), set()).add(cell)
            gaps += [(f"{name} {release.public}", cell) for cell in sorted(cells) if cell not in release.builds]
    result = tuple(
        FamilyPin(
            name=name,
            version=version,
            cells=frozenset(cells),
            files=tuple(file for file in offers[name] if file.version == version),
        )
        for (name, version), cells in sorted(pins.items())
    )
    covered = frozenset(cell for pin in result if pin.name == "torch" for cell in pin.cells)
    return TorchPins(pins=result, cells=covered, gaps=tuple(gaps), skipped=tuple(dict.fromkeys(skipped)))


def _why_not(allowed: Sequence[_Release], used: Version, cells: frozenset[Cell]) -> str:
    """Why the newest torch is not the one: builds that it lacks, or that no partner fits it."""
    newest = allowed[0]
    reasons = []
    missing = sorted(cell for cell in cells if cell not in newest.builds)
    if missing:
        reasons.append(f"torch {newest.public} has no build for {describe_cells(missing)}")
    whole = next((release.public for release in allowed if release.covers(cells)), used)
    if whole > used:  # the newest one, where nothing is missing
        reasons.append(f"no partner fits torch {whole}")
    return f"{'; '.join(reasons)}; torch {used} is used"


def describe_cells(cells: Iterable[Cell]) -> str:
    """Cells as words: ``Python 3.10, 3.14 on windows-amd64``; several targets are joined by ``; ``."""
    by_target: dict[str, list[str]] = {}
    for target, python in sorted(cells):
        by_target.setdefault(target, []).append(python)
    by_pythons: dict[tuple[str, ...], list[str]] = {}
    for target, pythons in by_target.items():
        by_pythons.setdefault(tuple(sorted(set(pythons), key=Version)), []).append(target)
    return "; ".join(f"Python {', '.join(pythons)} on {', '.join(names)}" for pythons, names in by_pythons.items())


def _nearest(found: Sequence[_Release], specifier: SpecifierSet) -> str:
    versions = [release.public for release in found if release.builds]
    if not versions:
        return ""
    wanted = [Version(item.version.removesuffix(".*")) for item in specifier if item.operator not in ("!=", "===")]
    if not wanted:
        return f"The newest is {versions[0]}."
    below = next((version for version in versions if version <= wanted[0]), None)
    above = next((version for version in reversed(versions) if version > wanted[0]), None)
    if below == versions[0]:
        return f"The newest is {below}."
    names = " and ".join(str(version) for version in (below, above) if version is not None)
    return f"The nearest are {names}; the newest is {versions[0]}."


def _elsewhere(candidates: Sequence[Candidate], public: Version, backend: Backend) -> str:
    """Where a version has builds, of all that envtool knows; else the Pythons that it has some for (``Python 3.7``)."""
    files = [candidate for candidate in candidates if Version(candidate.version.public) == public]
    cells = {cell for release in releases(files, backend, _EVERYWHERE) for cell in release.builds}
    minors = {
        int(match[1])
        for candidate in files
        if candidate.version.local in (None, backend.local)
        for tag in candidate.tags
        if (match := re.fullmatch(r"cp3(\d+)", tag.interpreter))
    }
    return describe_cells(cells) or (f"Python {', '.join(f'3.{minor}' for minor in sorted(minors))}" if minors else "")


def _explain(
    cells: frozenset[Cell],
    specifiers: Mapping[str, SpecifierSet],
    found: Mapping[str, Sequence[_Release]],
    source: tuple[Mapping[str, Sequence[Candidate]], Backend, RequiresTorch, str],
    grid: Grid,
) -> ResolutionError:
    """Why nothing fits: no such version, no such build, or members that exclude each other."""
    offers, backend, requires_torch, place = source
    where, there = (place, f"in {place}") if place else (f"the {backend.name} index", f"on the {backend.name} index")
    floor = min((level & cells for level in grid.levels() if level & cells), key=len, default=cells)
    for name, specifier in sorted(specifiers.items(), key=lambda item: item[0] != "torch"):
        asked = f"{name}{specifier}" if str(specifier) else name
        if not offers.get(name):
            message = f"{place} has no wheel of {name}" if place else f"{where} does not list {name} at all"
            return ResolutionError("resolve.no-build", message, f"Leave {name} out, or use an index that has it.")
        if not any(release.builds for release in found[name]):
            message = f"{where} has no build of {name} for {describe_cells(cells)}"
            there_are = [r for r in releases(offers[name], backend, _EVERYWHERE) if r.builds][:1]
            hints = [f"{name} {r.public} has builds for {describe_cells(r.builds)}." for r in there_are]
            hints.append(f"Use another Python or target, or leave {name} out.")
            return ResolutionError("resolve.no-build", message, " ".join(hints))
        allowed = _allowed(specifier, found[name])
        if not allowed and all(_allowed(SpecifierSet(str(one)), found[name]) for one in specifier):
            message = f"the requirements of {name} exclude each other: {asked}"
            return ResolutionError("resolve.no-version", message, "Take one of them away, or give each a marker.")
        if not allowed:
            message = f"no {backend.name} build of {asked} exists {there}"
            return ResolutionError("resolve.no-version", message, _nearest(found[name], specifier))
        if not any(release.covers(floor) for release in allowed):
            message = f"{asked} has no {backend.name} build for {describe_cells(floor)}"
            has = max(allowed, key=lambda release: len(release.builds))
            others = [r.public for r in found[name] if r.covers(floor)]
            where = describe_cells(has.builds) or _elsewhere(offers[name], has.public, backend)
            hint = f"{name} {has.public} has builds for {where}." if where else ""
            if others:
                hint += f" For {describe_cells(floor)} there are {name} {others[-1]} to {others[0]}."
            return ResolutionError("resolve.no-build", message, hint.strip() or "Use another Python or target.")
    asked = ", ".join(f"{name}{specifier}" for name, specifier in sorted(specifiers.items()))
    message = f"no versions of {asked} fit each other {there}"
    pairs = []
    for name in sorted(set(specifiers) - {"torch"}):
        partner = _allowed(specifiers[name], found[name])[0].public
        wanted = requires_torch(name, partner)
        if wanted:
            pairs.append(f"{name} {partner} needs torch{wanted}")
    message += f": {'; '.join(pairs)}" if pairs else ""
    hint = "Loosen one of the pins. torchvision 0.N belongs to torch 2.(N-15), torchaudio 2.N to torch 2.N."
    return ResolutionError("resolve.family", message, hint)
