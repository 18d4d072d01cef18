"""Commands as words, and what only a shell can do."""

from __future__ import annotations

import pytest

from envtool.adapters import command_words as words
from envtool.env.commands import read_commands
from envtool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("python -c 'import torch' | cat", "|"),
        ("cd tests && ls", "&&"),
        ("cd tests; ls", ";"),
        ("a || b", "||"),
        ("pytest 2>&1", ">&"),
        ("pytest >out.txt", ">"),
        ("pytest < in.txt", "<"),
        ("serve &", "&"),
        ("echo 'a' \"b\"|c", "|"),
        ("python -c 'a | b; c > d'", None),
        ('pytest -k "a & b"', None),
        (r"echo \| \; x", None),
        (r'echo "\" | "', None),
        (r"echo '\' | cat", "|"),
        ("pytest -q tests/smoke", None),
    ],
)
def test_operators_of_a_shell(text: str, operator: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "is_windows", lambda: False)
    assert words.shell_operator(text) == operator


def test_on_windows_a_backslash_is_no_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "is_windows", lambda: True)
    assert words.shell_operator('run "C:\\x\\" | more') == "|"
    assert words.in_a_shell("a | b") == 'cmd /c "a | b"'


def test_a_check_that_needs_a_shell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "is_windows", lambda: False)
    with pytest.raises(UsageError) as caught:
        read_commands(["pytest", "cd tests && ls"])
    assert (caught.value.code, caught.value.message) == (
        "usage.check",
        "check `cd tests && ls` has &&, and no shell runs it",
    )
    assert caught.value.hint == "Let one run it: sh -c 'cd tests && ls'. Or quote what is meant as it stands."
    (command,) = read_commands(["sh -c 'cd tests && ls'"])
    assert command.words == ("sh", "-c", "cd tests && ls")
