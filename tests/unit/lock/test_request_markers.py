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
