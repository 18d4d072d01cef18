"""What decides a lock's contents, as texts and as one digest: by these a lock is fresh or stale. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from packaging.specifiers import SpecifierSet

from envtool.errors import UsageError
from envtool.models import SUPPORTED_PYTHONS, Request, Requested
from envtool.settings import ALL_TARGETS

_PATCHES = range(100)
_LINE = re.compile(r":\d+$")


def inputs_digest(request: Request, targets: Sequence[str], gpu_packages: str) -> str:
    """One digest over all that decides what a lock holds, whatever index it was made from.

    ``targets`` are those that somebody chose; without any, the lock is for as many as there are versions for.
    """
    table: dict[str, object] = {
        "requirements": requirement_lines(request),
        "constraints": constraint_lines(request),
        "python": str(request.python),
        "targets": list(targets or ALL_TARGETS),
        "gpu-packages": gpu_packages,
        "projects": [
            [project.path, list(project.extras), project.editable, *([project.marker] if project.marker else [])]
            for project in request.projects
        ],
        "routes": [[route.kind, route.url, *route.packages] for route in request.routes],
    }
    if tuple(targets) == ALL_TARGETS:
        table["targets-chosen"] = True  # another thing than the same four by default: none may be left out
    if request.overrides:
        table["overrides"] = override_lines(request)
    if request.dynamic:
        table["dynamic"] = [[project.line.rpartition("/")[2], project.digest] for project in request.dynamic]
    return "sha256:" + hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def requirement_lines(request: Request) -> list[str]:
    """The requirements as sorted texts."""
    return sorted({str(item.requirement) for item in request.requirements})


def constraint_lines(request: Request) -> list[str]:
    """The constraints as sorted texts."""
    return sorted({str(item.requirement) for item in request.constraints})


def override_lines(request: Request) -> list[str]:
    """The overrides as sorted texts."""
    return sorted({str(item.requirement) for item in request.overrides})


def changed_lines(before: Sequence[str], now: Sequence[Requested], kind: str) -> list[str]:
    """What a lock does not know yet, and what is gone, as sentences.

    Where there are several places to look in, the new ones say where they are written. A lock does not keep it.
    """
    where: dict[str, list[str]] = {}
    for item in now:
        where.setdefault(str(item.requirement), []).append(_place(item))
    several = len({_LINE.sub("", place) for places in where.values() for place in places}) > 1
    named = {line: f" ({' and '.join(dict.fromkeys(places))})" if several else "" for line, places in where.items()}
    news = [f"{kind} {line} is new{named[line]}" for line in sorted(where) if line not in before]
    return news + [f"{kind} {line} is gone" for line in before if line not in where]


def _place(item: Requested) -> str:
    if item.group:
        return f"group {item.group}"
    return f"extra {item.extra}" if item.extra else item.origin


def minor_versions(python: SpecifierSet) -> tuple[str, ...]:
    """The supported minor versions that a requires-python admits in some patch release."""
    return tuple(
        minor
        for minor in SUPPORTED_PYTHONS
        if any(python.contains(f"{minor}.{patch}", prereleases=True) for patch in _PATCHES)
    )


def first_release(python: SpecifierSet, minor: str) -> str:
    """The oldest release of a minor version that a requires-python admits: ``3.11``, or ``3.11.4``."""
    admitted = (patch for patch in _PATCHES if python.contains(f"{minor}.{patch}", prereleases=True))
    patch = next(admitted, 0)
    return f"{minor}.{patch}" if patch else minor


def unsupported(python: SpecifierSet) -> UsageError:
    """The error for a requires-python that admits no Python that envtool supports."""
    message = f"requires-python {python} admits none of Python {', '.join(SUPPORTED_PYTHONS)}, which envtool supports"
    return UsageError("lock.python", message, "Widen requires-python, if the project runs on one of them.")


def check_python(requires: SpecifierSet, minor: str) -> None:
    """Raise UsageError (``lock.python``) when a requires-python does not admit a Python."""
    pythons = minor_versions(requires)
    if minor in pythons:
        return
    if not pythons:
        raise unsupported(requires)
    message = f"Python {minor} is not in requires-python {requires}"
    raise UsageError("lock.python", message, "Choose another one with --python, or change requires-python.")
