"""Model archives made by the official torch, once per session."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from envtool.env.verify import locate_python


@pytest.fixture(scope="session")
def torch_python(official_environment: Path) -> Path:
    """The interpreter of an environment with the official torch +cpu."""
    return locate_python(official_environment)


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
