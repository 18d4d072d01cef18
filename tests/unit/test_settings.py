"""[tool.envtool] and ENVTOOL_*."""

from __future__ import annotations

from typing import Any

import pytest

from envtool.errors import UsageError
from envtool.lock.workspace import settings_table
from envtool.settings import TORCH_INDEX, Settings, read_settings


def test_defaults() -> None:
    assert read_settings({}, {}) == Settings()
    assert Settings().torch_index == TORCH_INDEX == "https://download.pytorch.org/whl"
    assert Settings().targets == ()


def test_the_environment_wins() -> None:
    table = {"torch-index": "https://one.example/whl", "find-links": ["a", "b"], "venv": "env"}
    environ = {"ENVTOOL_TORCH_INDEX": " https://two.example/whl ", "ENVTOOL_FIND_LINKS": "c  d", "OTHER": "x"}
    found = read_settings(table, environ)
    assert found.torch_index == "https://two.example/whl"
    assert found.find_links == ("c", "d")
    assert found.venv == "env"


def test_lists_in_variables() -> None:
    environ = {
        "ENVTOOL_CHECKS": "python -c 'import app'\n\n pytest -q ",
        "ENVTOOL_REQUIREMENTS": "torch\nnumpy < 3",
        "ENVTOOL_TARGETS": "windows-amd64 linux-x86_64",
        "ENVTOOL_GROUPS": "a b",
        "ENVTOOL_PYTHON": "  ",
        "ENVTOOL_DEBUG": "1",
    }
    found = read_settings({}, environ)
    assert found.checks == ("python -c 'import app'", "pytest -q")
    assert found.requirements == ("torch", "numpy < 3")
    assert found.targets == ("linux-x86_64", "windows-amd64")
    assert found.groups == ("a", "b")
    assert found.python is None


@pytest.mark.parametrize(
    ("table", "environ", "message", "hint"),
    [
        ({"torch_index": "x"}, {}, "unknown key 'torch_index' in [tool.envtool]", "Did you mean 'torch-index'?"),
        ({"find-link": []}, {}, "unknown key 'find-link' in [tool.envtool]", "Did you mean 'find-links'?"),
        ({"zzz": 1}, {}, "unknown key 'zzz' in [tool.envtool]", "Known: torch-index, find-links, python, venv"),
        (
            {},
            {"ENVTOOL_TORCHINDEX": "x"},
            "unknown variable 'ENVTOOL_TORCHINDEX' in the environment",
            "Did you mean 'ENVTOOL_TORCH_INDEX'?",
        ),
        (
            {"targets": ["linux-x86-64"]},
            {},
            "unknown target 'linux-x86-64' in tool.envtool.targets",
            "Did you mean 'linux-x86_64'?",
        ),
        ({}, {"ENVTOOL_TARGETS": "macos"}, "unknown target 'macos' in ENVTOOL_TARGETS", "Did you mean 'macos-arm64'?"),
        ({"targets": []}, {}, "tool.envtool.targets is empty", "Name at least one of"),
        ({"venv": 1}, {}, "tool.envtool.venv must be a string, not int", "Put it in quotes."),
        ({"python": 3.11}, {}, "tool.envtool.python must be a string, not float", "Put it in quotes."),
        ({"checks": [1]}, {}, "tool.envtool.checks must be a list of strings", "Write it as"),
        ({"checks": {}}, {}, "tool.envtool.checks must be a list of strings", "Write it as"),
        ({"audit": 1}, {}, "tool.envtool.audit must be a table", "Write it as [tool.envtool.audit]."),
        ({"gpu-packages": "maybe"}, {}, "tool.envtool.gpu-packages is 'maybe'", "default, drop, refuse, keep"),
        ({"gpu-packages": ["drop"]}, {}, "tool.envtool.gpu-packages is ['drop']", "default, drop, refuse, keep"),
        ({"venv": "../x"}, {}, "venv is '../x'", "relative path inside the project"),
        ({"venv": "."}, {}, "venv is '.'", "relative path inside the project"),
        ({"venv": "/abs"}, {}, "venv is '/abs'", "relative path inside the project"),
    ],
)
def test_what_is_wrong(table: dict[str, Any], environ: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings(table, environ)
    assert caught.value.message == message
    assert hint in caught.value.hint
    assert caught.value.code.startswith("settings.")


@pytest.mark.parametrize("value", [[], 1, "x", [{}]])
def test_a_tool_table_of_the_wrong_type(value: object) -> None:
    if value == []:
        value = [{"a": 1}]
    with pytest.raises(UsageError, match=r"tool\.envtool must be a table"):
        settings_table({"tool": {"envtool": value}})
