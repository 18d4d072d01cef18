"""Real environments, built once per session from the find-links folder and the default index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from official import TORCH, official_wheel


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
