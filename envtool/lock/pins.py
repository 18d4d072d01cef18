"""From what was resolved to pins: the shortest marker over the lock's cells, and every file's sha256."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from envtool.adapters.old_setuptools import old_setuptools_note
from envtool.adapters.variables import filled_in
from envtool.errors import LockError
from envtool.lock.markers import marker_for, shorten
from envtool.lock.torch_step import FamilySource, digests
from envtool.models import SUPPORTED_PYTHONS, Artifact, IndexAccess, Note, Pin, Reporter, Resolved
from envtool.torch.family import is_family
from envtool.torch.index import make_candidate
from envtool.torch.offers import hash_file, hash_url
from envtool.torch.select import Cell, FamilyPin, describe_cells
from envtool.torch.targets import TARGETS


def family_pin(source: FamilySource, pin: FamilyPin, cells: frozenset[Cell], reporter: Reporter) -> Pin:
    """A pin of the torch step. Raises LockError (``lock.no-hash``)."""
    found = digests(source, pin, reporter)
    # Over all pairs of a covered target and a covered Python: in a gap no pin of the family may hold, so that an
    # installer finds no torch there and can say so.
    return Pin(name=pin.name, version=pin.version, marker=marker_for(pin.cells, _grid(cells)), hashes=found)


def rest_pins(resolved: Sequence[Resolved], cells: frozenset[Cell], access: IndexAccess) -> tuple[Pin, ...]:
    """Pins of resolved packages, without those whose marker holds in no cell. Raises LockError (``lock.no-hash``)."""
    return tuple(pin for pin, _ in _pins(resolved, cells, access))


def full_pins(
    resolved: Sequence[Resolved], cells: frozenset[Cell], universe: frozenset[Cell], access: IndexAccess
) -> tuple[Pin, ...]:
    """The same for full torch, which may cover fewer ``cells`` than the ``universe`` that the lock does.

    The family is kept out of the gaps that another backend left, too, as in :func:`family_pin`.
    """
    found = _pins(resolved, cells, access, universe)
    grid = _grid(universe)
    if cells == grid:
        return tuple(pin for pin, _ in found)
    return tuple(
        replace(pin, marker=marker_for(holding, grid)) if is_family(pin.name) else pin for pin, holding in found
    )


def _grid(cells: frozenset[Cell]) -> frozenset[Cell]:
    return frozenset((target, python) for target, _ in cells for _, python in cells)


def _pins(
    resolved: Sequence[Resolved], cells: frozenset[Cell], access: IndexAccess, universe: frozenset[Cell] | None = None
) -> list[tuple[Pin, frozenset[Cell]]]:
    found = []
    for item in resolved:
        marker, holding = shorten(item.marker, cells, universe)
        if holding:
            pin = Pin(name=item.name, version=item.version, marker=marker, hashes=_hashes(item, access))
            found.append((pin, holding))
    return found


def source_note(resolved: Sequence[Resolved], cells: frozenset[Cell]) -> tuple[Note, ...]:
    """A note on what will be built from source when it is installed: packages without a wheel in some cell."""
    built = []
    for item in resolved:
        files = [make_candidate(artifact.filename, artifact.url, artifact.sha256) for artifact in item.artifacts]
        wheels = [file for file in files if file is not None]
        if len(wheels) == len(files):
            continue  # no source distribution: nothing to build
        _, holding = shorten(item.marker, cells)
        missing = {
            (target, python)
            for target, python in holding
            if not any(TARGETS[target].accepts(wheel.tags, python) for wheel in wheels)
        }
        if missing:
            built.append(f"{item.name} {item.version}{_where(missing, holding)}")
    if not built:
        return ()
    return (Note(code="lock.source", message=f"no wheel, so built from source when installed: {'; '.join(built)}"),)


def setuptools_notes(resolved: Sequence[Resolved]) -> tuple[Note, ...]:
    """A note on each source that only an older setuptools builds: plain pip has to be told of it (docs/lock.md)."""
    found = [f"{item.name}=={item.version}" for item in resolved if item.old_setuptools]
    return tuple(Note(code="lock.old-setuptools", message=old_setuptools_note(package)) for package in found)


def _where(missing: set[Cell], holding: frozenset[Cell]) -> str:
    if missing == holding:
        return ""
    pythons = {python for _, python in missing}
    if missing == {cell for cell in holding if cell[1] in pythons}:  # the same on all platforms
        return f" for Python {', '.join(sorted(pythons, key=SUPPORTED_PYTHONS.index))}"
    return f" for {describe_cells(missing)}"


def _hashes(item: Resolved, access: IndexAccess) -> tuple[str, ...]:
    found = {artifact.sha256 or _bytes_digest(artifact, access) for artifact in item.artifacts}
    if not found:
        message = f"{item.name} {item.version} has no files to hash"
        raise LockError("lock.no-hash", message, "Name a release from an index: a source checkout cannot be pinned.")
    return tuple(sorted(found))


def _bytes_digest(artifact: Artifact, access: IndexAccess) -> str:
    """The sha256 of a file that its index lists without one. Raises LockError (``lock.no-hash``)."""
    digest = None
    if artifact.url.startswith(("http://", "https://")):
        indexes = [url for url in (access.default_index, *(route.url for route in access.routes)) if url]
        digest = hash_url(artifact.url, map(filled_in, indexes))
    elif Path(artifact.url).is_file():
        digest = hash_file(Path(artifact.url))
    if digest is None:
        message = f"{artifact.filename} has no advertised sha256, and its bytes cannot be had to compute one"
        raise LockError("lock.no-hash", message, "Use an index that advertises digests for it.")
    return digest
