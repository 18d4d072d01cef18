"""What the steps of a lock pass on: the task, what earlier backends settled, and what one backend came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envtool.models import Artifact, IndexAccess, Lock, Note, Pin, Reporter, Request
from envtool.torch.backends import Backend
from envtool.torch.family import is_family
from envtool.torch.select import Cell


@dataclass(frozen=True, kw_only=True)
class LockOptions:
    """How to lock. ``primary`` is the Python in use (``3.11``), ``interpreter`` its path.

    ``targets`` are as many of them as there are versions for, unless ``targets_chosen``.
    ``optional``: backends that nobody asked for by name; one that cannot be resolved is left out with a note, and is
    locked for fewer targets where it can be. ``needed``: those that this machine is set up with; for it they must be.
    """

    backends: tuple[Backend, ...]
    torch_index: str
    access: IndexAccess
    folders: tuple[Path, ...]
    targets: tuple[str, ...]
    targets_chosen: bool = False
    gpu_packages: str
    primary: str
    interpreter: str
    resolver: str = "uv"
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    installed: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Learned:
    """What one resolution of a lock found out and the next one need not: only time depends on it."""

    old_setuptools: str = ""
    first: dict[tuple[str, tuple[str, ...], tuple[str, ...]], BackendPins] = field(default_factory=dict)
    """The first backend, which nothing was settled for: by its name, the targets and the Pythons."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One lock to make: what is asked for, how, and the lock before it."""

    request: Request
    options: LockOptions
    previous: Lock | None
    reporter: Reporter
    learned: Learned = field(default_factory=Learned)

    def preferred_family(self) -> Mapping[str, Sequence[str]]:
        """Public versions of the family to keep where they still fit: what is installed, else of the earlier lock."""
        if self.options.upgrade:
            return {}
        kept: dict[str, set[str]] = {}
        for file in self.previous.torch.values() if self.previous is not None else ():
            for pin in file.pins:
                if is_family(pin.name) and pin.name not in self.options.upgrade_packages:
                    kept.setdefault(pin.name, set()).add(pin.version.public)
        kept |= {name: {version} for name, version in self.options.installed.items() if is_family(name)}
        return {name: tuple(sorted(versions)) for name, versions in kept.items()}

    def preferred_rest(self, backend: str) -> tuple[tuple[str, str], ...]:
        """Versions (installed, else of the earlier lock) that the resolver should keep; one a name is all it takes.

        Among them are the packages that the backend brings besides the family, which are no part of the rest.
        """
        if self.options.upgrade:
            return ()
        kept: dict[str, set[str]] = {}
        files = (self.previous.torch.get(backend), self.previous.rest) if self.previous is not None else ()
        for pin in (pin for file in files if file is not None for pin in file.pins):
            if not is_family(pin.name) and pin.name not in self.options.upgrade_packages:
                kept.setdefault(pin.name, set()).add(str(pin.version))
        kept |= {name: {version} for name, version in self.options.installed.items() if not is_family(name)}
        return tuple(sorted((name, version) for name, versions in kept.items() for version in versions))


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What later backends take over: the shared ``rest``, the ``cells`` that it covers, the family's public versions.

    ``extra`` are constraints that full torch is known to need; ``final``: a disagreement about the rest is no longer
    an occasion to start again.
    """

    rest: tuple[Pin, ...] | None = None
    public: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    cells: frozenset[Cell] | None = None
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class BackendPins:
    """One backend, locked: its torch file's pins, the pins of the rest, and the cells that these cover.

    ``narrowed``: for this machine only, since its index could not be reached.
    ``seen`` are the files of the resolution, with their sizes where the index says them.
    """

    torch: tuple[Pin, ...]
    rest: tuple[Pin, ...]
    cells: frozenset[Cell]
    public: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    gaps: tuple[str, ...] = ()
    narrowed: bool = False
    seen: tuple[Artifact, ...] = ()
