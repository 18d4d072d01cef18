from __future__ import annotations

import re

import pytest

from envtool.reports.page import render_page

PAGE = "# CPU1: name\n\n## Example\n\n```python raises\nimport torch\n```\n\nSee `torch`.\n"


def test_a_pipe_gets_the_page_as_it_is():
    assert render_page(PAGE) == PAGE


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_a_terminal_gets_it_rendered(monkeypatch, no_color, coloured):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "60"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    shown = render_page(PAGE)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert [line.strip() for line in plain.splitlines() if line.strip()] == [
        "CPU1: name",
        "Example",
        "import torch",
        "See torch.",
    ]
    assert max(len(line) for line in plain.splitlines()) <= 60
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]", shown)) is coloured
    assert ("\x1b" in shown) is coloured
