"""``envtool migrate`` on the voice example: from the real full CUDA torch to a CPU-only bundle, and back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from official import official_wheel
from picture import picture
from project import Project, without_index

import envtool

EXAMPLE = Path(envtool.__file__).parents[1] / "examples" / "voice"
CUDA = "import torch; print(torch.version.cuda is not None)"
CHECK = "python voice.py --selftest"


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The example as its users have it: a .venv with full torch, and its models."""
    wheel = official_wheel()
    if wheel is None:
        pytest.skip("no official torch +cpu wheel for this Python in PIP_FIND_LINKS")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng, which speaks the example's sample, is not installed (apt-get install espeak-ng)")
    folder = tmp_path_factory.mktemp("voice")
    environment = without_index(folder, wheel)
    found = Project(folder / "project", environment)
    shutil.copytree(EXAMPLE, found.root, ignore=shutil.ignore_patterns("models", "__pycache__"))
    # uv is at hand, as it is for who runs envtool; it comes with the package.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    outside = {**{key: value for key, value in environment.items() if key != "PYTHONPATH"}, "PATH": path}
    python = found.root / ".venv" / "bin" / "python"
    for command in (
        [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, found.root / ".venv"],
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "torch==2.13.0", "numpy"],
        [python, "-B", "make_models.py"],
    ):
        subprocess.run(command, check=True, cwd=found.root, env=outside)
    yield found
    shutil.rmtree(folder, ignore_errors=True)  # gigabytes


@pytest.mark.official
@pytest.mark.cuda
@pytest.mark.network
def test_from_full_torch_to_a_cpu_bundle_and_back(voice: Project) -> None:
    assert voice.python(CUDA) == "True"
    own = (voice.root / ".venv").stat().st_ino
    before = picture(voice.root)

    # A spec that PyInstaller cannot build: everything is as before, and the message names the gate.
    spec = (voice.root / "voice.spec").read_bytes()
    (voice.root / "voice.spec").write_bytes(spec.replace(b'["voice.py"]', b'["no_such_script.py"]'))
    broken = picture(voice.root)
    failed = voice.call("migrate", "--fix", "--check", CHECK, "--json")
    answer = json.loads(failed.stdout)
    assert (failed.returncode, answer["error"]["code"]) == (6, "bundle.build-failed"), failed.stdout
    assert answer["error"]["message"].startswith("gate bundle: ")
    assert picture(voice.root) == broken
    assert (voice.root / ".venv").stat().st_ino == own
    (voice.root / "voice.spec").write_bytes(spec)
    assert picture(voice.root) == before

    result = voice.result("migrate", "--resume")
    assert [row["status"] for row in result["phases"]] == ["pass"] * 7
    assert result["torch"]["after"] == "2.13.0+cpu"
    assert result["torch"]["before"].startswith("2.13.0+cu")
    sizes = result["sizes"]["environment"]
    assert sizes["after"] < 0.3 * sizes["before"]
    assert result["way_back"]["torch"] == result["torch"]["before"]
    assert voice.python(CUDA) == "False"
    bare = subprocess.run(
        [voice.root / "dist/voice/voice", "--selftest"], cwd="/", env={}, capture_output=True, text=True, check=False
    )
    assert bare.returncode == 0, bare.stderr
    assert "torch 2.13.0+cpu, frozen: True" in bare.stdout

    again = voice.result("migrate", "--resume")
    assert (again["state"], again["changed"]) == ("done", False)

    seconds = []
    for _ in range(3):  # the best of three: the machine may be busy with other tests
        back = voice.result("rollback")
        assert back["backend"] == "full"
        seconds.append(back["seconds"])
        if len(seconds) < 3:
            assert voice.result("setup", "--cpu")["torch"] == "2.13.0+cpu"
    assert min(seconds) < 1, "a flip"
    assert (voice.root / ".venv").resolve().stat().st_ino == own
    assert voice.python(CUDA) == "True"
