"""Local projects are part of what an environment is: one that came, went or changed makes another one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from place import TARGETS, Place

from envtool.env.identity import has_python
from envtool.lock.project import Interpreter
from envtool.models import Generation

BACKEND = """
import zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    version = Path("pyproject.toml").read_text().split('version = "')[1].split('"')[0]
    name = f"mylib-{version}-py3-none-any.whl"
    info = f"mylib-{version}.dist-info"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("mylib.py", Path("mylib.py").read_text())
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: mylib\\nVersion: {version}\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", f"mylib.py,,\\n{info}/METADATA,,\\n{info}/WHEEL,,\\n{info}/RECORD,,\\n")
    return name

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "mylib-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("mylib.pth", str(Path.cwd()))
        wheel.writestr("mylib-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mylib\\nVersion: 1\\n")
        wheel.writestr("mylib-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mylib-1.dist-info/RECORD", "mylib.pth,,\\nmylib-1.dist-info/RECORD,,\\n")
    return name
"""


def library(place: Place, version: str = "1", answer: int = 1) -> None:
    """A project in lib/, which is built without any requirement."""
    place.write(
        "lib/pyproject.toml",
        f'[project]\nname = "mylib"\nversion = "{version}"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    place.write("lib/backend.py", BACKEND)
    place.write("lib/mylib.py", f"answer = {answer}\n")


def answer(place: Place) -> str:
    return place.call("run", "--", "python", "-c", "import mylib; print(mylib.answer)").out.strip()


def test_an_added_one_is_installed_and_a_removed_one_is_gone(place: Place) -> None:
    place.write("requirements.txt", "torch\nleaf\n")
    place.done("--cpu")
    library(place)
    place.write("requirements.txt", "torch\nleaf\n-e ./lib\n")
    assert place.done("--cpu", "--json").result["generation"] == 2
    assert answer(place) == "1"
    place.write("lib/mylib.py", "answer = 2\n")
    assert place.done("--cpu").out.startswith("already satisfied"), "an editable one is its own source"
    assert answer(place) == "2"
    place.write("requirements.txt", "torch\nleaf\n")
    assert place.done("--cpu", "--json").result["generation"] == 1, "which was built from just this"
    assert "mylib" not in place.installed()


def test_a_changed_one_is_installed_again(place: Place) -> None:
    library(place)
    place.write("requirements.txt", "torch\nleaf\n./lib\n")
    place.done("--cpu")
    assert place.done("--cpu").out.startswith("already satisfied")
    library(place, "1", 22)
    place.done("--cpu")
    assert (answer(place), place.installed()["mylib"]) == ("22", "1"), "no new version is needed"
    library(place, "2", 22)
    place.done("--cpu")
    assert place.installed()["mylib"] == "2"
    place.write("lib/__pycache__/x.pyc", "what runs leave behind")
    place.write("lib/build/lib/mylib.py", "what builds leave behind")
    assert place.done("--cpu").out.startswith("already satisfied")


def test_in_place_a_changed_one_is_installed_again(place: Place, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "container"], check=True)
    words = ("--cpu", "--in-place", "--python", str(tmp_path / "container/bin/python"))
    library(place)
    place.write("requirements.txt", "torch\nleaf\n./lib\n")
    place.done(*words)
    assert place.done(*words).out.startswith("already satisfied")
    library(place, "2", 22)
    place.done(*words)
    assert place.installed(tmp_path / "container")["mylib"] == "2"
    assert place.done(*words).out.startswith("already satisfied")
    place.write("requirements.txt", "torch\nleaf\n-e ./lib\n")
    place.done(*words)
    assert list(place.packages(tmp_path / "container").glob("mylib.pth")), "now it is editable"


@pytest.mark.parametrize("alone", [False, True], ids=["with the project", "lockfiles alone"])
def test_whether_they_are_installed_is_no_matter_of_the_lock(place: Place, alone: bool) -> None:
    library(place)
    project = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["torch", "leaf"]\n'
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    place.write("pyproject.toml", project + build + TARGETS)
    assert place.call("lock").code == 0
    before = {path.name: path.read_bytes() for path in (place.root / "lockfiles").iterdir()}
    if alone:
        for path in place.root.glob("*.t*"):
            path.unlink()
    for words in (("--frozen", "--plain"), ("--frozen",), ()):
        place.done("--cpu", *words, "--no-install-project")
        assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}
    assert {path.name: path.read_bytes() for path in (place.root / "lockfiles").iterdir()} == before
    assert place.call("lock", "--check").code == 0


def test_the_checks_of_the_settings_run_each_time(place: Place) -> None:
    place.write("marker", "")
    place.write("pyproject.toml", TARGETS + 'checks = ["test -f marker"]\nrequirements = ["torch", "leaf"]\n')
    place.done("--cpu")
    assert place.done("--cpu").out.startswith("already satisfied")
    (place.root / "marker").unlink()
    done = place.setup("--cpu", "--json")
    assert (done.code, done.error["code"]) == (7, "check.failed")


def test_the_root_of_the_workspace_decides_too(place: Place, tmp_path: Path) -> None:
    root = "[tool.uv.workspace]\nmembers = ['project']\n"
    top = place.root.parent / "pyproject.toml"
    top.write_text(root)
    place.write(
        "pyproject.toml", TARGETS + '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch", "leaf"]\n'
    )
    place.done("--cpu")
    assert place.done("--cpu").out.startswith("already satisfied")
    top.write_text(root + "[tool.uv]\nconstraint-dependencies = ['leaf<2']\n")
    place.done("--cpu")
    assert place.installed()["leaf"] == "1.0"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (None, True),
        ("3.11", True),
        ("3.11.7", True),
        ("3.11.2", False),
        ("here/python3.11", True),
        ("there/python3.11", False),
    ],
)
def test_the_python_that_was_asked_for(tmp_path: Path, wanted: str | None, fits: bool) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "python3.11").touch()
    path = tmp_path / ("there" if wanted and "there" in wanted else "here") / "python3.11"
    generation = Generation(
        id=1,
        backend="cpu",
        torch="2.13.0+cpu",
        python="3.11.7",
        created="",
        kind="built",
        healthy=True,
        python_path=str(tmp_path / "here" / "python3.11"),
    )
    version = "3.11.2" if wanted == "3.11.2" else "3.11.7"
    assert has_python(generation, wanted, Interpreter(path=path, version=version)) is fits
