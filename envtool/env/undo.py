"""Put an interpreter's own environment back to what it was before an in-place setup, also after a kill.

What is written down first: which distributions are about to change, and the name of every file that is there. With
both, what a half-finished installer left can be told from what was there, and from what somebody added since.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from envtool.adapters import distributions, files, platform
from envtool.errors import InstallError
from envtool.models import Layout

STASH = "in-place"
"""Folder in ``.envtool`` that holds what an in-place setup moved aside; it is there while one is under way."""
OVER = "in-place-over"
"""The same folder once the setup is done, while it is being removed."""
RECORD = "in-place.json"
"""What the last in-place setup changed, and what was there before."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """An environment before an in-place setup. ``names``: the distributions to change, add or remove.

    ``listing``: the paths of the files that were there; ``folders``: those of the folders below site-packages.
    ``platlib``: where compiled packages are, if that is another folder (lib64 of Fedora's own Python); else empty.
    """

    python: str
    site_packages: str
    scripts: str
    prefix: str
    created: str
    names: tuple[str, ...]
    versions: dict[str, str]
    listing: frozenset[str]
    folders: frozenset[str]
    platlib: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """The folders of the environment: nothing outside of them is moved or removed."""
        return self.site_packages, *([self.platlib] if self.platlib else []), self.scripts, self.prefix

    @property
    def sites(self) -> tuple[Path, ...]:
        """The folders of its packages."""
        return Path(self.site_packages), *([Path(self.platlib)] if self.platlib else [])


def write_before(layout: Layout, before: Before) -> None:
    """Write it down. Raises InstallError (``env.state``)."""
    table = {**asdict(before), "listing": sorted(before.listing), "folders": sorted(before.folders)}
    try:
        files.write_text(layout.state / RECORD, json.dumps(table, indent=1) + "\n")
    except OSError as error:
        message = f"cannot write {layout.state}: {error.strerror}"
        raise InstallError("env.state", message, "Free some disk space, or make the folder writable.") from error


def read_before(layout: Layout, python: Path, places: Iterable[Path]) -> Before:
    """Read it, for the interpreter that is to be changed now and the folders that it leads to.

    A repository from a stranger may hold such a record, and what it names is moved and removed: it counts only for the
    environment that the user has named. Raises InstallError (``in-place.record``, ``in-place.other``).
    """
    folder = layout.state / STASH
    hint = f"What it moved lies in {folder}, listed in moved.json. To go on without it, move that folder away."
    if not platform.is_folder(folder):
        raise InstallError("in-place.record", f"{folder} is no folder: envtool did not make it", "Move it away.")
    try:
        before = _parse((layout.state / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        message = "an in-place setup was interrupted and its record cannot be read"
        raise InstallError("in-place.record", message, hint) from None
    if _real(before.places) == _real(places):
        return before
    if not Path(before.python).exists():
        message = f"an in-place setup of {before.python} was interrupted, and that interpreter is not there"
    elif before.python == str(python):
        message = f"the record of an interrupted in-place setup names other folders than {python} has"
    else:
        given = shlex.quote(before.python)
        message = f"an in-place setup of another interpreter was interrupted here: {before.python}"
        hint = f"If you began it, put its packages back first: the same command with --python {given}. {hint}"
    raise InstallError("in-place.other", message, hint)


def _parse(text: str) -> Before:
    table = json.loads(text)
    names, versions = tuple(table.pop("names")), dict(table.pop("versions"))
    listing, folders = frozenset(table.pop("listing")), frozenset(table.pop("folders"))
    if not all(isinstance(item, str) for item in (*names, *listing, *folders, *table.values())):
        raise TypeError("not a record")
    return Before(names=names, listing=listing, folders=folders, versions=versions, **table)


def list_files(sites: Iterable[Path], scripts: Path) -> frozenset[str]:
    """Every file below the folders of packages, and those beside the interpreter."""
    found = [entry.path for entry in os.scandir(scripts) if not entry.is_dir()]
    for site in sites:
        for folder, _, names in os.walk(site):
            found += [os.path.join(folder, name) for name in names]  # noqa: PTH118 - tens of thousands of names
    return frozenset(found)


def list_folders(sites: Iterable[Path]) -> frozenset[str]:
    """Every folder below the folders of packages."""
    walks = (step for site in sites for step in os.walk(site))
    return frozenset(os.path.join(top, name) for top, names, _ in walks for name in names)  # noqa: PTH118 - as above


def stash(before: Before, folder: Path) -> None:
    """Move the files of the distributions that are to change aside.

    Raises InstallError (``in-place.no-record``, ``in-place.outside``); then nothing was moved.
    """
    paths: list[Path] = []
    for site in before.sites:
        for name in before.names:
            found = distributions.find_distribution(site, name)
            if found is not None:
                paths += distributions.recorded_files(found)
    _check_inside(before, paths)
    distributions.stash(dict.fromkeys(paths), folder)
    for site in before.sites:
        _remove_empty(site, map(str, paths))


def undo(before: Before, folder: Path) -> None:
    """Remove what came, put back what went. Safe to call again after an interruption.

    Raises OSError, and InstallError (``in-place.record``, ``in-place.outside``) before anything was changed.
    """
    stashed = distributions.stashed(folder)
    _check_inside(before, stashed)
    moved = {str(path) for path in stashed}
    came = {
        str(path)
        for site in before.sites
        for name in before.names
        if (found := distributions.find_distribution(site, name)) is not None and found.files is not None
        for path in distributions.recorded_files(found)
    }
    known = {*moved, *came}
    for site in before.sites:
        came |= _unfinished(before, site, known)
    ours = [Path(path) for path in came if path in moved or path not in before.listing]
    outside = _outside(before, ours)
    # Their lists last: an attempt that is stopped here must still find them at the next.
    ours.sort(key=lambda path: (path.parent.name.endswith(".dist-info"), path))
    distributions.remove_files(path for path in ours if path.parent not in outside)
    for site in before.sites:
        _remove_new_folders(before, site)
    distributions.restore(folder)
    files.remove_tree(folder)


def finish(folder: Path) -> None:
    """The new packages stand: let the old ones go. Raises OSError.

    One rename ends it: killed among the removals, the next setup would else put back what is left of the old ones.
    """
    over = folder.with_name(OVER)
    files.remove_tree(over)
    platform.rename(folder, over)
    files.remove_tree(over)


def _real(places: Iterable[str | Path]) -> list[Path]:
    return [platform.real_path(Path(place)) for place in places]


def _outside(before: Before, paths: Iterable[Path]) -> set[Path]:
    """The folders of files that are not the environment's, whatever links and ``..`` their paths go through."""
    roots = _real(before.places)
    folders = {path.parent for path in paths}
    return {folder for folder in folders if not any(platform.real_path(folder).is_relative_to(root) for root in roots)}


def _check_inside(before: Before, paths: Iterable[Path]) -> None:
    for folder in sorted(_outside(before, paths)):
        message = f"{folder} does not lie in the environment {before.prefix}: files there are left alone"
        hint = "Remove the package that has them with the tool that installed it, or use a virtual environment."
        raise InstallError("in-place.outside", message, hint)


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


def _remove_new_folders(before: Before, site: Path) -> None:
    """Empty folders that were not there before; an earlier attempt, which was stopped, may have emptied them."""
    for top, _, _ in os.walk(site, topdown=False):
        folder = Path(top)
        if folder != site and top not in before.folders and not any(folder.iterdir()):
            folder.rmdir()


def _remove_empty(site: Path, paths: Iterable[str]) -> None:
    """An empty folder can be imported, and an empty ``.dist-info`` is a broken package to every tool."""
    folders = {folder for path in paths for folder in Path(path).parents if site in folder.parents}
    for folder in sorted(folders, key=lambda item: len(item.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
