"""Another package forbids the newest torch, or needs a member that there is not: find what fits, and say why."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool.adapters import uv
from envtool.errors import ResolutionError, UnsatisfiableError
from envtool.lock.rest_step import plain_problem, resolve, rest_problem, with_family
from envtool.lock.task import Settled, Task
from envtool.lock.torch_step import FamilySource, family_requests
from envtool.models import Note, Resolved
from envtool.torch.family import is_family
from envtool.torch.select import FamilyRequest, TorchPins, releases


def forbids(error: UnsatisfiableError, pins: TorchPins) -> bool:
    """Whether a failed resolution speaks of a member of the family: other versions of it may help then."""
    return any(speaks_of(error.report, pin.name) for pin in pins.pins)


def speaks_of(text: str, name: str) -> bool:
    """Whether a package is named in a text, as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def go_back(
    task: Task,
    source: FamilySource,
    direct: Sequence[str],
    wanted: Sequence[FamilyRequest],
    failed: tuple[TorchPins, UnsatisfiableError],
    settled: Settled,
) -> tuple[list[FamilyRequest], Note]:
    """What to ask of the torch step next, after these pins failed; and the note that says why.

    Raises ResolutionError (``resolve.unsatisfiable``) when there is no such version.
    """
    task.reporter.phase("torch", "another package forbids these versions: go back")
    pins, error = failed
    if task.options.resolver == "pip-tools":
        return _step_back(task, source, wanted, failed)
    chosen: dict[str, set[Version]] = {}
    for item in _solve_levels(task, source, [*direct, *_names(wanted)], failed, settled):
        if is_family(item.name):
            chosen.setdefault(item.name, set()).add(Version(item.version.public))
    # Where the forks of the resolution differ, the oldest version is the one that the rest allows everywhere.
    changed = {name: str(min(versions)) for name, versions in chosen.items()}
    if all(changed.get(pin.name) == pin.version.public for pin in pins.pins):
        raise ResolutionError("resolve.unsatisfiable", error.message, error.hint) from error
    known = {request.name: request.requirements for request in wanted}
    requests = [
        FamilyRequest(name=name, requirements=(*known.get(name, ()), Requirement(f"{name}=={version}")))
        for name, version in sorted(changed.items())
    ]
    return requests, _note(pins, changed, error)


def go_without(
    task: Task,
    source: FamilySource,
    direct: Sequence[str],
    wanted: Sequence[FamilyRequest],
    failed: tuple[TorchPins | None, Sequence[str], ResolutionError],
    settled: Settled,
) -> tuple[list[FamilyRequest], Settled, Note]:
    """What to ask next, after the torch step failed over members that nobody named here: older askers may do without.

    ``failed``: the pins before, the members that came in since, and the error. Raises the error, with who asked for the
    member, when every version that fits needs it.
    """
    pins, names, error = failed
    blamed = tuple(name for name in names if speaks_of(error.message, name))
    if not blamed:
        raise error
    before = resolve(task, rest_problem(task, source, direct, pins, settled), blamed)
    askers = {item.name: item.via for item in before if item.via and item.name in blamed}
    if "torch" not in blamed:
        # No version is below zero: whoever needs the member cannot be chosen.
        without = replace(settled, extra=(*settled.extra, *(f"{name}<0" for name in blamed)))
        with contextlib.suppress(UnsatisfiableError):
            after = resolve(task, rest_problem(task, source, direct, pins, without))
            task.reporter.phase("torch", f"other packages can do without {', '.join(blamed)}")
            left = [request for request in wanted if request.name not in blamed]
            return left, without, _without_note(error, before, after, askers)
    error.message += _who_asked(askers)
    raise error


def _who_asked(askers: Mapping[str, Sequence[str]]) -> str:
    who = [f"{name} is needed by {', '.join(via)}" for name, via in sorted(askers.items())]
    return f" ({'; '.join(who)})" if who else ""


def _without_note(
    error: ResolutionError, before: Sequence[Resolved], after: Sequence[Resolved], askers: Mapping[str, Sequence[str]]
) -> Note:
    was, now = _versions(before), _versions(after)
    asked = {name for via in askers.values() for name in via} or set(was)  # pip-compile is not asked who asked
    changes = [
        f"{name} {now[name]} instead of {version}"
        for name, version in sorted(was.items())
        if name in asked and now.get(name, version) != version
    ]
    using = f": using {', '.join(changes)}" if changes else ""
    return Note(code="torch.without", message=f"{error.message}{_who_asked(askers)}{using}")


def _versions(found: Sequence[Resolved]) -> dict[str, str]:
    versions: dict[str, set[Version]] = {}
    for item in found:
        versions.setdefault(item.name, set()).add(item.version)
    return {name: ", ".join(str(version) for version in sorted(several)) for name, several in versions.items()}


def _names(wanted: Sequence[FamilyRequest]) -> list[str]:
    return sorted({"torch", *(request.name for request in wanted)})


def _solve_levels(
    task: Task,
    source: FamilySource,
    lines: Sequence[str],
    failed: tuple[TorchPins, UnsatisfiableError],
    settled: Settled,
) -> tuple[Resolved, ...]:
    """Solve with the family's versions left open: first those with builds everywhere, at last those for here."""
    pins, error = failed
    names = tuple(name for name in lines if is_family(name))
    for level in source.grid.levels():
        covered = level & pins.cells
        constraints = [
            f"{name}!={release.public}"
            for name in names
            for release in releases(source.offers(name), source.backend, source.grid)
            if not release.covers(covered)
        ]
        problem = plain_problem(task, lines, pins.cells, [*settled.extra, *constraints])
        with contextlib.suppress(UnsatisfiableError), task.reporter.busy("resolve"):
            return uv.resolve(with_family(problem, task, source, names))
    raise error  # the first explanation: the later ones speak of versions that were excluded here


def _step_back(
    task: Task,
    source: FamilySource,
    wanted: Sequence[FamilyRequest],
    failed: tuple[TorchPins, UnsatisfiableError],
) -> tuple[list[FamilyRequest], Note]:
    """The next older torch that the blamed requirements admit: pip cannot choose among another index's builds."""
    pins, error = failed
    now = min(pin.version for pin in pins.pins if pin.name == "torch")
    level = source.grid.levels()[-1]
    own = next((item.requirements for item in family_requests(task.request) if item.name == "torch"), ())
    found = releases(source.offers("torch"), source.backend, source.grid)
    older = [
        release.public
        for release in found
        if release.covers(level)
        and release.public < Version(now.public)
        and all(item.specifier.contains(release.public, prereleases=True) for item in own)
    ]
    if not older:
        raise ResolutionError("resolve.unsatisfiable", error.message, error.hint) from error
    blamed = _blamed(error.report, "torch")
    admitted = [version for version in older if any(item.contains(version, prereleases=True) for item in blamed)]
    version = next(iter(admitted or older))
    others = [request for request in wanted if request.name != "torch"]
    exact = (*own, Requirement(f"torch=={version}"))
    return [FamilyRequest(name="torch", requirements=exact), *others], _note(pins, {"torch": str(version)}, error)


def _blamed(report: str, name: str) -> list[SpecifierSet]:
    """What other packages ask of this one, by an explanation in the words ``who depends on what``."""
    found = []
    for who, what in re.findall(r"^(.+) depends on (.+)$", report, re.MULTILINE):
        with contextlib.suppress(InvalidRequirement):
            requirement = Requirement(what)
            if who != "your project" and canonicalize_name(requirement.name) == name:
                found.append(requirement.specifier)
    return found


def _note(pins: TorchPins, changed: Mapping[str, str], error: UnsatisfiableError) -> Note:
    before = sorted(
        {f"{pin.name} {pin.version.public}" for pin in pins.pins if changed.get(pin.name) != pin.version.public}
    )
    after = [f"{name} {version}" for name, version in sorted(changed.items())]
    pattern = r"(your project|[A-Za-z0-9._-]+(?:\[[\w,-]+\])?(?:[=<>!~][^\s]*)?) depends? on ([^\s;]+)"
    blames = [
        f"{who} needs {what.rstrip('.,')}" for who, what in re.findall(pattern, error.message) if _is_family_text(what)
    ]
    others = [blame for blame in dict.fromkeys(blames) if not blame.startswith("your project ")]
    why = "; ".join(others[:4]) or error.message
    return Note(
        code="torch.older", message=f"{', '.join(before)} not possible: {why.rstrip('.,')}. Using {', '.join(after)}"
    )


def _is_family_text(what: str) -> bool:
    return is_family(re.split(r"[=<>!~\[;,]", what, maxsplit=1)[0])
