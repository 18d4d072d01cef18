"""What a project tells uv under ``[tool.uv]`` that decides what a lock holds. Pure.

uv reads these keys from the pyproject.toml of the project or of the root of its workspace, and in a script from its
metadata block; pip and pip-tools know nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from envtool.errors import UsageError
from envtool.lock.paths import is_absolute
from envtool.lock.requirements_file import Kind, requested
from envtool.models import Requested

NEVER = "python_version < '0'"
"""A marker that holds nowhere: an override with it takes a package out, which is what uv's excludes mean."""
_NEVER = str(Marker(NEVER))
_UNREAD = (
    "build-constraint-dependencies",
    "config-settings",
    "config-settings-package",
    "conflicts",
    "dependency-metadata",
    "environments",
    "exclude-newer",
    "exclude-newer-package",
    "extra-build-dependencies",
    "extra-build-variables",
    "fork-strategy",
    "index-strategy",
    "no-binary",
    "no-binary-package",
    "no-build",
    "no-build-isolation",
    "no-build-isolation-package",
    "no-build-package",
    "no-index",
    "no-sources",
    "no-sources-package",
    "prerelease",
    "required-environments",
    "resolution",
)
"""Keys that decide what uv resolves to, and that a lock of envtool's does not follow."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where ``[tool.uv.sources]`` says that a package comes from: one of ``link`` (PEP 508), ``path`` (absolute),
    ``workspace`` and ``index`` (a name) is set. ``extra``, ``group`` and ``marker`` limit for what it holds.
    ``absolute``: its path was written so.
    """

    link: str = ""
    path: Path | None = None
    absolute: bool = False
    workspace: bool = False
    index: str = ""
    editable: bool = False
    extra: str = ""
    group: str = ""
    marker: str = ""

    def concerns(self, item: Requested) -> bool:
        """Whether it holds for a requirement, by what lists it."""
        return self.extra in ("", item.extra) and self.group in ("", item.group)


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index that is named under ``[tool.uv]``; ``explicit``: for those packages alone whose source it is.

    ``url`` may be a path: an absolute one, or relative to the project. ``absolute``: it was written so.
    """

    name: str = ""
    url: str
    kind: Kind = "index"
    explicit: bool = False
    absolute: bool = False


@dataclass(frozen=True, kw_only=True)
class UvTable:
    """``overrides`` take the place of all that anybody asks of their packages, ``constraints`` only narrow it.

    ``excluded`` are names whose override holds nowhere. ``folder`` is where members of the workspace are looked up.
    ``unread`` are keys that are there and not followed.
    """

    folder: Path | None = None
    overrides: tuple[Requested, ...] = ()
    constraints: tuple[Requested, ...] = ()
    excluded: frozenset[str] = frozenset()
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    indexes: tuple[Index, ...] = ()
    unread: tuple[str, ...] = ()


def read_uv_table(table: Mapping[str, Any], where: str, folder: Path) -> UvTable:
    """The ``[tool.uv]`` of a parsed pyproject.toml, or of a script's metadata, that lies in ``folder``.

    The table has the shape that check_pyproject asks for. Raises UsageError (``request.invalid``, ``request.index``).
    """
    uv = (table.get("tool") or {}).get("uv") or {}

    def listed(key: str) -> tuple[Requested, ...]:
        return tuple(requested(text, f"{where}: tool.uv.{key}") for text in uv.get(key, ()))

    out = tuple(_never(item) for item in listed("exclude-dependencies"))
    excluded = frozenset(canonicalize_name(item.requirement.name) for item in out)
    kept = (item for item in listed("override-dependencies") if _name(item) not in excluded)
    sources: dict[str, tuple[Source, ...]] = {
        canonicalize_name(name): tuple(
            _source(item, folder) for item in (entry if isinstance(entry, list) else [entry])
        )
        for name, entry in (uv.get("sources") or {}).items()
    }
    indexes = [*_indexes(uv.get("index") or ()), *_older(uv), *_older(uv.get("pip") or {})]
    return UvTable(
        folder=folder,
        overrides=(*kept, *out),
        constraints=listed("constraint-dependencies"),
        excluded=excluded,
        sources=sources,
        indexes=tuple(_rebased(index, where, folder) for index in _one_default(indexes)),
        unread=tuple(key for key in _UNREAD if uv.get(key)),
    )


def inside(own: UvTable, root: UvTable) -> UvTable:
    """What holds for a member of a workspace: its own sources before those of the root, and all else of the root.

    Its own indexes are for its own sources alone.
    """
    indexes = [
        replace(index, explicit=True, kind="index" if index.kind == "default-index" else index.kind)
        for index in own.indexes
    ]
    sources = {**root.sources, **own.sources}
    return replace(root, folder=own.folder, sources=sources, indexes=(*indexes, *root.indexes))


def overridden(requirements: Iterable[Requested], overrides: Sequence[Requested]) -> tuple[Requested, ...]:
    """The requirements, each that is overridden replaced by its overrides, as a whole: as uv does it."""
    found: list[Requested] = []
    for item in requirements:
        instead = [other for other in overrides if _name(other) == _name(item)]
        found += [other for other in instead if str(other.requirement.marker) != _NEVER] if instead else [item]
    return tuple(dict.fromkeys(found))


def _never(item: Requested) -> Requested:
    name = item.requirement.name
    if str(item.requirement) != name:
        message = f"{item.origin}: {name} has more than a name"
        raise UsageError("request.invalid", message, "Name the package alone, or write an override with a marker.")
    return Requested(requirement=Requirement(f"{name} ; {NEVER}"), origin=item.origin)


def _name(item: Requested) -> str:
    return canonicalize_name(item.requirement.name)


def _source(item: Mapping[str, Any], folder: Path) -> Source:
    link, path = str(item.get("url", "")), item.get("path")
    if "git" in item:
        at = next((f"@{item[key]}" for key in ("rev", "tag", "branch") if key in item), "")
        link = f"git+{item['git']}{at}"
    elif path is not None and "://" in path:
        link, path = path, None
    return Source(
        link=link,
        path=None if path is None else folder / path,
        absolute=path is not None and is_absolute(path),
        workspace=item.get("workspace") is True,
        index=str(item.get("index", "")),
        editable=item.get("editable") is True,
        extra=canonicalize_name(str(item.get("extra", ""))),
        group=canonicalize_name(str(item.get("group", ""))),
        marker=str(item.get("marker", "")),
    )


def _indexes(entries: Iterable[Mapping[str, Any]]) -> Iterator[Index]:
    for entry in entries:
        kind: Kind = "default-index" if entry.get("default") is True else "index"
        if entry.get("format") == "flat":
            kind = "find-links"
        explicit = entry.get("explicit") is True
        yield Index(name=str(entry.get("name", "")), url=entry["url"], kind=kind, explicit=explicit)


def _older(table: Mapping[str, Any]) -> Iterator[Index]:
    """The keys that named indexes before ``[[tool.uv.index]]`` did, and still do."""
    if "index-url" in table:
        yield Index(url=table["index-url"], kind="default-index")
    for url in table.get("extra-index-url") or ():
        yield Index(url=url)
    for url in table.get("find-links") or ():
        yield Index(url=url, kind="find-links")


def _one_default(indexes: Sequence[Index]) -> Iterator[Index]:
    first = next((index for index in indexes if index.kind == "default-index"), None)
    return (index for index in indexes if index.kind != "default-index" or index is first)


def _rebased(index: Index, where: str, folder: Path) -> Index:
    """With a path made absolute. Raises UsageError (``request.index``) for what is neither a URL nor a path."""
    if "://" in index.url:
        return index
    if "@" in index.url:  # a URL that lost its beginning would be kept as a path, with its password
        message = f"{where}: the index {index.name or 'under [tool.uv]'} has a url without http:// or https://"
        raise UsageError("request.index", message, "Mend that url.")
    return replace(index, url=str(folder / index.url), absolute=is_absolute(index.url))
