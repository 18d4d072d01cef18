"""Where the official torch +cpu wheel lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

TORCH = "2.13.0+cpu"


def official_wheel() -> Path | None:
    """The official torch +cpu wheel for this interpreter in a folder that PIP_FIND_LINKS names."""
    supported = set(sys_tags())
    for folder in os.environ.get("PIP_FIND_LINKS", "").split():
        for path in sorted(Path(folder).glob("torch-*.whl")) if Path(folder).is_dir() else ():
            try:
                name, version, _, tags = parse_wheel_filename(path.name)
            except InvalidWheelFilename:
                continue
            if name == "torch" and str(version) == TORCH and tags & supported:
                return path
    return None
