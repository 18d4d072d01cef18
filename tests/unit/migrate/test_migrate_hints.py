"""One next step after a gate that did not hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import envtool
from envtool.migrate.hints import go_on

RESUME = "envtool migrate --resume"


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        ("", f"Go on: {RESUME}"),
        ("Run the command again.", f"Go on: {RESUME}"),
        ("Is its name right?", f"Is its name right? Then go on: {RESUME}"),
        ("Mend them by hand.", f"Mend them by hand. Then go on: {RESUME}"),
        (
            "Nothing was switched. Mend the cause, and run the same command again.",
            f"Nothing was switched. Mend the cause. Then go on: {RESUME}",
        ),
        (
            "Close what uses the folder, or make it writable, and run the command again. Nothing was lost.",
            f"Close what uses the folder, or make it writable. Nothing was lost. Then go on: {RESUME}",
        ),
        (
            "Free some disk space (envtool prune) and run it again.",
            f"Free some disk space (envtool prune). Then go on: {RESUME}",
        ),
        ("It is named there: mend it there, or try again.", f"It is named there: mend it there. Then go on: {RESUME}"),
        ("Write the lock again: envtool lock", f"Write the lock again: envtool lock. Then go on: {RESUME}"),
        ("What was saved is kept: envtool migrate --undo", "What was saved is kept: envtool migrate --undo"),
    ],
)
def test_one_next_step(hint: str, told: str) -> None:
    assert go_on(hint) == told


def test_no_hint_of_another_command_says_it_twice() -> None:
    """Also the hints that are written later: each text of the package that asks to run the command again."""
    texts = {
        node.value
        for path in Path(envtool.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    asking = [text for text in texts if re.search(r"\brun (it|the (same )?command) again", text, re.I)]
    assert len(asking) > 5
    assert [text for text in asking if "again" in go_on(text) and "envtool migrate" not in text] == []
