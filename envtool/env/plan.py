"""The plan of a setup: bytes to download and on disk, against the full backend and what is free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from envtool.adapters import uv
from envtool.adapters.http import content_lengths
from envtool.adapters.sizes import known_sizes, remember_sizes
from envtool.env.install import Installation, pins_here, rest_access
from envtool.errors import EnvtoolError, InstallError
from envtool.models import Artifact, IndexAccess, Lock, Pin
from envtool.torch import offers
from envtool.torch.backends import CPU, FULL, Backend
from envtool.torch.family import is_family
from envtool.torch.targets import Target, host_target

DISK_PER_DOWNLOAD = {"cpu": 4.2, "full": 1.8}
"""Bytes on disk for each byte downloaded, bytecode included: an estimate. See docs/measurements.md for its source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Bytes to download at most, bytes on disk (estimated), and the packages whose size could not be learned."""

    download: int
    disk: int
    unknown: tuple[str, ...] = ()

    @property
    def uncounted(self) -> str:
        """What stands behind a figure that is not whole: ``, not counting torch``; empty where all sizes are known."""
        if not self.unknown:
            return ""
        first, *more = sorted(self.unknown, key=lambda name: (name != "torch", name))  # torch is the most of it
        return f", not counting {first}{f' and {len(more)} more' if more else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a setup is going to do, with the torch and the Python that it will have.

    ``full`` is None where the lock holds no full backend for this machine.
    """

    backend: str
    torch: str | None
    python: str
    size: Size
    full: Size | None
    free: int
    changes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON."""
        full = {"download": self.full.download, "disk": self.full.disk} if self.full is not None else None
        return {
            "download": self.size.download,
            "disk": self.size.disk,
            "unknown": list(self.size.unknown),
            "full": full,
            "free": self.free,
            "changes": list(self.changes),
        }


def check_space(plan: Plan) -> None:
    """Raise InstallError (``install.no-space``) when the environment will not fit on the disk."""
    if plan.size.disk > plan.free:
        message = f"the environment needs about {human(plan.size.disk)} of disk, and {human(plan.free)} are free"
        hint = "Free some space (envtool prune, uv cache prune), or set UV_CACHE_DIR to another disk."
        raise InstallError("install.no-space", message, hint)


def measure(what: Installation, python: str, interpreter: str) -> tuple[Size, Size | None]:
    """The size of an installation and of the full backend beside it.

    Sizes come from the cache, the index, or HEAD requests; what cannot be learned is named, and counts as nothing.
    ``python`` is a version (``3.11.7``). Raises LockError when the lock does not cover this machine.
    """
    torch, rest = pins_here(what.lock, what.backend.name, python)
    full = _full_pins(what.lock, what.backend, python)
    python = ".".join(python.split(".")[:2])  # wheels tell no patch releases apart
    known, target = known_sizes(), host_target()
    learned: list[Artifact] = []
    wanted = [pin for pin in (*torch, *rest) if _size(pin, known, target, python) is None]
    if what.backend.local is not None:
        learned += _family_sizes([pin for pin in wanted if is_family(pin.name)], what, python)
        wanted = [pin for pin in wanted if not is_family(pin.name)]
    wanted += [pin for pin in full or () if _size(pin, known, target, python) is None]
    access = rest_access(what) if what.backend.is_cpu else what.access  # not worth a wait for an index of GPU packages
    learned += _default_sizes(wanted, python, interpreter, access)
    if learned:
        remember_sizes(learned, known)
        known = {**known, **{item.sha256: (item.filename, item.size) for item in learned if item.sha256 and item.size}}
    own = _total((*torch, *rest), known, target, python, what.backend)
    return own, _total((*full, *rest), known, target, python, FULL) if full is not None else None


def recall(lock: Lock, python: str) -> tuple[int, int] | None:
    """Bytes to download for the cpu and the full backend, from sizes that an earlier plan learned; no network is used.

    None where a single one is not known. Raises LockError when the lock does not cover this machine or a backend.
    """
    known, target = known_sizes(), host_target()
    sizes = []
    for backend in (CPU, FULL):
        torch, rest = pins_here(lock, backend.name, python)
        sizes.append(_total((*torch, *rest), known, target, python, backend))
    return None if any(size.unknown for size in sizes) else (sizes[0].download, sizes[1].download)


def _full_pins(lock: Lock, backend: Backend, python: str) -> tuple[Pin, ...] | None:
    if backend.name == "full" or "full" not in lock.torch:
        return None
    try:
        return pins_here(lock, "full", python)[0]
    except EnvtoolError:
        return None


def _family_sizes(pins: Sequence[Pin], what: Installation, python: str) -> list[Artifact]:
    """Sizes of the family's wheels: by HEAD, because the index says none; or of the file in a find-links folder."""
    target, index = host_target(), what.backend.index_url(what.torch_index)
    if target is None or index is None:
        return []
    urls: dict[str, tuple[str, str]] = {}
    found: list[Artifact] = []
    for pin in pins:
        local = [item for item in _local_files(pin, what.folders, target, python) if item.sha256 in pin.hashes]
        if local:
            found += local
            continue
        try:
            candidates = offers.read_project(index, pin.name)
        except EnvtoolError:
            continue
        for item in candidates:
            if item.sha256 in pin.hashes and target.accepts(item.tags, python):
                urls[item.url] = (item.filename, str(item.sha256))
    sizes = content_lengths(list(urls))
    return found + [
        Artifact(filename=name, url="", sha256=digest, size=sizes[url])
        for url, (name, digest) in urls.items()
        if url in sizes
    ]


def _local_files(pin: Pin, folders: Sequence[Path], target: Target, python: str) -> Iterator[Artifact]:
    """The wheels of a pin in find-links folders. Each is hashed, once a machine: sizes are remembered by digest."""
    for candidate in offers.read_folders(folders, pin.name):
        if candidate.version == pin.version and target.accepts(candidate.tags, python):
            path = offers.path_of(candidate)
            yield Artifact(filename=path.name, url="", sha256=offers.hash_file(path), size=path.stat().st_size)


def _default_sizes(pins: Iterable[Pin], python: str, interpreter: str, access: IndexAccess) -> list[Artifact]:
    listed = sorted({(pin.name, str(pin.version)) for pin in pins})
    if not listed:
        return []
    return [artifact for item in uv.describe(listed, python, interpreter, access) for artifact in item.artifacts]


def _total(
    pins: Iterable[Pin], known: Mapping[str, tuple[str, int]], target: Target | None, python: str, backend: Backend
) -> Size:
    sizes = {pin.name: _size(pin, known, target, python) for pin in pins}
    unknown = sorted(name for name, size in sizes.items() if size is None)
    total = sum(size or 0 for size in sizes.values())
    ratio = DISK_PER_DOWNLOAD["cpu" if backend.is_cpu else "full"]
    return Size(download=total, disk=int(total * ratio), unknown=tuple(unknown))


def _size(pin: Pin, known: Mapping[str, tuple[str, int]], target: Target | None, python: str) -> int | None:
    """Bytes of the largest wheel of a pin that fits here, or of its source archive; None if not known."""
    files = [known[digest] for digest in pin.hashes if digest in known]
    wheels = [size for name, size in files if target is not None and _fits(name, target, python)]
    sources = [size for name, size in files if not name.endswith(".whl")]
    return max(wheels) if wheels else sources[0] if sources else None


def _fits(filename: str, target: Target, python: str) -> bool:
    try:
        return target.accepts(parse_wheel_filename(filename)[3], python)
    except InvalidWheelFilename:
        return False


def human(size: int) -> str:
    """Bytes for people, in decimal units as pip and uv print them."""
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
