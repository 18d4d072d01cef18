"""Code, registration, page, fixtures and --explain of every rule hold together; fixtures have exact places."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.explain import explain, page_of
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "audit"
EXPECT = re.compile(r"^# expect: (CPU\d{3}) (error|warning|note) (\d+):(\d+)$", re.MULTILINE)
MODEL = re.compile(r"^# model: (\S+) (\S+) (cpu|cuda)$", re.MULTILINE)
SECTIONS = ["What it does", "Why it breaks", "Use instead", "How to suppress", "Known false positives"]
CODE_RULES = [rule for rule in RULES if rule.code.startswith("CPU1")]
FILES = sorted(path for rule in CODE_RULES for path in (FIXTURES / rule.code).glob("*"))


def audit_fixture(path: Path, folder: Path) -> AuditReport:
    """Audit a copy under a neutral name: tests/ in the path would soften what is found."""
    text = path.read_text(encoding="utf-8")
    (folder / f"app{path.suffix}").write_text(text, encoding="utf-8")
    discovery = discover([folder], cwd=folder)
    for name, kind, device in MODEL.findall(text):
        discovery.project.cache["model", name] = SimpleNamespace(kind=kind, has_cuda=device == "cuda")
    return run_audit(discovery, RULES, AuditOptions(select=("CPU1",)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_fixture(path, tmp_path):
    report = audit_fixture(path, tmp_path)
    found = [
        (finding.code, finding.severity, str(finding.location.line), str(finding.location.column))
        for finding in report.findings
    ]
    assert found == EXPECT.findall(path.read_text(encoding="utf-8"))
    assert report.skipped == ()


@pytest.mark.parametrize("rule", CODE_RULES, ids=lambda rule: rule.code)
def test_fixtures_speak_of_their_rule(rule):
    bad = sorted((FIXTURES / rule.code).glob("bad_*"))
    good = sorted((FIXTURES / rule.code).glob("good_*"))
    assert len(bad) >= 3
    assert len(good) >= 3
    for path in bad:
        assert rule.code in {code for code, *_ in EXPECT.findall(path.read_text(encoding="utf-8"))}
    for path in good:
        assert EXPECT.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_registration(rule):
    assert re.fullmatch(r"CPU\d{3}", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert rule.summary
    assert not rule.summary.endswith(".")
    module = type(rule).__module__.rsplit(".", 1)[-1]
    assert module.startswith(rule.code.lower() + "_")


def test_codes_and_names_are_unique_and_sorted():
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_rule_file_is_registered():
    folder = ROOT / "envtool" / "audit" / "rules"
    files = {path.stem[:6].upper() for path in folder.glob("cpu[0-9]*.py")}
    assert files == {rule.code for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_page(rule):
    page = page_of(rule.code)
    assert page is not None
    assert page.splitlines()[0] == f"# {rule.code}: {rule.name}"
    assert rule.summary in page
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert [heading for heading in headings if heading != "Example"] == SECTIONS
    assert f"# envtool: ignore[{rule.code}]" in page
    assert explain(rule.code.lower(), RULES) == explain(rule.name, RULES) == page


def test_docs_are_copies_of_the_pages():
    """The pages ship in the wheel; docs/rules/ is written by scripts/rule_pages.py."""
    pages = {path.name: path.read_bytes() for path in (ROOT / "envtool" / "audit" / "pages").glob("CPU*.md")}
    docs = {path.name: path.read_bytes() for path in (ROOT / "docs" / "rules").glob("CPU*.md")}
    assert pages
    assert docs == pages
