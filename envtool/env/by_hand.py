"""What somebody changed in an environment that envtool made: what is installed now against what its record says."""

from __future__ import annotations

from pathlib import Path

from envtool.env.installed import installed_versions
from envtool.env.verify import locate_site_packages
from envtool.errors import EnvtoolError
from envtool.models import Generation

_SHOWN = 5


def changed_by_hand(generation: Generation, home: Path) -> tuple[str, ...]:
    """The names of the packages that were added, removed or changed since it was recorded.

    Neither a setup nor a rollback goes to such an environment: nothing proved what it is now. None for an adopted one:
    it is the user's own, proven by nobody, and what is changed in it between two setups is part of it.
    """
    if generation.kind == "adopted":
        return ()
    try:
        now = installed_versions(locate_site_packages(home))
    except EnvtoolError:
        return ()  # without packages at all it is broken, which is told elsewhere
    recorded = dict(generation.installed)
    return tuple(name for name in sorted({*now, *recorded}) if now.get(name) != recorded.get(name))


def listed(names: tuple[str, ...]) -> str:
    """The first of them, for a sentence."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def told_by_hand(generation: Generation, home: Path, instead: Generation | None) -> str:
    """Why a setup does not keep the current environment, and what to do to keep what was added; empty if it may be."""
    names = changed_by_hand(generation, home)
    if not names:
        return ""
    recorded = dict(generation.installed)
    added = tuple(name for name in names if name not in recorded)
    where = "the environment" if generation.kind == "plain" else f"generation {generation.id}"
    what = "building anew" if instead is None else f"going to generation {instead.id}"
    keep = f"; add {listed(added)} to your requirements to keep {'it' if len(added) == 1 else 'them'}" if added else ""
    return f"{where} was changed by hand ({listed(names)}): {what}{keep}"
