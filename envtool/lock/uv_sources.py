"""What ``[tool.uv.sources]`` makes of a requirement: a link, a local project, or a package of one index alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from envtool.errors import ResolutionError, UsageError
from envtool.lock.uv_table import Index, Source, UvTable
from envtool.models import Requested
from envtool.torch.backends import is_pytorch_index
from envtool.torch.family import is_family, is_gpu_payload


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a requirement comes from: a ``link``, the ``path`` of a folder, a ``member``, an ``index``, or anywhere."""

    link: str = ""
    path: Path | None = None
    member: bool = False
    editable: bool = False
    index: Index | None = None


ANYWHERE = Place()


def places_of(item: Requested, table: UvTable) -> tuple[Place, ...]:
    """Where ``table`` says that a requirement comes from. The torch family is routed by envtool, links excepted, and so
    is what comes with it from an index of PyTorch's, such as triton.

    Raises UsageError (``request.source``) for an index that is not declared, ResolutionError (``lock.source``) for what
    uv knows and a lock of envtool's cannot follow: to take the package from elsewhere would be somebody else's.
    """
    name = canonicalize_name(item.requirement.name)
    sources = [source for source in table.sources.get(name, ()) if source.concerns(item.origin)]
    links = tuple(Place(link=source.link) for source in sources if source.link)
    if name in table.excluded:
        return ()
    if is_family(name) or not sources or (is_gpu_payload(name) and _all_from_pytorch(sources, table)):
        return links or (ANYWHERE,)
    if len(links) == len(sources):
        return links
    _check(name, item, sources, table)
    source = sources[0]
    if source.index:
        return (_from_index(name, source.index, table),)
    return (Place(path=source.path, member=source.workspace, editable=source.editable or source.workspace),)


def _check(name: str, item: Requested, sources: list[Source], table: UvTable) -> None:
    source = sources[0]
    if any(other.marker for other in sources) or len(sources) > 1:
        raise _unsupported(name, "a source with a marker, or more than one")
    if item.requirement.marker is not None and not source.index:
        raise _unsupported(name, "a marker and a folder as its source")
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


def _all_from_pytorch(sources: list[Source], table: UvTable) -> bool:
    urls = {entry.name: entry.url for entry in table.indexes}
    return all(source.index and is_pytorch_index(urls.get(source.index, "")) for source in sources)


def _unsupported(name: str, what: str) -> ResolutionError:
    message = f"{name} has {what} under [tool.uv], which a lock of envtool's cannot follow"
    return ResolutionError("lock.source", message, "Take the one or the other away, or name the requirements with -r.")
