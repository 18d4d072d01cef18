"""Real environments, built once per session from the find-links folder and the default index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
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


def uv(*arguments: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def official_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the official torch +cpu and numpy. Never change it: use ``environment``."""
    wheel = official_wheel()
    if wheel is None:
        pytest.skip(f"no torch {TORCH} wheel for this Python in PIP_FIND_LINKS")
    folder = tmp_path_factory.mktemp("official") / "env"
    uv("venv", "--quiet", "--python", sys.executable, folder)
    uv("pip", "install", "--quiet", "--python", folder, "--find-links", wheel.parent, f"torch=={TORCH}", "numpy")
    return folder


@pytest.fixture
def environment(official_environment: Path, tmp_path: Path) -> Path:
    """A copy to break: hard links, so a test must replace files and never write into them."""
    folder = tmp_path / "env"
    shutil.copytree(official_environment, folder, symlinks=True, copy_function=os.link)
    return folder
