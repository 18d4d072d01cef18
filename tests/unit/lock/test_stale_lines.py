"""How a stale lock names what changed, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

from envtool.lock.inputs import changed_lines
from envtool.lock.request import RequestOptions, build_request
from envtool.models import Requested
from envtool.settings import Settings

PROJECT = """
[project]
name = "app"
dependencies = ["torch", "six"]
optional-dependencies.fast = ["numpy"]
[dependency-groups]
dev = ["packaging", "six"]
docs = ["attrs"]
"""


def listed(*items: tuple[str, str]) -> list[Requested]:
    return [Requested(requirement=Requirement(text), origin=origin) for text, origin in items]


def test_new_lines_say_which_extra_or_group_lists_them(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    options = RequestOptions(extras=("fast",), groups=("dev", "docs"))
    now = build_request(tmp_path, options, Settings(), "3.11").requirements
    assert changed_lines(("torch", "leaf"), now, "requirement") == [
        "requirement attrs is new (group docs)",
        "requirement numpy is new (extra fast)",
        "requirement packaging is new (group dev)",
        "requirement six is new (pyproject.toml and group dev)",
        "requirement leaf is gone",
    ]


def test_new_lines_say_which_file_lists_them_where_there_are_several() -> None:
    both = listed(("torch", "base.txt:1"), ("six", "dev.txt:2"))
    assert changed_lines(("torch",), both, "requirement") == ["requirement six is new (dev.txt:2)"]
    one = listed(("torch", "base.txt:1"), ("six", "base.txt:2"))
    assert changed_lines(("torch",), one, "constraint") == ["constraint six is new"]
    assert changed_lines(("torch",), [], "override") == ["override torch is gone"]


def test_options_as_they_are_typed() -> None:
    options = RequestOptions(
        specifiers=("torch", "numpy<3", "leaf @ https://me:s3cret@mirror.example/leaf.zip"),
        files=(Path("a b.txt"),),
        constraints=(Path("limits.txt"),),
        extras=("fast",),
        groups=("dev", "docs"),
        script=Path("run.py"),
    )
    assert options.words() == (
        "torch",
        "'numpy<3'",
        "'leaf @ https://mirror.example/leaf.zip'",
        *("-r", "'a b.txt'", "-c", "limits.txt", "--extra", "fast", "--group", "dev", "--group", "docs"),
        *("--script", "run.py"),
    )
    assert RequestOptions().words() == ()
