"""The rules for frozen apps: each finding at its line and column, each good case without one, each fix mends."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.explain import page_of
from envtool.audit.models import Finding
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES

FIXTURES = Path(__file__).parents[2] / "fixtures" / "audit"
EXPECT = re.compile(r"^(CPU\d{3}) (error|warning|note) (\S+) (\d+):(\d+)$", re.MULTILINE)
BAD = sorted(FIXTURES.glob("CPU2??/bad_*"))
GOOD = sorted(FIXTURES.glob("CPU2??/good_*"))


def case_id(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


def copy(case: Path, folder: Path) -> None:
    """A fixture is a small project; ``expect.txt`` beside its files names each finding."""
    shutil.copytree(case, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expect.txt"))


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def audit(folder: Path, code: str) -> AuditReport:
    report = run_audit(discover([folder], cwd=folder), [rule for rule in RULES if rule.code == code], AuditOptions())
    assert report.skipped == ()
    return report


def places(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{found.path}:{found.location.line}:{found.location.column}" for found in findings]


@pytest.mark.parametrize("case", BAD, ids=case_id)
def test_bad(tmp_path: Path, case: Path) -> None:
    copy(case, tmp_path)
    findings = audit(tmp_path, case.parent.name).findings
    found = [(row.code, row.severity, row.path, str(row.location.line), str(row.location.column)) for row in findings]
    assert found == EXPECT.findall((case / "expect.txt").read_text(encoding="utf-8"))
    assert found


@pytest.mark.parametrize("case", GOOD, ids=case_id)
def test_good(tmp_path: Path, case: Path) -> None:
    copy(case, tmp_path)
    assert places(audit(tmp_path, case.parent.name).findings) == []


def apply(found: Finding, folder: Path) -> None:
    assert found.fix is not None
    path = folder / found.path
    text = path.read_text(encoding="utf-8")
    for edit in sorted(found.fix.edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.replacement + text[edit.end :]
    ast.parse(text)
    path.write_text(text, encoding="utf-8", newline="")


FIXED = ("CPU202", "CPU212", "CPU213", "CPU217", "CPU218", "CPU219")


@pytest.mark.parametrize("case", [case for case in BAD if case.parent.name in FIXED], ids=case_id)
def test_fix_mends_and_leaves_the_rest(tmp_path: Path, case: Path) -> None:
    copy(case, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code = case.parent.name
    findings = audit(tmp_path, code).findings
    for left in reversed(range(len(findings))):
        apply(audit(tmp_path, code).findings[0], tmp_path)
        assert len(audit(tmp_path, code).findings) == left
    changed = {path for path, data in before.items() if path.read_bytes() != data}
    assert changed == {tmp_path / findings[0].path}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("h = ['a', 'triton', 'b']", "h = ['a', 'b']"),
        ("h = ['triton', 'b']", "h = ['b']"),
        ("h = ['a', 'triton']", "h = ['a']"),
        ("h = ['triton']", "h = []"),
        ("h = [\n    'a',  # one\n    'triton',  # gone\n    'b',\n]", "h = [\n    'a',  # one\n    'b',\n]"),
        ("h = [\n    'a',\n    'triton',\n]", "h = [\n    'a',\n]"),
        ("h = ['é', 'triton']", "h = ['é']"),
    ],
)
def test_dead_hiddenimport_goes_and_formatting_stays(tmp_path: Path, before: str, after: str) -> None:
    rest = "\na = Analysis(['main.py'], hiddenimports=h)\n"
    write(tmp_path, {"app.spec": before + rest})
    apply(audit(tmp_path, "CPU214").findings[0], tmp_path)
    assert (tmp_path / "app.spec").read_text(encoding="utf-8") == after + rest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("h = ['a'] + collect_submodules('torch')", "h = ['a']"),
        ("h = collect_submodules('torch') + ['a']", "h = ['a']"),
        ("h = collect_submodules('torch')", "h = []"),
        ("h = ['a']\nh += collect_submodules('torch')\nx = 1", "h = ['a']\nx = 1"),
        ("h = ['a']\nh.extend(collect_submodules('torch'))\nx = 1", "h = ['a']\nx = 1"),
        ("h = ['a'] + (collect_submodules('torch'))", "h = ['a'] + ([])"),
        ("h = ['a', *collect_submodules('torch')]", "h = ['a']"),
    ],
)
def test_collect_submodules_goes_and_formatting_stays(tmp_path: Path, before: str, after: str) -> None:
    rest = "\na = Analysis(['main.py'], hiddenimports=h)\n"
    write(tmp_path, {"app.spec": before + rest})
    apply(audit(tmp_path, "CPU213").findings[0], tmp_path)
    assert (tmp_path / "app.spec").read_text(encoding="utf-8") == after + rest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = Analysis(['main.py'])", 'a = Analysis([\'main.py\'], module_collection_mode={"lib": "pyz+py"})'),
        (
            "a = Analysis(\n    ['main.py'],\n    datas=[],\n)",
            'a = Analysis(\n    [\'main.py\'],\n    datas=[],\n    module_collection_mode={"lib": "pyz+py"},\n)',
        ),
        (
            "a = Analysis(['main.py'], module_collection_mode={'x': 'py'})",
            "a = Analysis(['main.py'], module_collection_mode={\"lib\": \"pyz+py\", 'x': 'py'})",
        ),
    ],
)
def test_missing_collection_mode_is_written_in_style(tmp_path: Path, before: str, after: str) -> None:
    library = "import torch\n@torch.jit.script\ndef f(x):\n    return x\n"
    write(tmp_path, {"app.spec": before + "\n", "main.py": "import lib\n", "lib.py": library})
    apply(audit(tmp_path, "CPU202").findings[0], tmp_path)
    assert (tmp_path / "app.spec").read_text(encoding="utf-8") == after + "\n"


def test_compile_under_a_condition_is_a_warning(tmp_path: Path) -> None:
    main = "import torch\nif args.fast:\n    m = torch.compile(Net())\n"
    write(tmp_path, {"app.spec": "a = Analysis(['main.py'])\n", "main.py": main})
    found = audit(tmp_path, "CPU205").findings[0]
    assert (found.severity, found.confidence) == ("warning", "medium")


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.code[:4] in ("CPU2", "CPU5")], ids=lambda rule: rule.code
)
def test_every_rule_has_a_page_and_cases(rule: object) -> None:
    code, name = rule.code, rule.name  # type: ignore[attr-defined]
    page = page_of(code)
    assert page is not None
    assert page.startswith(f"# {code}: {name}\n")
    for part in ("## What it does", "## Why it breaks", "## Example", "## Use instead", "## Known false positives"):
        assert part in page
    assert f"envtool: ignore[{code}]" in page or f'"{code}"' in page
    if code.startswith("CPU2"):
        assert len([case for case in BAD if case.parent.name == code]) >= 3
        assert len([case for case in GOOD if case.parent.name == code]) >= 3


@pytest.mark.parametrize(
    ("name", "body", "safe"),
    [
        ("rt.py", "f(torch.zeros(1))\n", True),
        ("main.py", "print(f(torch.zeros(1)))\n", False),
        ("rt.py", "f.save('f.pt')\n", None),
        ("rt.py", "g = f\n", None),
    ],
)
def test_decorator_goes_where_the_function_is_only_called(
    tmp_path: Path, name: str, body: str, safe: bool | None
) -> None:
    head = "import torch\ntry:\n"
    files = {"main.py": "import torch\n", "rt.py": "", "app.spec": "Analysis(['main.py'], runtime_hooks=['rt.py'])\n"}
    write(
        tmp_path,
        {**files, name: head + "    @torch.jit.script  # warm\n    def f(x): return x\nfinally: pass\n" + body},
    )
    assert audit(tmp_path, "CPU201").findings[0].fix is None  # a comment on the line: not ours to drop
    write(tmp_path, {name: head + "    @torch.jit.script\n    def f(x): return x\nfinally: pass\n" + body})
    found = audit(tmp_path, "CPU201").findings[0]
    if safe is None:
        assert found.fix is None
        return
    assert found.fix is not None
    assert found.fix.safe is safe
    apply(found, tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == head + "    def f(x): return x\nfinally: pass\n" + body
    assert audit(tmp_path, "CPU201").findings == ()


def test_construct_patch_goes_with_its_test(tmp_path: Path) -> None:
    patch = "    if not hasattr(torch.jit.RecursiveScriptModule, '_construct'):\n        %s\n"
    for line in (
        "torch.jit.RecursiveScriptModule._construct = f",
        "setattr(torch.jit.RecursiveScriptModule, '_construct', f)",
    ):
        write(tmp_path, {"main.py": "import torch\ntry:\n" + patch % line + "    f()\nfinally: pass\n"})
        found = audit(tmp_path, "CPU204").findings[0]
        assert found.fix is not None
        assert not found.fix.safe
        apply(found, tmp_path)
        assert (tmp_path / "main.py").read_text(encoding="utf-8") == "import torch\ntry:\n    f()\nfinally: pass\n"
