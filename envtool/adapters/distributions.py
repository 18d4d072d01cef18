"""Move installed distributions aside and back again, file by file, by their RECORD (PEP 376, PEP 427)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from envtool.adapters import files, platform
from envtool.errors import InstallError

_MANIFEST = "moved.json"


def all_distributions(site_packages: Path) -> list[Distribution]:
    """The distributions in a site-packages folder that have a name."""
    found = distributions(path=[str(site_packages)])
    return [item for item in found if item.metadata is not None and item.metadata["Name"]]


def find_distribution(site_packages: Path, name: str) -> Distribution | None:
    """The distribution of this normalised name in a site-packages folder."""
    for found in all_distributions(site_packages):
        if canonicalize_name(found.metadata["Name"]) == name:
            return found
    return None


def recorded_files(distribution: Distribution) -> list[Path]:
    """The files of a distribution that are there, with their bytecode.

    Raises InstallError (``in-place.no-record``) when it has no RECORD: then nobody can say what belongs to it.
    """
    if distribution.files is None:
        name = distribution.metadata["Name"]
        hint = "Another tool installed it (conda, the system): remove it there, or use a virtual environment."
        raise InstallError("in-place.no-record", f"{name} has no list of its files, so it cannot be put back", hint)
    found = []
    for entry in distribution.files:
        path = Path(str(distribution.locate_file(entry)))
        found.append(path)
        if path.suffix == ".py":
            found += path.parent.glob(f"__pycache__/{path.stem}.*.pyc")
    return [path for path in dict.fromkeys(found) if path.is_file() or path.is_symlink()]


def stash(paths: Iterable[Path], folder: Path) -> None:
    """Move files into ``folder``. The list is written first: whoever finds it can put back what was moved."""
    listed = [str(path) for path in paths]
    files.make_folder(folder)
    files.write_text(folder / _MANIFEST, json.dumps(listed) + "\n")
    for number, name in enumerate(listed):
        files.move(Path(name), folder / str(number))


def stashed(folder: Path) -> list[Path]:
    """Where the files that lie in a stash now came from. Raises OSError, InstallError (``in-place.record``)."""
    return [origin for _, origin in _kept(folder)]


def restore(folder: Path) -> int:
    """Put every stashed file back where it was; the number of files. Safe to call again after an interruption.

    Raises OSError, InstallError (``in-place.record``).
    """
    kept = _kept(folder)
    for path, origin in kept:
        files.make_folder(origin.parent)
        files.move(path, origin)
    return len(kept)


def _kept(folder: Path) -> list[tuple[Path, Path]]:
    """The files in a stash and where they came from. Without a list nothing was moved: it is written first."""
    manifest = folder / _MANIFEST
    try:
        listed = json.loads(manifest.read_text(encoding="utf-8"))
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise ValueError("no list of paths")
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError) as error:
        hint = f"The files beside it are those that it lists, by number: put them back by hand and remove {folder}."
        raise InstallError("in-place.record", f"{manifest} cannot be read: {error}", hint) from None
    pairs = ((folder / str(number), Path(name)) for number, name in enumerate(listed))
    return [(path, origin) for path, origin in pairs if platform.exists(path)]


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files; one that is not there is fine. Raises OSError."""
    for path in paths:
        files.remove_file(path)
