"""What all commands have in common: an option is spelled alike everywhere, and help fits a terminal."""

from __future__ import annotations

from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from envtool.cli.app import application

COMMANDS: dict[str, Any] = vars(get_command(application()))["commands"]


def test_an_option_is_spelled_alike_in_every_command() -> None:
    spellings: dict[str, set[tuple[str, ...]]] = {}
    for command in COMMANDS.values():
        for option in command.params:
            for name in option.opts:
                if name.startswith("--"):
                    spellings.setdefault(name, set()).add(tuple(option.opts))
    assert {"--python", "--json", "--quiet", "--backend"} <= set(spellings)
    assert {name: found for name, found in spellings.items() if len(found) > 1} == {}


def test_the_help_of_every_command_fits_80_columns() -> None:
    for name in COMMANDS:
        done = CliRunner(env={"COLUMNS": "80"}).invoke(application(), [name, "--help"])
        assert done.exit_code == 0
        assert [line for line in done.output.splitlines() if len(line) > 80] == [], name


def test_no_line_of_a_help_is_broken_in_its_middle() -> None:
    # 80 columns less a blank at either side; what is longer goes on in a line of its own, and the next begins anew.
    for name, command in COMMANDS.items():
        assert [line for line in command.help.splitlines() if len(line) > 78] == [], name


def test_help_names_no_python_types() -> None:
    for name in ("", *COMMANDS):
        done = CliRunner(env={"COLUMNS": "80"}).invoke(application(), [*name.split(), "--help"])
        found = [word for word in ("<bool>", "<str>", "<path>", "<Path>", "<list", "<float>") if word in done.output]
        assert found == [], name


def test_the_usage_says_where_there_may_be_more_than_one() -> None:
    usage = {}
    for name in COMMANDS:
        output = CliRunner().invoke(application(), [name, "--help"]).output
        usage[name] = next(line.split()[-1] for line in output.splitlines() if "Usage:" in line)
    assert {name: last for name, last in usage.items() if last != "[OPTIONS]"} == {
        "audit": "[PATH]...",
        "bundle": "{SPEC|SCRIPT}",
        "lock": "[REQUIREMENT]...",
        "model": "{PATH}...",
        "run": "{COMMAND}...",
        "setup": "[REQUIREMENT]...",
        "versions": "[PACKAGE]...",
    }


def test_a_command_is_loaded_alone_and_a_word_that_is_none_with_all() -> None:
    assert set(vars(get_command(application("status")))["commands"]) == {"status"}
    for word in ("", "statos", "--help"):
        assert set(vars(get_command(application(word)))["commands"]) == set(COMMANDS)
    done = CliRunner().invoke(application("statos"), ["statos"])
    assert (done.exit_code, "Did you mean 'status'?" in done.output) == (2, True)


def test_every_command_stands_in_a_panel_with_setup_first() -> None:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(application(), ["--help"])
    rows = [line.split()[1] for line in done.output.splitlines() if line.startswith("\u2502 ") and line[2] != " "]
    commands = [row for row in rows if not row.startswith("-")]
    assert commands[0] == "setup"
    assert sorted(commands) == sorted(COMMANDS)
    assert "envtool setup --cpu" in done.output


def test_quiet_is_not_said_to_print_nothing() -> None:
    """``status`` and ``prune --dry-run`` print what they were asked for."""
    option = next(option for option in COMMANDS["status"].params if "--quiet" in option.opts)
    assert option.help == "Print what was asked for and what fails, no progress."
