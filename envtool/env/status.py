"""What there is: the generations with their sizes and health, what is current, and how it differs from the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envtool.adapters import platform
from envtool.env.by_hand import changed_by_hand
from envtool.env.drift import drift
from envtool.env.generations import current, is_sound, list_generations, occupant, previous, way_back
from envtool.env.installed import installed_versions
from envtool.env.occupant import Occupant
from envtool.env.verify import locate_site_packages
from envtool.errors import EnvtoolError
from envtool.models import Generation, Layout

Locked = Callable[[Generation], Mapping[str, str] | None]
"""Gives the locked versions for a generation's backend and Python on this machine, or None without a lock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One environment: its record, sizes in bytes, whether it passed its checks and has its interpreter, how it differs
    from the lock, what was changed in it by hand, and whether it was made from another lock."""

    generation: Generation
    usage: platform.Usage
    healthy: bool
    current: bool
    drift: tuple[str, ...] | None
    by_hand: tuple[str, ...]
    other_lock: bool

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON; ``drift`` is null when there is no lock to compare with."""
        one = self.generation
        return {
            "id": one.id,
            "kind": one.kind,
            "backend": one.backend,
            "torch": one.torch,
            "python": one.python,
            "created": one.created,
            "healthy": self.healthy,
            "size": self.usage.apparent,
            "unique_size": self.usage.unique,
            "current": self.current,
            "drift": None if self.drift is None else list(self.drift),
            "changed_by_hand": list(self.by_hand),
            "other_lock": self.other_lock,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """The state of a project. ``total``: all environments together, a file shared by two of them counted once."""

    occupant: Occupant
    current: int | None
    rows: tuple[Row, ...]
    total: platform.Usage
    way_back: int | None
    previous: int | None


def read_status(layout: Layout, locked: Locked = lambda _: None) -> Status:
    """Read the state of a project without the lock: it changes nothing, and a half-built generation has no record."""
    found, live = occupant(layout), current(layout)
    homes: list[tuple[Generation, Path]] = [(one, layout.generation(one.id)) for one in list_generations(layout)]
    if live is not None and live.kind == "plain" and found.kind == "plain":
        homes.append((live, layout.venv))
    rows = tuple(
        Row(
            generation=one,
            usage=platform.disk_usage([home]),
            healthy=is_sound(layout, one, home),
            current=one == live,
            drift=drift(_as_installed(one, home), versions),
            by_hand=changed_by_hand(one, home),
            other_lock=bool(drift(one, versions)),
        )
        for one, home in homes
        for versions in [locked(one)]
    )
    spoilt = {row.generation.id for row in rows if row.by_hand}
    back, before = way_back(layout, spoilt), previous(layout)
    return Status(
        occupant=found,
        current=live.id if live else None,
        rows=rows,
        total=platform.disk_usage(home for _, home in homes),
        way_back=back.id if back else None,
        previous=before.id if before else None,
    )


def _as_installed(generation: Generation, home: Path) -> Generation:
    """The generation with what is installed in it now: somebody may have used pip in it since."""
    try:
        site = locate_site_packages(home)
    except EnvtoolError:
        return generation
    return replace(generation, installed=tuple(installed_versions(site).items()))
