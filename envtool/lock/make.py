"""Make a lock: torch step, rest step, one set of pins for all backends.

The torch step pins the family from the backend's index alone. The rest step resolves everything else on the default
index alone, with these pins given. Where another package forbids the newest torch, both are solved together once, and
the torch step is repeated with the version that came out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool import __version__
from envtool.adapters import pip_tools, uv
from envtool.adapters.sizes import remember_sizes
from envtool.errors import LockError, NoInputsError, ResolutionError, UsageError
from envtool.lock import gpu_policy
from envtool.lock.markers import marker_for, shorten
from envtool.lock.text import REST, torch_filename
from envtool.lock.torch_step import FamilySource, digests, gap_sentences, pin_family
from envtool.models import (
    SUPPORTED_PYTHONS,
    Artifact,
    IndexAccess,
    Lock,
    LockFile,
    Note,
    Pin,
    Problem,
    Reporter,
    Request,
    Resolved,
)
from envtool.torch.backends import Backend
from envtool.torch.family import FAMILY, GPU_STAND_INS, is_family, is_gpu_payload
from envtool.torch.offers import hash_file, hash_url, path_of, read_folders, read_metadata
from envtool.torch.select import Cell, FamilyPin, FamilyRequest, Grid, TorchPins, releases
from envtool.torch.targets import TARGETS, host_target

_ROUNDS = 16
"""How often the torch step may be repeated: for members that come in late, and for versions that others forbid."""


@dataclass(frozen=True, kw_only=True)
class LockOptions:
    """How to lock. ``primary`` is the Python in use (``3.11``), ``interpreter`` its path.

    ``optional``: backends that nobody asked for by name; one that cannot be resolved is left out with a note.
    """

    backends: tuple[Backend, ...]
    torch_index: str
    access: IndexAccess
    folders: tuple[Path, ...]
    targets: tuple[str, ...]
    gpu_packages: str
    primary: str
    interpreter: str
    resolver: str = "uv"
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()


def inputs_digest(request: Request, targets: Sequence[str], gpu_packages: str) -> str:
    """One digest over all that decides what a lock holds, whatever index it was made from."""
    table = {
        "requirements": requirement_lines(request),
        "constraints": constraint_lines(request),
        "python": str(request.python),
        "targets": list(targets),
        "gpu-packages": gpu_packages,
        "projects": [[project.path, list(project.extras), project.editable] for project in request.projects],
        "routes": [[route.kind, route.url] for route in request.routes],
    }
    return "sha256:" + hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def requirement_lines(request: Request) -> list[str]:
    """The requirements as sorted texts."""
    return sorted({str(item.requirement) for item in request.requirements})


def constraint_lines(request: Request) -> list[str]:
    """The constraints as sorted texts."""
    return sorted({str(item.requirement) for item in request.constraints})


def minor_versions(python: SpecifierSet) -> tuple[str, ...]:
    """The supported minor versions that a requires-python admits in some patch release."""
    return tuple(
        minor
        for minor in SUPPORTED_PYTHONS
        if any(python.contains(f"{minor}.{patch}", prereleases=True) for patch in range(100))
    )


def make_lock(request: Request, options: LockOptions, previous: Lock | None, reporter: Reporter) -> Lock:
    """Lock a request for all its backends.

    A project that does not say which Pythons it is for gets all from the one in use on, and where these have no
    solution together, the one in use alone, with a note.

    Raises ResolutionError (4), LockError (5), InstallError (6, an index cannot be reached), NoInputsError (3).
    """
    pythons = minor_versions(request.python)
    try:
        return _Locker(request, options, previous, reporter).run(pythons)
    except ResolutionError as error:
        if request.python_given or error.code != "resolve.unsatisfiable" or len(pythons) < 2:
            raise
        wide = error
    here = (options.primary,)
    reporter.phase("resolve", f"no versions for Python {', '.join(pythons)} together: for {here[0]} alone")
    lock = _Locker(request, options, previous, reporter).run(here)
    message = f"this lock covers Python {here[0]} only: the project has no requires-python, and for Python "
    message += f"{', '.join(pythons)} together there is no solution: {wide.message}"
    return replace(lock, notes=(*lock.notes, Note(code="lock.narrow", message=message)))


class _DisagreementError(Exception):
    """Two backends need different versions of the rest; ``constraints`` are those of the second."""

    def __init__(self, constraints: tuple[str, ...]) -> None:
        super().__init__()
        self.constraints = constraints


class _Locker:
    """The steps of one lock. State: the notes so far, and the pins that later backends must share."""

    def __init__(self, request: Request, options: LockOptions, previous: Lock | None, reporter: Reporter) -> None:
        self.request = request
        self.options = options
        self.previous = previous
        self.reporter = reporter
        self.notes: list[Note] = list(request.notes)
        self.gaps: list[str] = []
        self.targets: tuple[str, ...] = options.targets
        self.public: dict[str, tuple[str, ...]] = {}
        self.seen: list[Artifact] = []
        self.narrowed: list[Note] = []
        self.agreed: tuple[str, ...] = ()
        self.may_disagree = True

    def run(self, pythons: tuple[str, ...]) -> Lock:
        if self.options.primary not in pythons:
            message = f"Python {self.options.primary} is not in requires-python {self.request.python}"
            if not pythons:
                message = f"requires-python {self.request.python} admits none of Python {', '.join(SUPPORTED_PYTHONS)}"
            raise UsageError("lock.python", message, "Choose another one with --python, or change requires-python.")
        if self.options.resolver == "pip-tools":
            pythons = self.narrow_for_pip_tools()
        backends = sorted(self.options.backends, key=lambda backend: (not backend.is_cpu, backend.local is None))
        try:
            files, rest, pythons = self.lock_all(backends, pythons)
        except _DisagreementError as disagreement:
            self.reporter.phase("resolve", "again, with what full torch needs")
            # Full torch asks for other versions of the rest than the cpu build does: lock both to what full needs.
            self.agreed = disagreement.constraints
            try:
                files, rest, pythons = self.lock_all(backends, pythons)
            except ResolutionError:
                # No version suits both: the first backend keeps its own, and the other one says what became of it.
                self.agreed, self.may_disagree = (), False
                files, rest, pythons = self.lock_all(backends, pythons)
        remember_sizes(self.seen)
        return Lock(
            torch=files,
            rest=LockFile(filename=REST, backend=None, pins=rest),
            inputs=inputs_digest(self.request, self.options.targets, self.options.gpu_packages),
            requirements=tuple(requirement_lines(self.request)),
            constraints=tuple(constraint_lines(self.request)),
            gpu_packages=self.options.gpu_packages,
            python=str(self.request.python),
            pythons=pythons,
            targets=self.targets,
            routes=self.request.routes,
            projects=self.request.projects,
            gaps=tuple(dict.fromkeys(self.gaps)),
            notes=tuple(dict.fromkeys(self.notes)),
            resolver=self.options.resolver,
            tools={"envtool": __version__, **self.resolver_version()},
        )

    def lock_all(
        self, backends: Sequence[Backend], pythons: tuple[str, ...]
    ) -> tuple[dict[str, LockFile], tuple[Pin, ...], tuple[str, ...]]:
        """Every backend's file, the shared rest, and the Pythons that are covered."""
        self.notes, self.gaps, self.public = [*self.request.notes, *self.narrowed], [], {}
        files: dict[str, LockFile] = {}
        rest: tuple[Pin, ...] | None = None
        for backend in backends:
            try:
                torch_pins, others, cells = self.backend(backend, pythons, rest)
            except uv.UnsatisfiableError as error:
                if rest is None or backend.name not in self.options.optional:
                    raise
                message = f"{backend.name} torch is not locked: {_short(error.message)}"
                self.notes.append(Note(code="lock.backend-left-out", message=message))
                continue
            if rest is None:
                rest = others
                self.targets = tuple(name for name in self.targets if any(t == name for t, _ in cells))
                pythons = tuple(python for python in pythons if any(p == python for _, p in cells))
            files[backend.name] = LockFile(filename=torch_filename(backend.name), backend=backend.name, pins=torch_pins)
        return files, rest or (), pythons

    # --- who resolves ---

    def resolve(self, problem: Problem, explain: tuple[str, ...] = ()) -> tuple[Resolved, ...]:
        """Ask the resolver that was chosen. ``explain``: names to say who asked for."""
        return pip_tools.resolve(problem) if self.options.resolver == "pip-tools" else uv.resolve(problem, explain)

    def resolver_version(self) -> dict[str, str]:
        """Name and version of the resolver."""
        if self.options.resolver == "pip-tools":
            return {"pip-tools": pip_tools.pip_tools_version()}
        return {"uv": str(uv.uv_version())}

    def narrow_for_pip_tools(self) -> tuple[str, ...]:
        """pip-compile knows one machine and one Python: lock for these, and say so."""
        pip_tools.check_python(self.options.primary)
        host = host_target()
        if host is None or host.name not in self.targets:
            name = host.name if host is not None else "this platform"
            message = f"--resolver pip-tools can lock for {name} only, and targets are {', '.join(self.targets)}"
            raise UsageError("usage.resolver-target", message, "Use --resolver uv.")
        if self.targets != (host.name,):
            cover = f"this lock covers {host.name} with Python {self.options.primary} only: pip-compile knows no other"
            self.narrowed = [Note(code="lock.narrow", message=cover)]
        self.targets = (host.name,)
        return (self.options.primary,)

    # --- one backend ---

    def backend(
        self, backend: Backend, pythons: tuple[str, ...], rest: tuple[Pin, ...] | None
    ) -> tuple[tuple[Pin, ...], tuple[Pin, ...], frozenset[Cell]]:
        """The torch file's pins, the rest's pins, and the cells covered."""
        host = host_target()
        grid = Grid(
            targets=tuple(TARGETS[name] for name in self.targets),
            pythons=pythons,
            primary=self.options.primary,
            host=host.name if host is not None and host.name in self.targets else None,
        )
        index = backend.index_url(self.options.torch_index)
        if index is None:
            return self.full(grid, rest)
        source = FamilySource(backend=backend, index=index, folders=self.options.folders, grid=grid)
        return self.indexed(source, rest)

    def indexed(
        self, source: FamilySource, rest: tuple[Pin, ...] | None
    ) -> tuple[tuple[Pin, ...], tuple[Pin, ...], frozenset[Cell]]:
        """A backend with an index of its own: cpu, cu126, …"""
        direct = [*self.request.requirements]
        if source.backend.is_cpu:
            kept, notes = gpu_policy.split_direct(direct, self.options.gpu_packages)
            direct = list(kept)
            self.notes += notes
        wanted = self.family_requests()
        pins: TorchPins | None = None
        new: list[str] = []
        for _ in range(_ROUNDS):
            if wanted:
                self.reporter.phase("torch", f"look up {', '.join(r.name for r in wanted)} on {source.backend.name}")
                try:
                    pins = pin_family(source, wanted, self.prefer(), self.reporter)
                except ResolutionError as error:
                    self.say_who(error, new, source, direct, (pins, rest))
                    raise
                for pin in pins.pins:
                    digests(source, pin, self.reporter)  # now: uv fetches what has no digest, and fails less clearly
            self.reporter.phase("resolve", f"everything else, beside {_pinned(pins)}" if pins else "everything else")
            try:
                resolved = self.rest_step(source, direct, pins, rest)
            except uv.UnsatisfiableError as error:
                if pins is None:
                    raise
                wanted = self.solve_together(source, direct, pins, wanted, error)
                continue
            members = {item.name for item in resolved if is_family(item.name)}
            new = sorted(members - {request.name for request in wanted})
            if not new:
                break
            wanted = [*wanted, *(FamilyRequest(name=name, requirements=(Requirement(name),)) for name in new)]
        else:
            raise ResolutionError("resolve.unstable", "the torch family and the rest do not settle on one solution")
        if pins is None:
            message = f"nothing in {self.request.source} needs torch, directly or through another package"
            raise NoInputsError("lock.no-torch", message, "Name it: envtool setup --cpu torch …, or -r FILE.")
        return self.collect(source, pins, resolved, rest)

    def collect(
        self, source: FamilySource, pins: TorchPins, resolved: Sequence[Resolved], rest: tuple[Pin, ...] | None
    ) -> tuple[tuple[Pin, ...], tuple[Pin, ...], frozenset[Cell]]:
        cells = pins.cells
        self.seen += [artifact for item in resolved for artifact in item.artifacts]
        left_out = [item for item in resolved if item.stand_in]
        if source.backend.is_cpu:
            self.notes += gpu_policy.judge_transitive(left_out, self.options.gpu_packages)
            if self.options.gpu_packages != "keep":
                _refuse_payload(resolved)
        self.notes += source.notes
        self.notes += [Note(code="torch.not-newest", message=sentence) for sentence in pins.skipped]
        self.gaps += gap_sentences(pins)
        for name in {pin.name for pin in pins.pins}:
            self.public.setdefault(name, pins.public(name))
        family = [self.family_pin(source, pin, cells) for pin in pins.pins]
        others = [
            pin
            for item in resolved
            if not item.stand_in and not is_family(item.name)
            for pin in [self.make_pin(item, cells)]
            if pin is not None
        ]
        if rest is None:
            return tuple(family), tuple(others), cells
        known = {pin.name for pin in rest}
        return (*family, *(pin for pin in others if pin.name not in known)), rest, cells

    def family_pin(self, source: FamilySource, pin: FamilyPin, cells: frozenset[Cell]) -> Pin:
        found = digests(source, pin, self.reporter)
        # Over all pairs of a covered target and a covered Python: in a gap no pin of the family may hold, so that an
        # installer finds no torch there and can say so.
        grid = frozenset((target, python) for target, _ in cells for _, python in cells)
        return Pin(name=pin.name, version=pin.version, marker=marker_for(pin.cells, grid), hashes=found)

    def family_requests(self) -> list[FamilyRequest]:
        """What the project itself (and its constraints) asks of the family."""
        named: dict[str, list[Requirement]] = {}
        for item in self.request.requirements:
            name = canonicalize_name(item.requirement.name)
            if is_family(name):
                named.setdefault(name, []).append(item.requirement)
        for item in self.request.constraints:
            name = canonicalize_name(item.requirement.name)
            if name in named:
                named[name].append(item.requirement)
        return [FamilyRequest(name=name, requirements=tuple(items)) for name, items in sorted(named.items())]

    def prefer(self) -> Mapping[str, Sequence[str]]:
        """Versions to keep: those of a backend locked before in this run, else those of the earlier lock."""
        if self.public:
            return self.public
        if self.previous is None or self.options.upgrade:
            return {}
        kept: dict[str, set[str]] = {}
        for file in self.previous.torch.values():
            for pin in file.pins:
                if is_family(pin.name) and pin.name not in self.options.upgrade_packages:
                    kept.setdefault(pin.name, set()).add(pin.version.public)
        return {name: tuple(sorted(versions)) for name, versions in kept.items()}

    # --- the rest step ---

    def rest_step(
        self,
        source: FamilySource,
        direct: Sequence[object],
        pins: TorchPins | None,
        rest: tuple[Pin, ...] | None,
        explain: tuple[str, ...] = (),
    ) -> tuple[Resolved, ...]:
        cells = pins.cells if pins is not None else frozenset(source.grid.cells)
        lines = [str(getattr(item, "requirement", item)) for item in direct]
        members: tuple[str, ...] = ()
        if pins is not None:
            members = tuple(sorted({pin.name for pin in pins.pins}))
            lines += [_line(pin.name, f"=={pin.version}", marker_for(pin.cells, cells)) for pin in pins.pins]
        problem = self.problem(source, lines, cells, members, _constraints(rest))
        if pins is not None and self.options.resolver == "pip-tools":
            problem = replace(problem, family_metadata=_metadata(source, pins))
        return self.resolve(problem, explain)

    def say_who(
        self,
        error: ResolutionError,
        names: Sequence[str],
        source: FamilySource,
        direct: Sequence[object],
        solved: tuple[TorchPins | None, tuple[Pin, ...] | None],
    ) -> None:
        """Add to an error about a member that nobody named here who asked for it."""
        blamed = [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", error.message)]
        if blamed:
            resolved = self.rest_step(source, direct, *solved, explain=tuple(blamed))
            who = sorted(
                {
                    f"{item.name} is needed by {', '.join(item.via)}"
                    for item in resolved
                    if item.via and item.name in blamed
                }
            )
            error.message += f" ({'; '.join(who)})" if who else ""

    def problem(
        self,
        source: FamilySource | None,
        lines: Sequence[str],
        cells: frozenset[Cell],
        members: tuple[str, ...],
        constraints: Iterable[str],
    ) -> Problem:
        pythons = sorted({python for _, python in cells}, key=SUPPORTED_PYTHONS.index)
        bounds = SpecifierSet(f">={pythons[0]}") & SpecifierSet(f"<{_after(pythons[-1])}") & self.request.python
        keep_gpu = self.options.gpu_packages == "keep" or source is None or not source.backend.is_cpu
        index, flat = None, False
        if source is not None and members:
            flat = source.flat
            index = _flat_folder(source) if flat else source.index
        access = self.options.access if source is not None else self.without_family_wheels()
        return Problem(
            requirements=tuple(dict.fromkeys(lines)),
            constraints=(*constraint_lines(self.request), *self.agreed, *constraints),
            python=str(bounds),
            python_version=pythons[0],
            environments=_environments(cells),
            access=access,
            interpreter=self.options.interpreter,
            family=members,
            family_index=index,
            family_is_flat=flat,
            stand_ins=() if keep_gpu else GPU_STAND_INS,
            preferences=self.preferences(),
        )

    def without_family_wheels(self) -> IndexAccess:
        """For full torch: no find-links folder with another build of the family.

        pip-compile takes the digest of ``torch-2.13.0+cpu`` for ``torch==2.13.0`` when a folder offers it.
        """
        other = {
            str(folder)
            for folder in self.options.folders
            if any(item.version.local for name in FAMILY for item in read_folders((folder,), name))
        }
        kept = tuple(link for link in self.options.access.find_links if link not in other)
        return replace(self.options.access, find_links=kept)

    def preferences(self) -> tuple[tuple[str, str], ...]:
        """Pins of the earlier lock that the resolver should keep where it can; one version a name is all it takes."""
        if self.previous is None or self.options.upgrade:
            return ()
        kept: dict[str, set[str]] = {}
        for pin in self.previous.rest.pins:
            if pin.name not in self.options.upgrade_packages:
                kept.setdefault(pin.name, set()).add(str(pin.version))
        return tuple(sorted((name, version) for name, versions in kept.items() for version in versions))

    def solve_together(
        self,
        source: FamilySource,
        direct: Sequence[object],
        pins: TorchPins,
        wanted: Sequence[FamilyRequest],
        error: uv.UnsatisfiableError,
    ) -> list[FamilyRequest]:
        """Another package forbids the pins: let the resolver choose among the builds that cover this machine."""
        if not any(re.search(rf"(?<![\w-]){re.escape(pin.name)}(?![\w-])", error.report) for pin in pins.pins):
            raise error  # the conflict is elsewhere: other versions of the family would not help
        self.reporter.phase("torch", "another package forbids these versions: go back")
        if self.options.resolver == "pip-tools":
            return self.step_back(source, pins, wanted, error)
        resolved = self.solve_levels(source, direct, pins, wanted, error)
        chosen: dict[str, set[Version]] = {}
        for item in resolved:
            if is_family(item.name):
                chosen.setdefault(item.name, set()).add(Version(item.version.public))
        # Where the forks of the resolution differ, the oldest version is the one that the rest allows everywhere.
        changed = {name: str(min(versions)) for name, versions in chosen.items()}
        if all(changed.get(pin.name) == pin.version.public for pin in pins.pins):
            raise ResolutionError("resolve.unsatisfiable", error.message, error.hint) from error
        self.notes.append(_going_back(pins, changed, error))
        known = {request.name: request.requirements for request in wanted}
        return [
            FamilyRequest(name=name, requirements=(*known.get(name, ()), Requirement(f"{name}=={version}")))
            for name, version in sorted(changed.items())
        ]

    def step_back(
        self, source: FamilySource, pins: TorchPins, wanted: Sequence[FamilyRequest], error: uv.UnsatisfiableError
    ) -> list[FamilyRequest]:
        """The next older torch: pip cannot choose among the builds of another index by itself."""
        now = min(pin.version for pin in pins.pins if pin.name == "torch")
        level = source.grid.levels()[-1]
        found = releases(source.offers("torch"), source.backend, source.grid)
        older = [release.public for release in found if release.covers(level) and release.public < Version(now.public)]
        if not older:
            raise ResolutionError("resolve.unsatisfiable", error.message, error.hint) from error
        self.notes.append(_going_back(pins, {"torch": str(older[0])}, error))
        others = [request for request in wanted if request.name != "torch"]
        own = next((request.requirements for request in self.family_requests() if request.name == "torch"), ())
        exact = (*own, Requirement(f"torch=={older[0]}"))
        return [FamilyRequest(name="torch", requirements=exact), *others]

    def solve_levels(
        self,
        source: FamilySource,
        direct: Sequence[object],
        pins: TorchPins,
        wanted: Sequence[FamilyRequest],
        error: uv.UnsatisfiableError,
    ) -> tuple[Resolved, ...]:
        """Solve with the family's versions left open: first those with builds everywhere, at last those for here."""
        names = sorted({"torch", *(request.name for request in wanted)})
        lines = [str(getattr(item, "requirement", item)) for item in direct] + names
        for level in source.grid.levels():
            covered = level & pins.cells
            constraints = [
                f"{name}!={release.public}"
                for name in names
                for release in releases(source.offers(name), source.backend, source.grid)
                if not release.covers(covered)
            ]
            with contextlib.suppress(uv.UnsatisfiableError):
                return uv.resolve(self.problem(source, lines, pins.cells, tuple(names), constraints))
        raise error  # the first explanation: the later ones speak of versions that were excluded here

    def make_pin(self, item: Resolved, cells: frozenset[Cell]) -> Pin | None:
        """A pin of a resolved package; None where its marker holds in no cell. Raises LockError (``lock.no-hash``)."""
        marker, holding = shorten(item.marker, cells)
        if not holding:
            return None
        found = {artifact.sha256 or _bytes_digest(artifact, self.options.access) for artifact in item.artifacts}
        if not found:
            message = f"{item.name} {item.version} has no files to hash"
            hint = "Name a release from an index: a source checkout cannot be pinned."
            raise LockError("lock.no-hash", message, hint)
        return Pin(name=item.name, version=item.version, marker=marker, hashes=tuple(sorted(found)))

    # --- full torch ---

    def solve_full(
        self, requested: Sequence[str], exact: Sequence[str], cells: frozenset[Cell], rest: tuple[Pin, ...] | None
    ) -> tuple[Resolved, ...]:
        """Full torch beside the pins of the rest; see run for what becomes of a disagreement."""
        try:
            return self.resolve(self.problem(None, [*requested, *exact], cells, (), _constraints(rest)))
        except uv.UnsatisfiableError as error:
            if not exact:
                raise
            reason = error
        if rest is not None and self.may_disagree and not self.agreed:
            with contextlib.suppress(uv.UnsatisfiableError):
                free = self.resolve(self.problem(None, [*requested, *exact], cells, (), ()))
                raise _DisagreementError(_differences(free, rest, cells))
        self.reporter.phase("resolve", "full torch at another version")
        resolved = self.resolve(self.problem(None, [*requested, *self.public], cells, (), _constraints(rest)))
        message = f"full torch has another version than the cpu build: {_short(reason.message)}"
        self.notes.append(Note(code="full.other-version", message=message))
        return resolved

    def full(
        self, grid: Grid, rest: tuple[Pin, ...] | None
    ) -> tuple[tuple[Pin, ...], tuple[Pin, ...], frozenset[Cell]]:
        """The default index's own build of torch, at the version of the other backends where it exists."""
        self.reporter.phase("resolve", "full torch from the default index, with the same pins for the rest")
        cells = frozenset(grid.cells)
        requested = [str(item.requirement) for item in self.request.requirements]
        # === : == would also match a +cpu wheel that a find-links folder holds.
        exact = [f"{name}==={versions[0]}" for name, versions in sorted(self.public.items()) if len(versions) == 1]
        resolved = self.solve_full(requested, exact, cells, rest)
        if not any(item.name == "torch" for item in resolved):
            message = f"nothing in {self.request.source} needs torch, directly or through another package"
            raise NoInputsError("lock.no-torch", message, "Name it: envtool setup --full torch …, or -r FILE.")
        local = sorted(
            {f"{item.name} {item.version}" for item in resolved if is_family(item.name) and item.version.local}
        )
        if local:
            message = f"full torch resolved to {', '.join(local)}, which is no build of the default index"
            raise ResolutionError("full.local", message, "Take the folder with that wheel out of find-links.")
        self.seen += [artifact for item in resolved for artifact in item.artifacts]
        known = {pin.name for pin in rest or ()}
        pins = [pin for item in resolved for pin in [self.make_pin(item, cells)] if pin is not None]
        if rest is None:
            closure = {pin.name for pin in pins if is_family(pin.name) or is_gpu_payload(pin.name)}
            return (
                tuple(pin for pin in pins if pin.name in closure),
                tuple(pin for pin in pins if pin.name not in closure),
                cells,
            )
        return tuple(pin for pin in pins if pin.name not in known), rest, cells


def _metadata(source: FamilySource, pins: TorchPins) -> tuple[tuple[str, str, bytes], ...]:
    """Core metadata of the pinned builds. Raises ResolutionError (``resolve.no-metadata``)."""
    found = []
    for pin in pins.pins:
        metadata = next((data for file in pin.files if (data := read_metadata(file)) is not None), None)
        if metadata is None:
            message = f"the index serves no metadata for {pin.name} {pin.version}, which --resolver pip-tools needs"
            raise ResolutionError("resolve.no-metadata", message, "Use --resolver uv, or torch 2.6 or newer.")
        found.append((pin.name, str(pin.version), metadata))
    return tuple(found)


def _short(explanation: str) -> str:
    """The first clauses of a resolver's explanation, for a note."""
    text = explanation.removeprefix("Because ")
    return text if len(text) <= 240 else text[:240].rsplit(" ", 1)[0] + " …"


def _bytes_digest(artifact: Artifact, access: IndexAccess) -> str:
    """The sha256 of a file that its index lists without one. Raises LockError (``lock.no-hash``)."""
    digest = None
    if artifact.url.startswith(("http://", "https://")):
        indexes = [url for url in (access.default_index, *(url for _, url in access.routes)) if url]
        digest = hash_url(artifact.url, indexes)
    elif Path(artifact.url).is_file():
        digest = hash_file(Path(artifact.url))
    if digest is None:
        message = f"{artifact.filename} has no advertised sha256, and its bytes cannot be had to compute one"
        raise LockError("lock.no-hash", message, "Use an index that advertises digests for it.")
    return digest


def _pinned(pins: TorchPins) -> str:
    return ", ".join(sorted({f"{pin.name} {pin.version}" for pin in pins.pins}))


def _line(name: str, specifier: str, marker: str | None) -> str:
    return f"{name}{specifier}{f' ; {marker}' if marker else ''}"


def _constraints(rest: tuple[Pin, ...] | None) -> list[str]:
    return [_line(pin.name, f"=={pin.version}", pin.marker) for pin in rest or ()]


def _differences(free: Sequence[Resolved], rest: tuple[Pin, ...], cells: frozenset[Cell]) -> tuple[str, ...]:
    """Constraints to the versions of ``free`` where they are none of those in ``rest``."""
    known: dict[str, set[Version]] = {}
    for pin in rest:
        known.setdefault(pin.name, set()).add(pin.version)
    lines = []
    for item in free:
        marker, holding = shorten(item.marker, cells)
        if holding and item.name in known and item.version not in known[item.name]:
            lines.append(_line(item.name, f"=={item.version}", marker))
    return tuple(lines)


def _after(python: str) -> str:
    major, minor = python.split(".")
    return f"{major}.{int(minor) + 1}"


def _environments(cells: frozenset[Cell]) -> tuple[str, ...]:
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
        found.append(f"{python} and {TARGETS[target].marker}")
    return tuple(found)


def _flat_folder(source: FamilySource) -> str:
    # One folder is the rule. With several, the one that torch lies in decides.
    return str(path_of(source.offers("torch")[0]).parent)


def _refuse_payload(resolved: Sequence[Resolved]) -> None:
    named = sorted(
        {f"{item.name} {item.version}" for item in resolved if not item.stand_in and is_gpu_payload(item.name)}
    )
    if named:
        message = f"GPU packages would come into the cpu lock: {', '.join(named)}"
        raise ResolutionError(
            "gpu.closure", message, 'Allow them with gpu-packages = "keep", or ask for another version.'
        )


def _going_back(pins: TorchPins, changed: Mapping[str, str], error: uv.UnsatisfiableError) -> Note:
    before = sorted(
        {f"{pin.name} {pin.version.public}" for pin in pins.pins if changed.get(pin.name) != pin.version.public}
    )
    after = [f"{name} {version}" for name, version in sorted(changed.items())]
    pattern = r"([A-Za-z0-9._-]+(?:\[[\w,-]+\])?(?:[=<>!~][^\s]*)?) depends on (\S+)"
    blames = [f"{who} needs {what}" for who, what in re.findall(pattern, error.message) if _is_family_text(what)]
    others = [blame for blame in dict.fromkeys(blames) if not blame.startswith("your project")]
    why = "; ".join(others[:4]) or error.message
    return Note(
        code="torch.older", message=f"{', '.join(before)} not possible: {why.rstrip(',')}. Using {', '.join(after)}"
    )


def _is_family_text(what: str) -> bool:
    return is_family(re.split(r"[=<>!~\[;,]", what, maxsplit=1)[0])
