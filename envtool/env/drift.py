"""Drift: how what was installed differs from what is locked now."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.version import InvalidVersion, Version

from envtool.models import Generation

# uv and venv may put these into an environment; a lock of a project does not name them.
_SEED = frozenset({"pip", "setuptools", "wheel"})


def drift(generation: Generation, locked: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """The differences between a generation and the lock, sorted by name; None without a lock to compare with.

    ``locked`` maps normalised names to exact versions, for this machine and the generation's backend and Python: the
    caller has evaluated the markers. Versions are compared by PEP 440, local version and all, since ``==2.13.0``
    would accept ``2.13.0+cpu``. A seed package that is installed but not locked is no drift.
    """
    if locked is None:
        return None
    installed = dict(generation.installed)
    lines = []
    for name in sorted({*installed, *locked} - (_SEED - locked.keys())):
        found, wanted = installed.get(name), locked.get(name)
        if wanted is None:
            lines.append(f"{name}: {found} installed, not locked")
        elif found is None:
            lines.append(f"{name}: {wanted} locked, not installed")
        elif not _same(found, wanted):
            lines.append(f"{name}: {wanted} locked, {found} installed")
    return tuple(lines)


def _same(first: str, second: str) -> bool:
    try:
        return Version(first) == Version(second)
    except InvalidVersion:
        return first == second
