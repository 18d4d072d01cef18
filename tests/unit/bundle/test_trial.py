"""Running a built app in an empty environment, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from envtool.bundle.checks import judge_libraries, judge_size, judge_trial
from envtool.bundle.models import Sizes
from envtool.bundle.trial import Trial, attempt, smoke_arguments
from envtool.errors import UsageError

posix = pytest.mark.skipif(sys.platform == "win32", reason="the app of these tests is a shell script")


def app(folder: Path, text: str) -> Path:
    path = folder / "app"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("app --selftest", ["--selftest"]),
        ("voice 'a b' c", ["a b", "c"]),
        ("app", []),
        ("./voice -x", ["-x"]),
        ("voice.exe -x", ["-x"]),
    ],
)
def test_the_first_word_is_the_app(command, arguments):
    assert smoke_arguments(command, "voice") == arguments


@pytest.mark.parametrize("command", ["python -m voice", "--selftest", "", "app 'unclosed", "app --selftest | tail"])
def test_another_first_word_is_an_error(command):
    with pytest.raises(UsageError) as caught:
        smoke_arguments(command, "voice")
    assert caught.value.code == "bundle.smoke"


@posix
def test_the_environment_is_empty_and_the_folder_another(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTORCH_JIT", "0")
    program = app(tmp_path, 'echo "$HOME|$PYTORCH_JIT|$EXTRA|$1|$(pwd)"\n')
    trial = attempt(program, ["x y"], extra={"EXTRA": "here"}, timeout=20)
    assert trial.returncode == 0
    home, jit, extra, argument, folder = trial.said.split("|")
    assert (home, jit, extra, argument) == ("", "", "here", "x y")
    assert Path(folder) not in (tmp_path, Path.cwd())


@posix
def test_a_failing_app_says_its_last_line_of_stderr_without_control_characters(tmp_path):
    program = app(tmp_path, "echo fine; printf 'first\\nlast \\033[2J line\\n' >&2; exit 78\n")
    trial = attempt(program, [], extra=None, timeout=20)
    assert (trial.returncode, trial.said) == (78, "last \\x1b[2J line")


@posix
def test_an_app_that_does_not_end(tmp_path):
    trial = attempt(app(tmp_path, "exec sleep 30\n"), [], extra=None, timeout=0.3)
    assert trial.returncode is None
    assert "did not end" in trial.said


def test_an_app_that_is_no_program(tmp_path):
    path = tmp_path / "app"
    path.write_text("")
    assert attempt(path, [], extra=None, timeout=20).returncode is None


def test_judging_a_run():
    passed = judge_trial("smoke", Trial(returncode=0, said="ok: text", seconds=1.25), "why", "fix")
    assert (passed.status, passed.found, passed.fix) == ("pass", "ok: text (1.2 s)", "")
    failed = judge_trial("smoke", Trial(returncode=1, said="FAILED: text", seconds=1), "why", "fix")
    assert (failed.status, failed.found) == ("fail", "the app ended with status 1: FAILED: text")
    assert judge_trial("smoke", Trial(returncode=-11, said="", seconds=1), "", "").found.startswith(
        "the app was ended by signal 11"
    )
    assert judge_trial("smoke", Trial(returncode=None, said="slow", seconds=1), "", "").found == (
        "the app did not run: slow"
    )


def test_judging_libraries():
    assert judge_libraries(()).status == "pass"
    found = judge_libraries(("a/libcudart.so.13", "b", "c", "d", "e"))
    assert found.status == "fail"
    assert found.found.endswith("a/libcudart.so.13, b, c and 2 more")


@pytest.mark.parametrize(("limit", "status"), [(None, "skip"), (600, "pass"), (601, "pass"), (599, "fail")], ids=str)
def test_the_size_gate(limit, status):
    check = judge_size(Sizes(total=600, parts=(("torch/lib", 500), ("numpy", 100))), limit, stripped=False)
    assert check.status == status
    assert ("largest: torch/lib 500 B, numpy 100 B" in check.found) == (status == "fail")
