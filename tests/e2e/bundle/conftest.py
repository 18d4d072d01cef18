"""The voice example as a real bundle: its environment, its models and the build, once per session."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from official import TORCH, official_wheel
from project import Project, without_index

EXAMPLE = Path(__file__).parents[3] / "examples" / "voice"


@dataclass(frozen=True)
class Built:
    """A folder with the example, the result of ``envtool bundle --json``, and the truth about the sample."""

    folder: Path
    said: dict[str, Any]
    truth: dict[str, Any]

    @property
    def app(self) -> Path:
        return self.folder / "dist" / "voice"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The example set up, made and bundled as its README says. Never change it: use ``copy``."""
    wheel = official_wheel()
    if wheel is None:
        pytest.skip(f"no torch {TORCH} wheel for this Python in PIP_FIND_LINKS")
    if shutil.which("espeak-ng") is None:
        pytest.skip("no espeak-ng to speak the sample with: apt-get install espeak-ng")
    folder = tmp_path_factory.mktemp("voice") / "voice"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("models", "dist", ".venv", ".envtool", "lockfiles"))
    environment = without_index(folder.parent, wheel)
    # uv is at hand, as it is for who runs envtool; it comes with the package.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    project = Project(folder, environment)
    for words in (["setup", "--cpu"], ["run", "--", "python", "make_models.py"]):
        done = project.call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    said = project.result("bundle", "voice.spec")
    return Built(folder, said, json.loads((folder / "models" / "sample.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Copy:
    """A bundle to break."""

    app: Path

    @property
    def log(self) -> Path:
        return self.app / "voice-start.log"

    def inside(self, name: str) -> Path:
        return self.app / "_internal" / name

    def replace(self, name: str, content: bytes) -> None:
        """Another file in its place; the hard link's other end stays as it is."""
        self.inside(name).unlink()
        self.inside(name).write_bytes(content)

    def facts(self, **changes: object) -> None:
        """Change what the start check compares with."""
        name = "envtool_start/start.json"
        self.replace(name, json.dumps({**json.loads(self.inside(name).read_text()), **changes}).encode())

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the app where nothing but itself is there: no PATH, no HOME, another folder."""
        return subprocess.run(
            [self.app / "voice", *words],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def copy(built: Built, tmp_path: Path) -> Copy:
    """A copy of the bundle by hard links."""
    shutil.copytree(built.app, tmp_path / "voice", symlinks=True, copy_function=os.link)
    return Copy(tmp_path / "voice")
