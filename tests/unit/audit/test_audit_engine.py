"""The engine: suppression, selection, fingerprints, baseline, and a rule that raises."""

from __future__ import annotations

import json

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.models import Finding, Location, Safe
from envtool.audit.options import AuditOptions, code_prefixes, read_baseline, read_settings
from envtool.audit.rules import RULES
from envtool.errors import UsageError

CALL = "import torch\nx = torch.ones(1).cuda()\n"


def audit(folder, files, options=None, rules=RULES):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return run_audit(discover([folder], cwd=folder), rules, options or AuditOptions())


def places(report):
    return [(finding.code, finding.path, finding.location.line) for finding in report.findings]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("x = torch.ones(1).cuda()  # envtool: ignore[CPU101] no GPU in CI", []),
        ("x = torch.ones(1).cuda()  # envtool: ignore[CPU1]", []),
        ("x = torch.ones(1).cuda()  # envtool: ignore", []),
        ("x = torch.ones(1).cuda()  # noqa # envtool: ignore[CPU102, CPU101]", []),
        ("x = torch.ones(1).cuda()  # envtool: ignore[CPU102]", [("CPU101", "a.py", 2)]),
        ("x = [torch.ones(1).cuda(), '# envtool: ignore[CPU101]']", [("CPU101", "a.py", 2)]),
        ("# envtool: ignore[CPU101]\nx = torch.ones(1).cuda()", [("CPU101", "a.py", 3)]),
        ("x = torch.ones(\n    1,\n).cuda()  # envtool: ignore[CPU101]", []),
        ("x = torch.zeros(\n    1,\n    device='cuda',  # envtool: ignore[CPU102]\n)", []),
        ("x = torch.ones(1).cuda()\n# envtool: ignore-file[CPU101] a demo", []),
        ("x = torch.ones(1).cuda()\n# envtool: ignore-file", []),
    ],
)
def test_suppression(tmp_path, line, left):
    report = audit(tmp_path, {"a.py": f"import torch\n{line}\n"})
    assert places(report) == left
    assert report.suppressed == 1 - len(left)


def test_suppression_in_yaml(tmp_path):
    report = audit(tmp_path, {"a.yaml": "device: cuda  # envtool: ignore[CPU121]\nother_device: cuda\n"})
    assert places(report) == [("CPU121", "a.yaml", 2)]


def test_fingerprints_survive_moved_lines_and_tell_equal_lines_apart(tmp_path):
    line = "x = torch.ones(1).cuda()\n"
    first = audit(tmp_path, {"a.py": f"import torch\n{line}{line}"})
    second = audit(tmp_path, {"a.py": f"import torch\n\n\n{line}y = 1\nif y:\n    {line}"})
    fingerprints = [finding.fingerprint for finding in first.findings]
    assert len(set(fingerprints)) == 2
    assert [finding.fingerprint for finding in second.findings] == fingerprints


def test_baseline(tmp_path):
    report = audit(tmp_path, {"a.py": CALL})
    known = tmp_path / "known.json"
    known.write_text(json.dumps(report.as_dict()), encoding="utf-8")
    options = AuditOptions(baseline=read_baseline(known))
    report = audit(tmp_path, {"a.py": "import torch\n\nx = torch.ones(1).cuda()\ny = x.to('cuda')\n"}, options)
    assert places(report) == [("CPU101", "a.py", 4)]
    assert report.known == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": [{}]}'])
def test_baseline_that_is_none(tmp_path, text):
    (tmp_path / "known.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_baseline(tmp_path / "known.json")
    assert caught.value.code == "audit.baseline"


@pytest.mark.parametrize(
    ("select", "ignore", "chosen"),
    [
        ((), (), {"CPU101", "CPU108"}),
        (("CPU108",), (), {"CPU108"}),
        ((), ("CPU1",), set()),
        (("CPU101",), ("CPU1",), {"CPU101"}),
        (("CPU1",), ("CPU101",), {"CPU108"}),
        (("CPU101",), ("CPU101",), set()),
        (("",), ("CPU10",), set()),
    ],
)
def test_selection(tmp_path, select, ignore, chosen):
    text = CALL + "torch.load('x.pt')\n"
    report = audit(tmp_path, {"a.py": text}, AuditOptions(select=select, ignore=ignore))
    assert {finding.code for finding in report.findings} == chosen


def test_prefixes():
    assert code_prefixes(["cpu101, CPU2", "ALL"], ["CPU101", "CPU201"], "--select") == ("CPU101", "CPU2", "")
    with pytest.raises(UsageError) as caught:
        code_prefixes(["CPU102"], ["CPU101"], "--select")
    assert caught.value.hint == "Did you mean CPU101?"


def test_only_changed_files(tmp_path):
    report = audit(tmp_path, {"a.py": CALL, "b.py": CALL}, AuditOptions(only=frozenset({"b.py"})))
    assert places(report) == [("CPU101", "b.py", 2)]


def test_per_file_ignores(tmp_path):
    options = AuditOptions(per_file_ignores={"demo/**": ("CPU101",)})
    report = audit(tmp_path, {"demo/a.py": CALL, "b.py": CALL}, options)
    assert places(report) == [("CPU101", "b.py", 2)]
    assert report.suppressed == 1


def test_settings(tmp_path):
    text = '[tool.envtool.audit]\nignore = ["CPU108"]\nexclude = ["old/"]\nfail-on = "warning"\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    options = read_settings(tmp_path, ["CPU101", "CPU108"])
    assert (options.ignore, options.exclude, options.fail_on) == (("CPU108",), ("old/",), "warning")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('ignores = ["CPU101"]', "Did you mean ignore?"),
        ('fail-on = "eror"', "It is one of error, warning, note, never."),
        ("select = 3", 'Write ["CPU1"].'),
    ],
)
def test_wrong_settings(tmp_path, text, hint):
    (tmp_path / "pyproject.toml").write_text(f"[tool.envtool.audit]\n{text}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_settings(tmp_path, ["CPU101"])
    assert (caught.value.code, caught.value.hint) == ("settings.audit", hint)


class Broken:
    code = "CPU999"
    name = "broken"
    summary = "Raises"
    kinds = ("python",)

    def check(self, source, project):
        yield Safe(path=source.path, line=1, reason="fine")
        raise ValueError("oh no")


class Elsewhere(Broken):
    code = "CPU998"

    def check(self, source, project):
        place = Location(line=7, column=1, end_line=7, end_column=2)
        yield Finding(
            code=self.code, severity="note", confidence="low", path="gone.py", location=place, message="not a source"
        )


def test_a_rule_that_raises_is_a_row(tmp_path):
    report = audit(tmp_path, {"a.py": CALL}, rules=[Broken(), Elsewhere(), *RULES])
    assert places(report) == [("CPU101", "a.py", 2), ("CPU998", "gone.py", 7)]
    reasons = [row.reason for row in report.skipped]
    assert reasons == ["rule CPU999 failed with ValueError: oh no (a bug in envtool, please report)"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import torch\nprint 'x'\n", "Python 2 (line 2)"),
        ("import torch\n{% if x %}\ny = 1\n{% endif %}\n", "a template, not Python (line 2)"),
        ("import torch\nx = (\n", "not Python 3: '(' was never closed (line 2)"),
    ],
)
def test_what_does_not_parse_is_a_row(tmp_path, text, reason):
    report = audit(tmp_path, {"a.py": text})
    assert [(row.path, row.reason) for row in report.skipped] == [("a.py", reason)]


def test_deep_nesting_is_a_row_or_read(tmp_path):
    """Python's parser gives up on it with one of several exceptions; ours must not."""
    text = "import torch\nx = " + "(" * 5000 + "1" + ")" * 5000 + "\n"
    report = audit(tmp_path, {"a.py": text})
    assert [row.path for row in report.skipped] == ["a.py"]


def test_many_branches_are_quick(tmp_path):
    import time

    chain = "".join(f"elif x == {number}:\n    y = torch.ones(1).cuda()\n" for number in range(400))
    start = time.process_time()
    report = audit(tmp_path, {"a.py": f"import torch\nx = int(input())\nif x < 0:\n    y = 1\n{chain}"})
    assert len(report.findings) == 400
    assert time.process_time() - start < 5
