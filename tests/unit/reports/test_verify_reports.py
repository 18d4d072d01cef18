from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from envtool.models import CheckResult, VerifyReport
from envtool.reports.escape import printable
from envtool.reports.junit import render_junit
from envtool.reports.verify import render_text, summary

REPORT = VerifyReport(
    torch="2.13.0+cpu",
    backend="cpu",
    python="3.11.7",
    checks=(
        CheckResult(id="torch-present", status="pass", found="torch 2.13.0+cpu"),
        CheckResult(id="record", status="fail", found="1 file missing: a<b>&\ufffe", why="Broken.", fix="Mend it."),
        CheckResult(id="torchaudio", status="skip", found="torchaudio is not installed"),
    ),
)


def test_text_in_full():
    assert render_text(REPORT, ".venv", seconds=1.23) == (
        ".venv: torch 2.13.0+cpu (cpu), Python 3.11.7\n"
        "\n"
        "  pass  torch-present  torch 2.13.0+cpu\n"
        "  FAIL  record         1 file missing: a<b>&\ufffe\n"
        "        why  Broken.\n"
        "        fix  Mend it.\n"
        "  skip  torchaudio     torchaudio is not installed\n"
        "\n"
        "1 passed, 1 failed, 1 skipped in 1.2 s\n"
    )


def test_text_quiet_holds_what_failed():
    assert render_text(REPORT, ".venv", seconds=1.23, quiet=True) == (
        "  FAIL  record         1 file missing: a<b>&\ufffe\n        why  Broken.\n        fix  Mend it.\n"
    )


def test_text_without_torch():
    report = VerifyReport(torch=None, backend=None, python=None, checks=())
    assert render_text(report, "x", seconds=0).splitlines()[0] == "x: no torch"


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colours_on_a_terminal_unless_no_color(monkeypatch, no_color, coloured):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    shown = render_text(REPORT, ".venv", seconds=1)
    assert ("\x1b[1;31mFAIL" in shown) is coloured
    assert ("\x1b" in shown) is coloured


def test_a_terminal_gets_lines_that_fit(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    check = CheckResult(id="record", status="fail", found="word " * 30, why="why " * 40, fix="fix " * 40)
    report = VerifyReport(torch=None, backend=None, python=None, checks=(check,))
    lines = render_text(report, "x", seconds=1).splitlines()
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) <= 60
    assert sum("word" in line for line in lines) > 1


def test_summary():
    assert summary(REPORT) == {"pass": 1, "fail": 1, "skip": 1}


def test_junit_is_valid_xml_with_a_case_per_check():
    data = render_junit(REPORT, ".venv", seconds=1.2345)
    assert data.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    root = ET.fromstring(data)
    suite = root.find("testsuite")
    assert root.tag == "testsuites"
    counts = {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    assert {key: suite.attrib[key] for key in counts} == counts
    assert {key: root.attrib[key] for key in counts} == counts
    assert suite.attrib["time"] == "1.234"
    assert [case.attrib["name"] for case in suite.iter("testcase")] == ["torch-present", "record", "torchaudio"]
    (failure,) = suite.iter("failure")
    assert failure.attrib == {"message": "1 file missing: a<b>&\\ufffe", "type": "verify.record"}
    assert failure.text == "1 file missing: a<b>&\\ufffe\nwhy: Broken.\nfix: Mend it."
    (skipped,) = suite.iter("skipped")
    assert skipped.attrib["message"] == "torchaudio is not installed"
    values = {item.attrib["name"]: item.attrib["value"] for item in suite.iter("property")}
    assert values == {"environment": ".venv", "torch": "2.13.0+cpu", "backend": "cpu", "python": "3.11.7"}


@pytest.mark.parametrize("text", ["\x00\x1b[2J", "\udc80", "\x0b", "\uffff"])
def test_junit_parses_whatever_is_in_the_text(text):
    check = CheckResult(id="record", status="fail", found=text, why=text, fix=text)
    ET.fromstring(render_junit(VerifyReport(torch=text, backend=None, python=None, checks=(check,)), text, seconds=0))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain text, ünïcode, 日本", "plain text, ünïcode, 日本"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202eabc", "\\u202eabc"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\udc80", "\\udc80"),
    ],
)
def test_printable(text, escaped):
    assert printable(text) == escaped
