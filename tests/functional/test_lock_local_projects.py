"""Local projects in a lock: where they hold, and where they lie."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import tomli
from indexes import DefaultIndex
from workspace import Workspace

LIB = '[project]\nname = "{name}"\nversion = "1"\ndependencies = [{requires}]\n'


def _projects(place: Workspace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomli.loads(place.text("lock.toml"))["projects"]
    return found


def test_a_marker_holds_for_what_a_project_asks_for(workspace: Workspace) -> None:
    workspace.write("lib/pyproject.toml", LIB.format(name="mylib", requires='"leaf<2"'))
    workspace.write("requirements.txt", "torch\n./lib ; sys_platform == 'win32'\n")
    targets = ("--target", "linux-x86_64", "--target", "windows-amd64")
    workspace.locked("--backend", "cpu", *targets)
    assert workspace.pins("requirements.txt") == [
        "leaf==1.1 ; sys_platform == 'win32'",
        "leaf==2.0 ; sys_platform == 'linux'",
    ]
    assert _projects(workspace) == [
        {"path": "lib", "editable": False, "name": "mylib", "marker": 'sys_platform == "win32"'}
    ]
    assert workspace.lock("--check", *targets).exit_code == 0
    workspace.write("requirements.txt", "torch\n./lib ; sys_platform == 'linux'\n")
    assert workspace.lock("--check", *targets).exit_code == 5


def test_a_marker_on_a_project_that_its_build_backend_is_asked_for(workspace: Workspace) -> None:
    workspace.write("lib/setup.py", "from setuptools import setup\nsetup(name='mylib', install_requires=['leaf<2'])\n")
    workspace.write("requirements.txt", "torch\n./lib ; sys_platform == 'win32'\n")
    workspace.write(
        "lib/pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n[project]\nname = "mylib"\n'
        'dynamic = ["version", "dependencies"]\n',
    )
    workspace.write(
        "lib/own.py",
        "import pathlib\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    info = pathlib.Path(folder, 'mylib-1.dist-info')\n"
        "    info.mkdir()\n"
        "    text = 'Metadata-Version: 2.1\\nName: mylib\\nVersion: 1\\nRequires-Dist: leaf<2\\n'\n"
        "    (info / 'METADATA').write_text(text)\n"
        "    return info.name\n"
        "def build_wheel(*args):\n"
        "    raise OSError\n",
    )
    workspace.locked("--backend", "cpu", "--target", "linux-x86_64")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]


def test_a_name_that_is_local_on_some_targets_only(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("asks", "1.0", ["mylib"])
    default_index.add("mylib", "9.0")
    workspace.write("lib/pyproject.toml", LIB.format(name="mylib", requires=""))
    workspace.write("requirements.txt", "torch\nasks\n./lib ; sys_platform == 'win32'\n")
    done = workspace.lock("--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (4, "lock.source")
    assert done.error["message"] == (
        'asks asks for mylib, which is the project in lib where sys_platform == "win32", and nothing elsewhere'
    )
    workspace.locked("--backend", "cpu", "--target", "windows-amd64")
    assert "mylib" not in workspace.text("requirements.txt")


def test_a_project_beside_this_one_moves_with_it(workspace: Workspace, tmp_path: Path) -> None:
    app = Workspace(workspace.root / "app", workspace._monkeypatch)
    workspace.write("common/pyproject.toml", LIB.format(name="common", requires='"leaf<2"'))
    app.write("requirements.txt", "torch\n-e ../common\n")
    app.locked("--backend", "cpu")
    assert [project["path"] for project in _projects(app)] == ["../common"]
    assert str(tmp_path) not in app.text("lock.toml")
    shutil.copytree(workspace.root, tmp_path / "copy")
    assert Workspace(tmp_path / "copy/app", workspace._monkeypatch).lock("--check").exit_code == 0
