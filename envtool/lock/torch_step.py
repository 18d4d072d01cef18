"""The torch step: look the family up on the backend's index, and nowhere else, and pin it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool.adapters.http import UnreachableError, redact
from envtool.errors import InstallError, LockError, ResolutionError
from envtool.models import Note, Reporter, Request
from envtool.torch import offers
from envtool.torch.backends import Backend
from envtool.torch.family import is_family
from envtool.torch.index import Candidate
from envtool.torch.pairs import torch_from_metadata, torch_from_scheme
from envtool.torch.select import FamilyPin, FamilyRequest, Grid, TorchPins, describe_cells, select
from envtool.torch.targets import TARGETS


@dataclass
class FamilySource:
    """Where the family comes from: the backend's index, or folders of wheels when it cannot be reached.

    ``grid`` is narrowed to this machine when ``folders`` are used; ``narrowed`` says whether that left anything out.
    Pages and metadata are read once.
    """

    backend: Backend
    index: str
    folders: tuple[Path, ...]
    grid: Grid
    flat: bool = False
    narrowed: bool = False
    notes: list[Note] = field(default_factory=list)
    _pages: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)
    _requires: dict[tuple[str, Version], SpecifierSet | None] = field(default_factory=dict)
    _digests: dict[str, str | None] = field(default_factory=dict)

    def offers(self, name: str) -> tuple[Candidate, ...]:
        """All wheels of a member. Raises InstallError (``torch-index.unreachable``) when there is no source at all."""
        if name not in self._pages:
            self._pages[name] = self._read(name)
        return self._pages[name]

    def _read(self, name: str) -> tuple[Candidate, ...]:
        if self.flat:
            return offers.read_folders(self.folders, name)
        try:
            return offers.read_project(self.index, name)
        except UnreachableError as error:
            self._fall_back(error)
            return offers.read_folders(self.folders, name)

    def _fall_back(self, error: UnreachableError) -> None:
        usable = [
            candidate
            for candidate in offers.read_folders(self.folders, "torch")
            for target in self.grid.targets
            if target.name == self.grid.host
            and target.accepts(candidate.tags, self.grid.primary)
            and self.backend.accepts(candidate.version, target, has_local=False)
        ]
        if not usable or self.grid.host is None:
            tried = ", ".join(redact(str(folder)) for folder in self.folders) or "none is set"
            message = (
                f"the {self.backend.name} index cannot be reached ({error.message}), and no find-links folder has a "
            )
            message += f"{self.backend.name} build of torch for Python {self.grid.primary} on {self.grid.host}"
            hint = f"Tried find-links: {tried}. Set torch-index to a mirror, find-links to a folder of wheels, or "
            hint += "HTTPS_PROXY to a proxy."
            raise InstallError("torch-index.unreachable", message, error.hint or hint) from error
        self.flat = True
        asked = (tuple(target.name for target in self.grid.targets), self.grid.pythons)
        self.narrowed = asked != ((self.grid.host,), (self.grid.primary,))
        self.grid = replace(self.grid, targets=(TARGETS[self.grid.host],), pythons=(self.grid.primary,))
        names = ", ".join(sorted({candidate.filename for candidate in usable}))
        where = f"{redact(self.index)} cannot be reached: using {names} from find-links"
        self.notes.append(Note(code="torch-index.find-links", message=where))
        if self.narrowed:
            cover = f"this lock covers {self.grid.host} with Python {self.grid.primary} only; where the index answers, "
            cover += "envtool lock makes it for all, with these versions"
            self.notes.append(Note(code="lock.narrow", message=cover))

    def digest(self, file: Candidate, reporter: Reporter) -> str | None:
        """The sha256 of a file that the index lists without one, from its bytes; None if these cannot be had."""
        if file.filename not in self._digests:
            reporter.phase("hash", f"{file.filename} (the index advertises no digest)")
            self._digests[file.filename] = offers.hash_candidate(file)
        return self._digests[file.filename]

    def requires_torch(self, name: str, version: Version) -> SpecifierSet | None:
        """The torch that a member's public version asks for: by its metadata, else by the release scheme."""
        key = (name, version)
        if key not in self._requires:
            files = [item for item in self.offers(name) if Version(item.version.public) == version]
            metadata = next((data for item in files[:1] if (data := offers.read_metadata(item)) is not None), None)
            found = torch_from_metadata(metadata) if metadata is not None else None
            self._requires[key] = found if found is not None and str(found) else torch_from_scheme(name, version)
        return self._requires[key]


def pin_family(
    source: FamilySource, requests: Sequence[FamilyRequest], prefer: Mapping[str, Sequence[str]], reporter: Reporter
) -> TorchPins:
    """Exact pins of the family. ``prefer`` are versions of an earlier lock, kept while they still fit.

    Raises ResolutionError (``resolve.no-build``, …) and InstallError (``torch-index.unreachable``).
    """
    names = {"torch", *(request.name for request in requests)}
    found = {name: source.offers(name) for name in sorted(names)}  # reading comes first: it may narrow the grid
    if not source.flat and not found["torch"]:
        message = f"{redact(source.index)} has no torch: is it a PyTorch index?"
        hint = "torch-index is the base that a backend's name is appended to, such as …/whl."
        raise ResolutionError("torch-index.empty", message, hint)

    def attempt(wanted: Sequence[FamilyRequest]) -> TorchPins:
        place = offers.folders_named(source.folders) if source.flat else ""
        pins = select(wanted, found, source.backend, source.grid, source.requires_torch, place)
        for file in (file for pin in pins.pins for file in pin.files if source.flat):
            offers.read_metadata(file)  # now: uv says less clearly that one is no wheel
        return pins

    kept = [_preferring(request, prefer) for request in requests]
    if kept != list(requests):
        try:
            return attempt(kept)
        except ResolutionError:
            reporter.note("the versions of the earlier lock no longer fit; choosing again")
    try:
        return attempt(requests)
    except ResolutionError as error:
        if not source.flat:
            raise
        # The folders were only tried because the index does not answer: that is the cause to name.
        message = f"{redact(source.index)} cannot be reached, and {error.message}"
        hint = "Set torch-index to a mirror, or put the wheel into the find-links folder."
        hint = error.hint if error.code == "find-links.wheel" else hint
        raise InstallError("torch-index.unreachable", message, hint) from error


def family_requests(request: Request) -> list[FamilyRequest]:
    """What a request (and its constraints) asks of the family."""
    named: dict[str, list[Requirement]] = {}
    for item in request.requirements:
        name = canonicalize_name(item.requirement.name)
        if is_family(name):
            named.setdefault(name, []).append(item.requirement)
    for item in request.constraints:
        name = canonicalize_name(item.requirement.name)
        if name in named:
            named[name].append(item.requirement)
    return [FamilyRequest(name=name, requirements=tuple(items)) for name, items in sorted(named.items())]


def transitive_request(request: Request, name: str) -> FamilyRequest:
    """What is asked of a member that comes in through another package: its overrides, if there are any."""
    instead = tuple(item.requirement for item in request.overrides if canonicalize_name(item.requirement.name) == name)
    return FamilyRequest(name=name, requirements=instead or (Requirement(name),))


def _preferring(request: FamilyRequest, prefer: Mapping[str, Sequence[str]]) -> FamilyRequest:
    versions = prefer.get(request.name, ())
    if len(versions) != 1:
        return request
    return replace(request, requirements=(*request.requirements, Requirement(f"{request.name}=={versions[0]}")))


def digests(source: FamilySource, pin: FamilyPin, reporter: Reporter) -> tuple[str, ...]:
    """The sha256 of every file of a pin that installs in one of its cells.

    Files of the same version for other platforms are left out: at the root of the channel lie plain builds for Linux,
    which are CUDA ones, under the version that macOS has. The index has listed new releases without digests for days
    to weeks: such a file is hashed from its bytes; when these cannot be had that is an error.
    Raises LockError (``lock.no-hash``).
    """
    targets = {target.name: target for target in source.grid.targets}
    fitting = [
        file for file in pin.files if any(targets[name].accepts(file.tags, python) for name, python in pin.cells)
    ]
    found = {file.sha256 for file in fitting if file.sha256}
    for file in (file for file in fitting if not file.sha256):
        digest = source.digest(file, reporter)
        if digest is None:
            message = f"{file.filename} has no advertised sha256, and its bytes cannot be had to compute one"
            hint = "Wait until the index lists it, pin an older version, or narrow targets to leave this file out."
            raise LockError("lock.no-hash", message, hint)
        found.add(digest)
    return tuple(sorted(found))


def gap_sentences(pins: TorchPins) -> tuple[str, ...]:
    """The gaps as sentences, one a version."""
    by_version: dict[str, list[tuple[str, str]]] = {}
    for what, cell in pins.gaps:
        by_version.setdefault(what, []).append(cell)
    return tuple(f"{what} has no build for {describe_cells(cells)}" for what, cells in sorted(by_version.items()))
