"""A marker on what brings other requirements in holds for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.lock.request import RequestOptions, build_request
from envtool.models import Request
from envtool.settings import Settings


def ask(root: Path, *, extras: tuple[str, ...] = ()) -> Request:
    return build_request(root, RequestOptions(extras=extras), Settings(), "3.11")


def listed(request: Request) -> list[str]:
    return [str(item.requirement) for item in request.requirements]


def write_project(folder: Path, name: str, requires: str, more: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = f'[project]\nname = "{name}"\nversion = "1"\ndependencies = [{requires}]\n{more}'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "became"),
    [
        ("all = [\"Demo[win] ; sys_platform == 'win32'\"]", ['colorama; sys_platform == "win32"']),
        (
            'all = ["demo[win] ; sys_platform == \'win32\'", "demo[win]"]',
            ['colorama; sys_platform == "win32"', "colorama"],
        ),
        ('all = ["demo[win]", "demo[win] ; sys_platform == \'win32\'"]', ["colorama"]),
        (
            "all = [\"demo[mid] ; sys_platform == 'win32'\"]\nmid = [\"demo[win] ; os_name == 'nt'\"]",
            ['colorama; sys_platform == "win32" and os_name == "nt"'],
        ),
        (  # they name each other
            'all = ["demo[mid] ; sys_platform == \'win32\'"]\nmid = ["demo[all] ; os_name == \'nt\'", "six"]',
            ['six; sys_platform == "win32"'],
        ),
    ],
)
def test_an_extra_that_names_another_one(tmp_path: Path, table: str, became: list[str]) -> None:
    extras = f'[project.optional-dependencies]\n{table}\nwin = ["colorama"]\n'
    write_project(tmp_path, "demo", '"torch"', extras)
    assert listed(ask(tmp_path, extras=("all",))) == ["torch", *became]


WINDOWS = 'sys_platform == "win32"'


@pytest.mark.parametrize("line", ["./lib ; sys_platform == 'win32'", "mylib @ {uri} ; sys_platform == 'win32'"])
def test_a_local_project(tmp_path: Path, line: str) -> None:
    write_project(tmp_path / "lib", "mylib", '"six", "numba ; os_name == \'posix\'", "torch==2.5.0+cu121"')
    line = line.format(uri=(tmp_path / "lib").as_uri())
    (tmp_path / "requirements.txt").write_text(f"torch\n{line}\n", encoding="utf-8")
    request = ask(tmp_path)
    assert listed(request) == [
        "torch",
        f"six; {WINDOWS}",
        f'numba; os_name == "posix" and {WINDOWS}',
        f"torch==2.5.0; {WINDOWS}",
    ]
    assert [(project.path, project.marker) for project in request.projects] == [("lib", WINDOWS)]


def test_a_local_project_that_only_its_build_backend_knows(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/setup.py").write_text("from setuptools import setup\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("torch\n./lib ; sys_platform == 'win32'\n", encoding="utf-8")
    request = ask(tmp_path)
    assert [item.line for item in request.dynamic] == [f"{(tmp_path / 'lib').as_uri()} ; {WINDOWS}"]


def test_members_with_markers_that_need_each_other(tmp_path: Path) -> None:
    workspace = '[tool.uv.workspace]\nmembers = ["a", "b"]\n'
    sources = "[tool.uv.sources]\na = {workspace = true}\nb = {workspace = true}\n"
    write_project(tmp_path, "app", '"torch", "a ; sys_platform == \'win32\'"', workspace + sources)
    write_project(tmp_path / "a", "a", '"b ; os_name == \'nt\'", "in-a"')
    write_project(tmp_path / "b", "b", '"a", "in-b"')
    request = ask(tmp_path)
    narrow = f'{WINDOWS} and os_name == "nt"'
    assert listed(request) == ["torch", f"in-a; {narrow}", f"in-b; {narrow}", f"in-a; {WINDOWS}"]
    assert [(project.path, project.marker) for project in request.projects] == [
        ("a", WINDOWS),
        ("b", narrow),
        ("a", narrow),
    ]
