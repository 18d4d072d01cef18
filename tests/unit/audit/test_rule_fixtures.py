"""Each rule on small projects: ``tests/fixtures/audit/CODE/{bad,good}-*``, with what it must find in expected.txt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.fixes import plan_fixes
from envtool.audit.models import Finding, Source
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES

FIXTURES = Path(__file__).parents[2] / "fixtures" / "audit"
CASES = sorted(case for case in FIXTURES.glob("CPU[34]*/*") if case.is_dir())
CODES = sorted(rule.code for rule in RULES if rule.code[:4] in ("CPU3", "CPU4"))


def report_on(folder: Path, code: str) -> AuditReport:
    rules = [rule for rule in RULES if rule.code == code]
    report = run_audit(discover([folder], cwd=folder), rules, AuditOptions())
    assert [row for row in report.skipped if "bug" in row.reason] == []
    return report


def rows(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{f.path}:{f.location.line}:{f.location.column} {f.severity}" for f in findings]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_finds_exactly_what_is_expected(case: Path) -> None:
    expected = (case / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert rows(report_on(case, case.parent.name).findings) == expected
    assert bool(expected) == case.name.startswith("bad_")


@pytest.mark.parametrize("code", CODES)
def test_every_rule_has_fixtures(code: str) -> None:
    names = [case.name for case in CASES if case.parent.name == code]
    assert sum(name.startswith("bad_") for name in names) >= 3
    assert sum(name.startswith("good_") for name in names) >= 3


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_fix_ends_its_finding_and_changes_nothing_else(case: Path, tmp_path: Path) -> None:
    code = case.parent.name
    folder = tmp_path / "project"
    shutil.copytree(case, folder)
    before = report_on(folder, code)
    mended = [finding for finding in before.findings if finding.fix is not None]
    plan = plan_fixes(before.sources, before.findings, unsafe=True)
    assert plan.left == ()
    assert len(plan.applied) == len(mended)
    for path, text in plan.texts.items():
        encoding = str(before.cache["encoding", path])
        (folder / path).write_bytes(text.encode(encoding))
        kept = set(before.sources[path].text.splitlines()) & set(text.splitlines())
        touched = {f.location.line for f in mended if f.path == path}
        lines = before.sources[path].text.splitlines()
        assert {line for number, line in enumerate(lines, 1) if number not in touched} <= kept | set(text.splitlines())
    after = report_on(folder, code)
    assert len(after.findings) == len(before.findings) - len(mended)
    assert plan_fixes(after.sources, after.findings, unsafe=True).texts == {}


def test_no_rule_fails_on_what_is_not_what_its_name_says(tmp_path: Path) -> None:
    texts = [
        "",
        "\0",
        "\ufeff",
        "{{ x }}",
        "[",
        "a: [\n",
        "- - -\n",
        '"',
        "${{",
        "RUN <<EOF\npip install torch",
        "&" * 99,
    ]
    for rule in RULES:
        if rule.code not in CODES:
            continue
        for kind in rule.kinds:
            for number, text in enumerate(texts):
                source = Source(path=f"file{number}", absolute=tmp_path, kind=kind, text=text)
                project = discover([tmp_path], cwd=tmp_path).project
                assert [row for row in rule.check(source, project) if isinstance(row, Finding)] == []


def test_no_fix_for_what_may_not_exist_without_its_local_version() -> None:
    (finding,) = report_on(FIXTURES / "CPU303" / "bad_other_wheel", "CPU303").findings
    assert finding.fix is None


def test_no_fix_inside_a_list_of_words() -> None:
    (finding,) = report_on(FIXTURES / "CPU402" / "bad_exec_form", "CPU402").findings
    assert finding.fix is None
