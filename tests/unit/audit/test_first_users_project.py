"""The first users' project, in shape: what the audit finds there, what it calls fine, its report, and its fixes.

``tests/fixtures/projects/voice_typing/README.md`` says how the expected files are written again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from envtool import __version__
from envtool.cli.app import application

FOLDER = Path(__file__).parents[2] / "fixtures" / "projects" / "voice_typing"
EXPECTED = FOLDER / "expected"


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "voice_typing"
    shutil.copytree(FOLDER / "project", folder)
    monkeypatch.chdir(folder)
    return folder


def audit(*args):
    return CliRunner().invoke(application("audit"), ["audit", *args])


def lines(result):
    found = json.loads(result.stdout)["result"]["findings"]
    return [f"{row['path']}:{row['line']}:{row['column']} {row['code']} {row['severity']}" for row in found]


def read(name):
    return (EXPECTED / name).read_text(encoding="utf-8")


def test_it_finds_exactly_the_real_problems(project):
    result = audit("--json")
    assert lines(result) == read("findings.txt").splitlines()
    assert (result.exit_code, json.loads(result.stdout)["result"]["skipped"]) == (10, [])


def test_the_report_is_the_one_that_was_read(project):
    audit("--quiet", "-o", "risk.md")
    text = (project / "risk.md").read_text(encoding="utf-8")
    assert text.replace(f"envtool {__version__}", "envtool VERSION") == read("risk.md")


def test_the_safe_lines_are_said_to_be_safe(project):
    """Each line that the team asked about: the loads with map_location, the tensors brought to numpy, the guards."""
    fine = read("risk.md").split("## Checked and found fine")[1].split("## Checklist")[0]
    places = {
        'map_location="cpu"': ["app/punctuation.py:14", "app/recognizer.py:19", "app/verify.py:19"],
        ".cpu() gives back": ["app/punctuation.py:19", "app/recognizer.py:38,45"],
        "not reached without CUDA": ["app/listen.py:18"],
    }
    for reason, wanted in places.items():
        row = next(line for line in fine.splitlines() if reason in line)
        assert [place for place in wanted if f"`{place}`" not in row] == []


@pytest.mark.parametrize(("options", "name"), [(["--fix"], "fixed"), (["--fix", "--unsafe-fixes"], "fixed-unsafe")])
def test_the_fixes_change_what_they_should_and_nothing_else(project, options, name):
    before = {path.relative_to(project): path.read_bytes() for path in project.rglob("*") if path.is_file()}
    result = audit(*options, "--json")
    changed = {
        path.relative_to(project).as_posix(): path.read_text(encoding="utf-8")
        for path in project.rglob("*")
        if path.is_file() and before.get(path.relative_to(project)) != path.read_bytes()
    }
    golden = EXPECTED / name
    assert changed == {
        path.relative_to(golden).as_posix(): path.read_text(encoding="utf-8")
        for path in golden.rglob("*")
        if path.is_file()
    }
    # What is left is what nobody can mend by rote, and a second run changes nothing.
    assert lines(result) == read(f"{name}.txt").splitlines()
    again = json.loads(audit(*options, "--json").stdout)["result"]
    assert (again["fixed"], again["not_fixed"]) == ([], [])
