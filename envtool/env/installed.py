"""What is installed in an environment, read from its metadata without running it."""

from __future__ import annotations

import json
import os
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from envtool.env.satisfied import source_files
from envtool.models import LocalProject


def installed_versions(*site_packages: Path) -> dict[str, str]:
    """Normalised name → version of every distribution in site-packages folders; what cannot be read is left out."""
    found: dict[str, str] = {}
    for distribution in distributions(path=[str(folder) for folder in site_packages]):
        name = distribution.metadata["Name"] if distribution.metadata is not None else None
        version = distribution.version if name else None
        if name and version:
            found[canonicalize_name(name)] = version
    return dict(sorted(found.items()))


def metadata_folders(site_packages: Path) -> list[str]:
    """The names of the metadata folders: a quick mark of what is installed, without opening any of them."""
    try:
        return sorted(path.name for path in site_packages.iterdir() if path.name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return []


def local_projects(site_packages: Path) -> frozenset[str]:
    """Normalised names of what was installed from a folder, editable or not (PEP 610: ``dir_info``)."""
    found = set()
    for distribution in distributions(path=[str(site_packages)]):
        name = distribution.metadata["Name"] if distribution.metadata is not None else None
        try:
            source = json.loads(distribution.read_text("direct_url.json") or "{}")
        except ValueError:
            continue
        if name and isinstance(source, dict) and "dir_info" in source:
            found.add(str(canonicalize_name(name)))
    return frozenset(found)


def is_installed(site_packages: Path, project: LocalProject, root: Path) -> bool:
    """Whether a local project is installed as it is now: from its folder, in its way, and after its last change.

    One without a name is installed again each time: nothing says which distribution it is.
    """
    folder = (root / project.path).resolve()
    for distribution in distributions(path=[str(site_packages)]):
        name = distribution.metadata["Name"] if distribution.metadata is not None else None
        if name is None or canonicalize_name(name) != project.name:
            continue
        try:
            source = json.loads(distribution.read_text("direct_url.json") or "{}")
            same = source["url"] == folder.as_uri() and bool(source["dir_info"].get("editable")) is project.editable
            record = next(file for file in distribution.files or () if file.name == "RECORD")
            installed = os.stat(record.locate())  # noqa: PTH116 - no Path, to mypy
        except (ValueError, LookupError, TypeError, AttributeError, OSError, StopIteration):
            return False
        changed = (path.stat().st_mtime for path in source_files(folder, project.editable) if path.is_file())
        return same and installed.st_mtime >= max(changed, default=0)
    return False
