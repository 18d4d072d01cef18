"""What a lock keeps of where things lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envtool.lock.paths import relative
from envtool.lock.request import RequestOptions, build_request
from envtool.models import Request
from envtool.settings import Settings

LIB = '[project]\nname = "common"\nversion = "1"\ndependencies = ["numpy"]\n'


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A project, with another one beside it."""
    for name in ("app", "common"):
        (tmp_path / "mono" / name).mkdir(parents=True)
    (tmp_path / "mono/common/pyproject.toml").write_text(LIB, encoding="utf-8")
    return tmp_path / "mono/app"


def ask(root: Path, **texts: str) -> Request:
    for name, text in texts.items():
        (root / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return build_request(root, RequestOptions(), Settings(), "3.11")


def test_inside_beside_and_written_as_absolute(app: Path) -> None:
    beside = app.parent / "common"
    assert relative(app / "lib", app) == "lib"
    assert relative(app, app) == "."
    assert relative(beside, app) == "../common"
    assert relative(beside, app, absolute=True) == beside.resolve().as_posix()
    assert relative(app / "lib", app, absolute=True) == "lib"


def test_another_drive(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def relpath(path: object, start: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", relpath)
    beside = app.parent / "common"
    assert relative(beside, app) == beside.resolve().as_posix()


def test_a_project_beside_this_one(app: Path) -> None:
    request = ask(app, requirements__txt="torch\n-e ../common\n")
    assert [(project.path, project.name) for project in request.projects] == [("../common", "common")]
    assert request.files == ("../common/pyproject.toml", "requirements.txt")
    written = (app.parent / "common").resolve().as_posix()
    request = ask(app, requirements__txt=f"torch\n-e {written}\n")
    assert [project.path for project in request.projects] == [written]


@pytest.mark.parametrize("absolute", [False, True])
def test_paths_under_tool_uv(app: Path, absolute: bool) -> None:
    above = app.parent.resolve().as_posix() if absolute else ".."
    table = f'[tool.uv]\nfind-links = ["{above}/wheels"]\n[tool.uv.sources]\ncommon = {{path = "{above}/common"}}\n'
    request = ask(
        app, pyproject__toml=f'[project]\nname = "app"\nversion = "1"\ndependencies = ["torch", "common"]\n{table}'
    )
    assert [project.path for project in request.projects] == [f"{above}/common"]
    assert [route.url for route in request.routes] == [f"{above}/wheels"]
