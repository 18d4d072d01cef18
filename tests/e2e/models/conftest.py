"""Model archives made by the official torch, once per session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

TORCH = "2.13.0+cpu"


def _wheel() -> Path | None:
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


@pytest.fixture(scope="session")
def torch_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the official torch +cpu."""
    wheel = _wheel()
    if wheel is None:
        pytest.skip(f"no torch {TORCH} wheel for this Python in PIP_FIND_LINKS")
    folder = tmp_path_factory.mktemp("torch") / "env"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        [
            "pip",
            "install",
            "--quiet",
            "--python",
            str(folder),
            "--find-links",
            str(wheel.parent),
            f"torch=={TORCH}",
            "numpy",
        ],
    ):
        done = subprocess.run([sys.executable, "-m", "uv", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture(scope="session")
def archives(torch_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all archives, with ``truth.json``: what torch itself does with each. Never change them."""
    folder = tmp_path_factory.mktemp("archives")
    script = Path(__file__).with_name("make_model_archives.py")
    done = subprocess.run([torch_python, "-I", script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def truth(archives: Path) -> dict[str, dict[str, str]]:
    """Kind, form and verdict of each archive, found by loading it with torch."""
    found: dict[str, dict[str, str]] = json.loads((archives / "truth.json").read_text())
    return found
