"""What is installed in an environment, read from its metadata without running it."""

from __future__ import annotations

import json
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name


def installed_versions(site_packages: Path) -> dict[str, str]:
    """Normalised name → version of every distribution in a site-packages folder; what cannot be read is left out."""
    found: dict[str, str] = {}
    for distribution in distributions(path=[str(site_packages)]):
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
