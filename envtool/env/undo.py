"""Put an interpreter's own environment back to what it was before an in-place setup, also after a kill.

What is written down first: which distributions are about to change, and the name of every file that is there. With
both, what a half-finished installer left can be told from what was there, and from what somebody added since.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from envtool.adapters import distributions, files
from envtool.errors import InstallError
from envtool.models import Layout

STASH = "in-place"
"""Folder in ``.envtool`` that holds what an in-place setup moved aside; it is there while one is under way."""
RECORD = "in-place.json"
"""What the last in-place setup changed, and what was there before."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """An environment before an in-place setup. ``names``: the distributions to change, add or remove."""

    python: str
    site_packages: str
    created: str
    names: tuple[str, ...]
    versions: dict[str, str]
    listing: frozenset[str]


def write_before(layout: Layout, before: Before) -> None:
    """Write it down. Raises InstallError (``env.state``)."""
    table = {**asdict(before), "listing": sorted(before.listing)}
    try:
        files.write_text(layout.state / RECORD, json.dumps(table, indent=1) + "\n")
    except OSError as error:
        message = f"cannot write {layout.state}: {error.strerror}"
        raise InstallError("env.state", message, "Free some disk space, or make the folder writable.") from error


def read_before(layout: Layout) -> Before:
    """Read it. Raises InstallError (``in-place.record``)."""
    try:
        table = json.loads((layout.state / RECORD).read_text(encoding="utf-8"))
        names, listing = tuple(table.pop("names")), frozenset(table.pop("listing"))
        return Before(names=names, listing=listing, **table)
    except (OSError, ValueError, KeyError, TypeError):
        message = "an in-place setup was interrupted and its record cannot be read"
        hint = f"What it moved lies in {layout.state / STASH}, listed in moved.json."
        raise InstallError("in-place.record", message, hint) from None


def list_files(site_packages: Path, scripts: Path) -> frozenset[str]:
    """Every file below site-packages, and those beside the interpreter."""
    found = [entry.path for entry in os.scandir(scripts) if not entry.is_dir()]
    for folder, _, names in os.walk(site_packages):
        found += [os.path.join(folder, name) for name in names]  # noqa: PTH118 - tens of thousands of names
    return frozenset(found)


def stash(before: Before, folder: Path) -> None:
    """Move the files of the distributions that are to change aside. Raises InstallError (``in-place.no-record``)."""
    paths: list[Path] = []
    for name in before.names:
        found = distributions.find_distribution(Path(before.site_packages), name)
        if found is not None:
            paths += distributions.recorded_files(found)
    distributions.stash(dict.fromkeys(paths), folder)
    _remove_empty(Path(before.site_packages), map(str, paths))


def undo(before: Before, folder: Path) -> None:
    """Remove what came, put back what went. Safe to call again after an interruption. Raises OSError."""
    site = Path(before.site_packages)
    moved = {str(path) for path in distributions.stashed(folder)}
    came = {
        str(path)
        for name in before.names
        if (found := distributions.find_distribution(site, name)) is not None and found.files is not None
        for path in distributions.recorded_files(found)
    }
    came |= _unfinished(before, site, {*moved, *came})
    distributions.remove_files(Path(path) for path in came if path in moved or path not in before.listing)
    distributions.restore(folder)
    _remove_empty(site, {*moved, *came})
    files.remove_tree(folder)


def finish(folder: Path) -> None:
    """The new packages stand: let the old ones go. Raises OSError."""
    files.remove_tree(folder)


def _unfinished(before: Before, site: Path, known: Iterable[str]) -> set[str]:
    """Files of an installer that was killed before it wrote a RECORD: new ones under a name of a changed package."""
    tops = {_top(path, site) for path in known} | {name.replace("-", "_") for name in before.names}
    tops -= {None, "__pycache__"}
    found: set[str] = set()
    for entry in site.iterdir():
        stem = entry.name.split("-")[0].split(".")[0].lower().replace("-", "_")
        if entry.name not in tops and stem not in tops:
            continue
        if entry.is_dir() and not entry.is_symlink():
            found |= {str(Path(top, name)) for top, _, names in os.walk(entry) for name in names}
        else:
            found.add(str(entry))
    others = {
        str(path)
        for distribution in distributions.all_distributions(site)
        if canonicalize_name(distribution.metadata["Name"]) not in before.names and distribution.files is not None
        for path in distributions.recorded_files(distribution)
    }
    return found - before.listing - others


def _top(path: str, site: Path) -> str | None:
    try:
        return Path(path).relative_to(site).parts[0]
    except (ValueError, IndexError):
        return None


def _remove_empty(site: Path, paths: Iterable[str]) -> None:
    """An empty folder can be imported, and an empty ``.dist-info`` is a broken package to every tool."""
    folders = {folder for path in paths for folder in Path(path).parents if site in folder.parents}
    for folder in sorted(folders, key=lambda item: len(item.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
