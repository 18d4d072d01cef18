"""The pre-commit hooks name commands and options that exist."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer
import yaml

from envtool.cli.app import application

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"


def test_entries_are_commands_of_envtool() -> None:
    commands = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
    hooks = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    assert [hook["id"] for hook in hooks] == ["envtool-audit", "envtool-audit-fix"]
    for hook in hooks:
        program, name, *options = shlex.split(hook["entry"])
        assert program == "envtool"
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(options) <= known
        assert hook["pass_filenames"] is False
