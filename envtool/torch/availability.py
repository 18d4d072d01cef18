"""Which builds of the family there are, for which Pythons and platforms: what a lock chooses from, without choosing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from envtool.adapters.http import UnreachableError, redact
from envtool.errors import InstallError, ResolutionError, UsageError
from envtool.models import SUPPORTED_PYTHONS, Note
from envtool.torch.backends import Backend
from envtool.torch.family import FAMILY, is_family
from envtool.torch.index import Candidate
from envtool.torch.offers import folders_named, read_folders, read_project
from envtool.torch.select import Grid, releases
from envtool.torch.targets import TARGETS


@dataclass(frozen=True, kw_only=True, slots=True)
class Availability:
    """One cell: a release of a package on a Python and a platform.

    ``version`` is the exact one where there is a build (``2.13.0+cpu``), else the public one. ``hashed``: the index
    advertises a sha256 for it. ``size`` in bytes, None where the index does not say (the PyTorch one never does).
    """

    package: str
    version: Version
    python: str
    platform: str
    available: bool
    hashed: bool = False
    size: int | None = None

    @property
    def public(self) -> Version:
        """The release that this cell belongs to."""
        return Version(self.version.public)

    def as_dict(self) -> dict[str, Any]:
        """The cell as JSON."""
        return {
            "package": self.package,
            "version": str(self.version),
            "python": self.python,
            "platform": self.platform,
            "available": self.available,
            "hashed": self.hashed,
            "size": self.size,
        }


def look_up(
    names: Sequence[NormalizedName], backend: Backend, base: str, folders: Sequence[Path]
) -> tuple[Mapping[NormalizedName, Sequence[Candidate]], tuple[Note, ...]]:
    """What the backend's index lists of family members; find-links folders stand in when it cannot be reached.

    Raises UsageError (``versions.package``, ``versions.backend``), InstallError (``torch-index.unreachable``).
    """
    for name in names:
        if not is_family(name):
            hint = f"It knows what lives on the PyTorch index: {', '.join(sorted(FAMILY))}."
            raise UsageError("versions.package", f"{name} does not live on the PyTorch index", hint)
    index = backend.index_url(base)
    if index is None:
        message = "full torch comes from the default index; this command reads the PyTorch one"
        raise UsageError("versions.backend", message, "Name a backend with an index of its own: cpu, cu126, xpu, …")
    try:
        return {name: read_project(index, name) for name in names}, ()
    except UnreachableError as error:
        found = {name: read_folders(folders, name) for name in names}
        if not any(found.values()):
            hint = "Set torch-index to a mirror, or find-links to a folder of wheels."
            tried = f"{folders_named(folders)} {'has' if len(folders) == 1 else 'have'}" if folders else ""
            no = f"{tried} no wheel" if tried else "no find-links folder has a wheel"
            message = f"{error.message}, and {no} of {', '.join(names)}"
            raise InstallError("torch-index.unreachable", message, error.hint or hint) from error
        note = f"{redact(index)} cannot be reached: this is what the find-links folders hold"
        return found, (Note(code="torch-index.find-links", message=note),)


def cells(
    offers: Mapping[NormalizedName, Sequence[Candidate]],
    specifiers: Mapping[NormalizedName, SpecifierSet],
    backend: Backend,
    grid: Grid,
    newest: int | None,
) -> tuple[Availability, ...]:
    """Every cell of the releases that match, newest release first; ``newest`` of them per package, None for all. Pure.

    A pre-release counts where its specifier names one. Raises ResolutionError (``versions.none``).
    """
    found: list[Availability] = []
    for name, candidates in offers.items():
        specifier = specifiers.get(name, SpecifierSet())
        listed = [release for release in releases(candidates, backend, grid) if release.builds]
        # Of the builds and not of the release: torch==2.13.0+cpu names one.
        matching = [release for release in listed if any(map(specifier.contains, release.builds.values()))]
        if not matching:
            ends = dict.fromkeys(str(release.public) for release in (*listed[-1:], *listed[:1]))
            has = f"It has {' to '.join(ends)}." if listed else "It has no build there at all."
            message = f"no {backend.name} build of {name}{specifier} for what was asked"
            raise ResolutionError("versions.none", message, has)
        for release in matching[:newest]:
            for target, python in grid.cells:
                version = release.builds.get((target, python))
                files = [file for file in candidates if file.version == version and _fits(file, target, python)]
                found.append(
                    Availability(
                        package=name,
                        version=version or release.public,
                        python=python,
                        platform=target,
                        available=version is not None,
                        hashed=bool(files) and all(file.sha256 for file in files),
                        size=next((file.size for file in files if file.size is not None), None),
                    )
                )
    return tuple(found)


def _fits(file: Candidate, target: str, python: str) -> bool:
    return TARGETS[target].accepts(file.tags, python)


def spans(pythons: Iterable[str]) -> str:
    """Minor versions in few words: ``3.10-3.13``, ``3.11, 3.13``; ``-`` for none."""
    have = set(pythons)
    runs: list[list[str]] = []
    for python in SUPPORTED_PYTHONS:
        if python not in have:
            runs.append([])
        elif runs and runs[-1]:
            runs[-1].append(python)
        else:
            runs.append([python])
    words = [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs if run]
    return ", ".join(words) or "-"
