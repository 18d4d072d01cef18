"""What ``[tool.uv.sources]`` makes of a requirement: a link, a local project, or a package of one index alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from envtool.errors import ResolutionError, UsageError
from envtool.lock.uv_table import Index, Source, UvTable
from envtool.models import Requested
from envtool.torch.family import is_family, is_gpu_payload


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a requirement comes from: a ``link``, a ``path`` (a folder), a ``member``, one ``index``, or anywhere."""

    link: str = ""
    path: Path | None = None
    absolute: bool = False
    member: bool = False
    editable: bool = False
    index: Index | None = None


ANYWHERE = Place()


def places_of(item: Requested, table: UvTable) -> tuple[Place, ...]:
    """Where ``table`` says that a requirement comes from.

    The torch family and GPU packages are envtool's to route; a link without a marker says which version of torch.
    Raises UsageError (``request.source``) for an index that is not declared, ResolutionError (``lock.source``) for what
    uv knows and a lock of envtool's cannot follow: to take the package from elsewhere would be somebody else's.
    """
    name = canonicalize_name(item.requirement.name)
    if name in table.excluded:
        return ()
    sources = [source for source in table.sources.get(name, ()) if source.concerns(item)]
    links = tuple(Place(link=source.link) for source in sources if source.link and not source.marker)
    if is_family(name):
        return links or (ANYWHERE,)
    if not sources or is_gpu_payload(name):
        return (ANYWHERE,)
    if len(links) == len(sources):
        return links
    _check(name, sources, table)
    source = sources[0]
    if source.index:
        return (_from_index(name, source.index, table),)
    editable = source.editable or source.workspace
    return (Place(path=source.path, absolute=source.absolute, member=source.workspace, editable=editable),)


def unused_sources(table: UvTable) -> tuple[str, ...]:
    """The members of the family and GPU packages whose sources are not followed."""
    return tuple(
        sorted(
            name
            for name, sources in table.sources.items()
            if is_gpu_payload(name) or (is_family(name) and any(not item.link or item.marker for item in sources))
        )
    )


def _check(name: str, sources: list[Source], table: UvTable) -> None:
    if any(other.marker for other in sources) or len(sources) > 1:
        raise _unsupported(name, "a source with a marker, or more than one")
    if any(canonicalize_name(other.requirement.name) == name for other in table.overrides):
        raise _unsupported(name, "a source and an override")


def _from_index(name: str, index: str, table: UvTable) -> Place:
    found = next((entry for entry in table.indexes if entry.name == index), None)
    if found is None:
        message = f"tool.uv.sources takes {name} from the index {index!r}, and no [[tool.uv.index]] has that name"
        raise UsageError("request.source", message, "Declare it, or mend that source.")
    if found.kind == "find-links":
        raise _unsupported(name, "a flat index of its own")
    return Place(index=found)


def _unsupported(name: str, what: str) -> ResolutionError:
    message = f"{name} has {what} under [tool.uv], which a lock of envtool's cannot follow"
    return ResolutionError("lock.source", message, "Take the one or the other away, or name the requirements with -r.")
