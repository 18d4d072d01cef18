"""What a project tells uv about other packages' requirements under ``[tool.uv]``, for a lock to follow. Pure.

uv reads these keys from the pyproject.toml of the project alone, and in a script from its metadata block; pip and
pip-tools know nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from envtool.lock.requirements_file import requested
from envtool.models import Requested

NEVER = "python_version < '0'"
"""A marker that holds nowhere: an override with it takes a package out, which is what uv's excludes mean."""


@dataclass(frozen=True, kw_only=True)
class UvTable:
    """``overrides`` take the place of all that anybody asks of their packages; ``constraints`` only narrow it."""

    overrides: tuple[Requested, ...] = ()
    constraints: tuple[Requested, ...] = ()


def read_uv_table(table: Mapping[str, Any], where: str) -> UvTable:
    """The ``[tool.uv]`` of a parsed pyproject.toml, or of a script's metadata. Raises UsageError (``request.invalid``).

    The table has the shape that check_pyproject asks for.
    """
    uv = (table.get("tool") or {}).get("uv") or {}

    def listed(key: str, ending: str = "") -> tuple[Requested, ...]:
        return tuple(requested(f"{text}{ending}", f"{where}: tool.uv.{key}") for text in uv.get(key, ()))

    excluded = listed("exclude-dependencies", f" ; {NEVER}")
    return UvTable(
        overrides=(*listed("override-dependencies"), *excluded), constraints=listed("constraint-dependencies")
    )


def overridden(requirements: Iterable[Requested], overrides: Sequence[Requested]) -> tuple[Requested, ...]:
    """The requirements, each that is overridden replaced by its overrides, as a whole: as uv does it."""
    found: list[Requested] = []
    for item in requirements:
        name = canonicalize_name(item.requirement.name)
        instead = [other for other in overrides if canonicalize_name(other.requirement.name) == name]
        found += instead or [item]
    return tuple(dict.fromkeys(found))
