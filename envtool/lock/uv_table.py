"""What a project tells uv under ``[tool.uv]`` that decides what a lock holds. Pure.

uv reads these keys from the pyproject.toml of the project, and in a script from its metadata block; pip and pip-tools
know nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import canonicalize_name

from envtool.lock.requirements_file import Kind, requested
from envtool.models import Requested
from envtool.torch.family import is_family

NEVER = "python_version < '0'"
"""A marker that holds nowhere: an override with it takes a package out, which is what uv's excludes mean."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where ``[tool.uv.sources]`` says that a package comes from: one of ``link`` (PEP 508), ``path``, ``workspace``
    and ``index`` (a name) is set; ``only_for`` is the extra or group to whose requirements it is limited.
    """

    link: str = ""
    path: str = ""
    workspace: bool = False
    index: str = ""
    editable: bool = False
    only_for: str = ""


@dataclass(frozen=True, kw_only=True)
class Index:
    """An entry of ``[[tool.uv.index]]``. ``packages`` are those that alone come from it, where it is ``explicit``."""

    name: str
    url: str
    kind: Kind = "index"
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UvTable:
    """``overrides`` take the place of all that anybody asks of their packages; ``constraints`` only narrow it."""

    overrides: tuple[Requested, ...] = ()
    constraints: tuple[Requested, ...] = ()
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()


def read_uv_table(table: Mapping[str, Any], where: str) -> UvTable:
    """The ``[tool.uv]`` of a parsed pyproject.toml, or of a script's metadata. Raises UsageError (``request.invalid``).

    The table has the shape that check_pyproject asks for.
    """
    uv = (table.get("tool") or {}).get("uv") or {}

    def listed(key: str, ending: str = "") -> tuple[Requested, ...]:
        return tuple(requested(f"{text}{ending}", f"{where}: tool.uv.{key}") for text in uv.get(key, ()))

    excluded = listed("exclude-dependencies", f" ; {NEVER}")
    sources: dict[str, tuple[Source, ...]] = {
        canonicalize_name(name): tuple(_source(item) for item in (entry if isinstance(entry, list) else [entry]))
        for name, entry in (uv.get("sources") or {}).items()
    }
    return UvTable(
        overrides=(*listed("override-dependencies"), *excluded),
        constraints=listed("constraint-dependencies"),
        sources=sources,
        indexes=(*_indexes(uv.get("index") or (), sources), *_older(uv), *_older(uv.get("pip") or {})),
    )


def _source(item: Mapping[str, Any]) -> Source:
    link = str(item.get("url", ""))
    if "git" in item:
        at = next((f"@{item[key]}" for key in ("rev", "tag", "branch") if key in item), "")
        link = f"git+{item['git']}{at}"
    return Source(
        link=link,
        path=str(item.get("path", "")),
        workspace=item.get("workspace") is True,
        index=str(item.get("index", "")),
        editable=item.get("editable") is True,
        only_for=canonicalize_name(str(item.get("extra") or item.get("group") or "")),
    )


def _indexes(entries: Iterable[Mapping[str, Any]], sources: Mapping[str, tuple[Source, ...]]) -> Iterator[Index]:
    for entry in entries:
        name = str(entry.get("name", ""))
        named = {package for package, items in sources.items() if any(item.index == name for item in items)}
        packages = tuple(sorted(package for package in named if name and not is_family(package)))
        if packages or entry.get("explicit") is not True:
            explicit = packages if entry.get("explicit") is True else ()
            if entry.get("format") == "flat":
                yield Index(name=name, url=entry["url"], kind="find-links")
            else:
                kind: Kind = "default-index" if entry.get("default") is True else "index"
                yield Index(name=name, url=entry["url"], kind=kind, packages=explicit)


def _older(table: Mapping[str, Any]) -> Iterator[Index]:
    """The keys that named indexes before ``[[tool.uv.index]]`` did, and still do."""
    if "index-url" in table:
        yield Index(name="", url=str(table["index-url"]), kind="default-index")
    for url in table.get("extra-index-url") or ():
        yield Index(name="", url=str(url))
    for url in table.get("find-links") or ():
        yield Index(name="", url=str(url), kind="find-links")


def overridden(requirements: Iterable[Requested], overrides: Sequence[Requested]) -> tuple[Requested, ...]:
    """The requirements, each that is overridden replaced by its overrides, as a whole: as uv does it."""
    found: list[Requested] = []
    for item in requirements:
        name = canonicalize_name(item.requirement.name)
        instead = [other for other in overrides if canonicalize_name(other.requirement.name) == name]
        found += instead or [item]
    return tuple(dict.fromkeys(found))
