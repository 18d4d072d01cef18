"""pyproject.toml: read it, and list what its extras and dependency groups hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from envtool.errors import UsageError
from envtool.lock.markers import both, limited
from envtool.lock.requirements_file import requested
from envtool.models import Requested
from envtool.torch.family import is_family


def extra_requirements(project: Mapping[str, Any], extras: Sequence[str]) -> Iterator[Requested]:
    """What extras of a ``[project]`` table ask for, with the extras that they name in turn.

    Raises UsageError (``request.extra``) for one that there is not.
    """
    own = canonicalize_name(str(project.get("name", "")))
    table = {canonicalize_name(key): value for key, value in (project.get("optional-dependencies") or {}).items()}
    pending: list[tuple[NormalizedName, tuple[str, ...]]] = [(canonicalize_name(extra), ()) for extra in extras]
    seen: set[tuple[NormalizedName, tuple[str, ...]]] = set()
    while pending:
        extra, markers = pending.pop(0)
        if (extra, markers) in seen or (extra, ()) in seen:
            continue
        seen.add((extra, markers))
        if extra not in table:
            known = f"Its extras: {', '.join(sorted(table))}." if table else "It has none at all."
            raise UsageError("request.extra", f"pyproject.toml has no extra {extra!r}", known)
        for text in table[extra]:
            item = replace(requested(str(text), f"pyproject.toml[{extra}]"), extra=extra)
            if own and canonicalize_name(item.requirement.name) == own:
                marker = item.requirement.marker
                # Each once: extras that name each other come to an end.
                within = tuple(dict.fromkeys((*markers, str(marker)))) if marker is not None else markers
                pending += [(canonicalize_name(other), within) for other in sorted(item.requirement.extras)]
            else:
                yield replace(item, requirement=limited(item.requirement, reduce(both, markers, None)))


def group_requirements(pyproject: Mapping[str, Any], groups: Sequence[str]) -> Iterator[Requested]:
    """What dependency groups (PEP 735) ask for. Raises UsageError (``request.group``)."""
    if not groups:
        return
    from packaging.dependency_groups import resolve_dependency_groups
    from packaging.errors import ExceptionGroup

    table = pyproject.get("dependency-groups") or {}
    known = f"Groups: {', '.join(sorted(table))}." if table else "It has none at all."
    for group in groups:
        if canonicalize_name(group) not in {canonicalize_name(name) for name in table}:
            raise UsageError("request.group", f"pyproject.toml has no dependency group {group!r}", known)
    origin = f"pyproject.toml group {', '.join(groups)}"
    for group in groups:
        try:
            texts = resolve_dependency_groups(table, group)
        except (LookupError, ValueError, TypeError, ExceptionGroup) as error:
            raise UsageError("request.group", f"dependency group cannot be used: {error}", known) from None
        for text in texts:
            yield replace(requested(str(text), origin), group=canonicalize_name(group))


def torch_elsewhere(pyproject: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The options for those extras and groups that name a member of the torch family."""
    table = pyproject or {}
    extras = (table.get("project") or {}).get("optional-dependencies") or {}
    groups = table.get("dependency-groups") or {}
    return tuple(
        f"{option} {name}"
        for option, listed in (("--extra", extras), ("--group", groups))
        for name, texts in sorted(listed.items())
        if any(isinstance(text, str) and is_family(_name(text)) for text in texts)
    )


def _name(text: str) -> str:
    return re.split(r"[\s\[<>=!~;@(]", text.strip(), maxsplit=1)[0]
