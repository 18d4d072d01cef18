"""Signs of life during a long step: plain lines in a pipe, one changing line on a terminal."""

from __future__ import annotations

import os
import re
import sys
import time

import pytest

from envtool.reports import progress
from envtool.reports.progress import ConsoleReporter, SilentReporter


def test_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "PULSE", 0.2)
    with ConsoleReporter().busy("build") as heard:
        time.sleep(0.3)
        heard("\x1b[31mBuilding PKG\n")
        heard("  ")
        time.sleep(0.3)
    lines = [re.sub(r"\([\d.]+ s\)", "(S)", line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == "    build  at work  (S)"
    assert lines[1] == "    build  at work: \\x1b[31mBuilding PKG  (S)"


def test_what_is_over_soon_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter().busy("build") as heard:
        heard("Building")
    with SilentReporter().busy("build") as heard:
        heard("Building")
    assert capsys.readouterr() == ("", "")


def test_an_error_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), ConsoleReporter().busy("build"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX")
def test_on_a_terminal_one_line_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with ConsoleReporter().busy("build") as heard:
            heard("Building [bold]PKG[/bold] " + "x" * 200)
            time.sleep(0.5)
        time.sleep(0.1)
        shown = os.read(ours, 100_000).decode()
    os.close(ours)
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown)
    assert re.search(r"    build \S 0:00:00 Building \[bold\]PKG\[/bold\] xx", plain)
    assert max(len(line) for line in re.split(r"[\r\n]", plain)) <= 60
    assert shown.rstrip().endswith("\x1b[2K"), "erased"
