"""What a shell is told to complete: through the same door that bash uses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from envtool.audit.rules import RULES
from envtool.cli.app import application
from envtool.cli.completion import rules
from envtool.env.records import layout_for, write_record
from envtool.models import Generation


def completed(line: str) -> list[str]:
    words = line.split(" ")
    environment = {"_ENVTOOL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner(env=environment).invoke(application(), [], prog_name="envtool")
    assert done.exit_code == 0, done.output
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("envtool st", ["status"]),
        ("envtool setup --fr", ["--frozen"]),
        ("envtool setup --backend cu", ["cu126", "cu128", "cu130"]),
        ("envtool lock --backend f", ["full"]),
        ("envtool verify --backend cp", ["cpu"]),
        ("envtool lock --target ", ["linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64"]),
        ("envtool setup --gpu-packages d", ["default", "drop"]),
        ("envtool setup -p 3.11", ["3.11"]),
        ("envtool verify --python ./", []),  # the shell completes a path
        ("envtool lock --resolver ", ["uv", "pip-tools"]),
        ("envtool versions torchv", ["torchvision"]),
        ("envtool audit --explain CPU50", ["CPU501", "CPU502", "CPU503", "CPU504", "CPU505"]),
        ("envtool audit --ignore CPU301,CPU503,CPU50", [f"CPU301,CPU503,CPU50{n}" for n in (1, 2, 4, 5)]),
        ("envtool audit --format m", ["markdown"]),
        ("envtool audit --fail-on ", ["error", "warning", "note", "never"]),
        ("envtool model --fail-on w", ["warning"]),
        ("envtool migrate --skip bundle,d", ["bundle,docs"]),
    ],
)
def test_values(line: str, values: list[str]) -> None:
    assert completed(line) == values


def test_generations_of_this_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed("envtool rollback --to ") == ["previous"]
    for number in (1, 2):
        layout_for(tmp_path).generation(number).mkdir(parents=True)
        made = {"backend": "cpu", "torch": "2.13.0+cpu", "python": "3.11.7", "created": ""}
        write_record(layout_for(tmp_path), Generation(id=number, kind="built", healthy=True, **made))
    assert completed("envtool rollback --to ") == ["previous", "2", "1"]
    (tmp_path / "pyproject.toml").write_text("not TOML", encoding="utf-8")
    assert completed("envtool rollback --to ") == ["previous"]


def test_every_code_is_completed() -> None:
    assert rules("") == sorted(rule.code for rule in RULES)


def test_completion_loads_no_rule() -> None:
    """It answers while someone types: what takes a while to import stays out."""
    import subprocess

    code = "from envtool.cli.completion import rules, formats; rules('CPU1')\n"
    code += "import sys, json; print(json.dumps([name for name in sys.modules if 'audit.rules' in name]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


_FREE = (
    "requirement constraint extra group script torch_index find_links check path lock junit upgrade_package output "
    "baseline since inputs npz rewrite spec smoke max_size dist icon data timeout keep"
)


def test_every_other_option_with_a_value_completes() -> None:
    """An option whose values are known; those that take a file, a name or a number are in the list above."""
    commands: dict[str, Any] = vars(get_command(application()))["commands"]
    names = _FREE.split()
    without = {
        f"{name} --{param.name}"
        for name, command in commands.items()
        for param in command.params
        if param.param_type_name == "option" and not getattr(param, "is_flag", False) and param.name not in names
        if completed(f"envtool {name} {param.opts[0]} ") == []
    }
    assert without == set()
