"""From what was resolved to pins: the shortest marker over the lock's cells, and every file's sha256."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envtool.errors import LockError
from envtool.lock.markers import marker_for, shorten
from envtool.lock.torch_step import FamilySource, digests
from envtool.models import Artifact, IndexAccess, Pin, Reporter, Resolved
from envtool.torch.offers import hash_file, hash_url
from envtool.torch.select import Cell, FamilyPin


def family_pin(source: FamilySource, pin: FamilyPin, cells: frozenset[Cell], reporter: Reporter) -> Pin:
    """A pin of the torch step. Raises LockError (``lock.no-hash``)."""
    found = digests(source, pin, reporter)
    # Over all pairs of a covered target and a covered Python: in a gap no pin of the family may hold, so that an
    # installer finds no torch there and can say so.
    grid = frozenset((target, python) for target, _ in cells for _, python in cells)
    return Pin(name=pin.name, version=pin.version, marker=marker_for(pin.cells, grid), hashes=found)


def rest_pins(resolved: Sequence[Resolved], cells: frozenset[Cell], access: IndexAccess) -> tuple[Pin, ...]:
    """Pins of resolved packages, without those whose marker holds in no cell. Raises LockError (``lock.no-hash``)."""
    found = []
    for item in resolved:
        marker, holding = shorten(item.marker, cells)
        if holding:
            hashes = _hashes(item, access)
            found.append(Pin(name=item.name, version=item.version, marker=marker, hashes=hashes))
    return tuple(found)


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
        indexes = [url for url in (access.default_index, *(url for _, url in access.routes)) if url]
        digest = hash_url(artifact.url, indexes)
    elif Path(artifact.url).is_file():
        digest = hash_file(Path(artifact.url))
    if digest is None:
        message = f"{artifact.filename} has no advertised sha256, and its bytes cannot be had to compute one"
        raise LockError("lock.no-hash", message, "Use an index that advertises digests for it.")
    return digest
