"""What holds for every rule: fixtures with exact places, its page by --explain, and fixes that only mend."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

import pytest
from fixture_cases import CASES, FIXTURES, Case, found
from typer.testing import CliRunner

from envtool.audit.explain import page_of
from envtool.audit.fixes import plan_fixes
from envtool.audit.mend import ROUNDS
from envtool.audit.models import Location
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES
from envtool.cli.app import application

CODES = [rule.code for rule in RULES]


def test_there_is_no_fixture_without_a_rule():
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} == set(CODES)
    assert [case.name for case in CASES if not case.path.name.startswith(("bad_", "good_"))] == []


@pytest.mark.parametrize("code", CODES)
def test_three_bad_and_three_good_fixtures(code):
    own = [case for case in CASES if case.code == code]
    assert sum(case.bad for case in own) >= 3
    assert sum(not case.bad for case in own) >= 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_fixture_names_its_finding_and_a_good_one_none(case):
    expected = [row for row in case.expected() if row[0] == case.code]
    assert bool(expected) == case.bad
    assert all(line >= 1 and column >= 1 for *_, line, column in expected)


# The other fixtures are audited in test_code_rules, test_frozen_rules and test_rule_fixtures.
@pytest.mark.parametrize("case", [case for case in CASES if case.code.startswith("CPU5")], ids=lambda case: case.name)
def test_a_model_gives_what_its_fixture_says(case, tmp_path):
    expected = case.expected()
    case.write(tmp_path)
    report = case.audit(tmp_path)
    assert found(report) == expected
    assert [row.reason for row in report.skipped if "bug" in row.reason] == []


@pytest.mark.parametrize("code", CODES)
def test_explain_prints_the_page_that_names_the_rule(code):
    rule = next(rule for rule in RULES if rule.code == code)
    for name in (code, code.lower(), rule.name):
        result = CliRunner().invoke(application("audit"), ["audit", "--explain", name])
        assert (result.exit_code, result.stdout.rstrip("\n")) == (0, (page_of(code) or "").rstrip("\n"))
    assert result.stdout.startswith(f"# {code}: {rule.name}\n")


def without_places(report: AuditReport) -> Counter[tuple[str, str, str]]:
    return Counter((f.code, f.path, f.severity) for f in report.findings)


@pytest.mark.parametrize("case", [case for case in CASES if case.bad], ids=lambda case: case.name)
def test_the_fixes_of_a_fixture_mend_it_and_nothing_else(case: Case, tmp_path):
    case.write(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    report = first = case.audit(tmp_path)
    fixable = [finding for finding in report.findings if finding.fix is not None]
    if not fixable:
        return
    mended = 0
    for _ in range(ROUNDS):
        plan = plan_fixes(report.sources, report.findings, unsafe=True)
        # A file that would not parse any more is named here.
        assert plan.left == ()
        if not plan.texts:
            break
        mended += len(plan.applied)
        for path, text in plan.texts.items():
            (tmp_path / path).write_bytes(text.encode(str(report.cache["encoding", path])))
        report = case.audit(tmp_path)
    # Idempotent, and what had a fix is gone; what had none is there still, and nothing is new.
    assert plan.texts == {}
    assert mended == len(fixable)
    gone = Counter((f.code, f.path, f.severity) for f in fixable)
    assert without_places(report) == without_places(first) - gone
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(before)
    for path, old in before.items():
        if path.read_bytes() != old:
            name = path.relative_to(tmp_path).as_posix()
            encoding = str(first.cache["encoding", name])
            own = [finding.location for finding in fixable if finding.path == name]
            assert_only_those_lines(old.decode(encoding), path.read_bytes().decode(encoding), own)


def assert_only_those_lines(before: str, after: str, places: Sequence[Location]) -> None:
    """A line that holds no finding is there as it was, or with something written into it."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found = {number for place in places for number in range(place.line, place.end_line + 1)}
    for kind, start, end, first, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        written = "".join(new[first:last])
        lost = [old[number - 1] for number in range(start + 1, end + 1) if number not in found and kind != "equal"]
        assert [line for line in lost if not holds(written, line)] == []


def holds(text: str, line: str) -> bool:
    """Whether a text has all characters of a line in their order."""
    rest = iter(text)
    return all(char in rest for char in line)
