"""The risk report: one model, its levels, its boxes that only evidence ticks, and two renderings that say the same."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.formats import FORMATS
from envtool.audit.formats.markdown import code, escape, markdown
from envtool.audit.models import Finding, Location
from envtool.audit.options import AuditOptions
from envtool.audit.risk.advice import MITIGATIONS
from envtool.audit.risk.assess import assess, level_of, likelihood_of
from envtool.audit.risk.evidence import (
    BundleFacts,
    EnvironmentFacts,
    Evidence,
    FlipFacts,
    LockFacts,
    Mention,
    PlanFacts,
)
from envtool.audit.risk.model import Code, words
from envtool.audit.rules import RULES

CPU = EnvironmentFacts(
    number=2, backend="cpu", torch="2.13.0+cpu", current=True, healthy=True, size=900_000_000, passed=15, skipped=4
)
FULL = EnvironmentFacts(number=1, backend="full", torch="2.13.0", current=False, healthy=True, size=4_500_000_000)
EVERYTHING = Evidence(
    lock=LockFacts(path="lockfiles", torch=(("cpu", "2.13.0+cpu"), ("full", "2.13.0"))),
    environments=(FULL, CPU),
    way_back=1,
    flip=FlipFacts(seconds=0.314, before=2, after=1, day="2026-11-25"),
    bundle=BundleFacts(path="dist/app", torch="2.13.0+cpu", size=560_000_000, passed=("start-check",)),
    setup_documented=Mention(path="README.md", line=7),
    rollback_documented=Mention(path="README.md", line=9),
)
SPEC = 'a = Analysis(["app.py"])\n'
WORKFLOW = "jobs:\n  a:\n    steps:\n      - run: envtool setup --cpu --frozen\n      - run: envtool verify\n"
CLEAN = {
    "app.py": "import torch\nprint(torch.ones(1))\n",
    "app.spec": SPEC,
    "requirements.txt": "numpy\n",
    ".github/workflows/ci.yml": WORKFLOW,
}


def audited(folder: Path, files, **options):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return run_audit(discover([folder], cwd=folder), RULES, AuditOptions(**options))


def boxes(report):
    """What each box says: state and evidence, by its first words."""
    found = {}
    for phase in assess(report).phases:
        for box in phase.boxes:
            found[text(box.what)] = (box.state, text(box.evidence))
    return found


def text(words_):
    return "".join(part.text if isinstance(part, Code) else part for part in words_)


def finding(severity, confidence="high"):
    place = Location(line=1, column=1, end_line=1, end_column=2)
    return Finding(code="CPU101", severity=severity, confidence=confidence, path="a.py", location=place, message="x")


@pytest.mark.parametrize(
    ("findings", "level", "likelihood"),
    [
        ([], "none", "none"),
        ([finding("note")], "low", "possible"),
        ([finding("warning"), finding("note")], "medium", "possible"),
        ([finding("error", "medium"), finding("warning")], "high", "likely"),
        ([finding("error", "low"), finding("error")], "high", "certain"),
    ],
)
def test_level_and_likelihood(findings, level, likelihood):
    assert (level_of(findings), likelihood_of(findings)) == (level, likelihood)


def test_every_rule_has_a_mitigation_in_a_few_words():
    assert set(MITIGATIONS) == {rule.code for rule in RULES}
    assert [code for code, line in MITIGATIONS.items() if len(line) > 100 or line.count("`") % 2] == []


def test_everything_that_is_there_ticks_its_box(tmp_path):
    report = replace(audited(tmp_path, CLEAN), evidence=EVERYTHING)
    assert boxes(report) == {
        "no error in code": ("done", "1 file read, no warnings"),
        "no error in packaging": ("done", "1 file read, no warnings"),
        "no error in models": ("not-applicable", "no such files were read"),
        "the lock is there and fits its inputs": ("done", "lockfiles: torch 2.13.0+cpu (cpu), torch 2.13.0 (full)"),
        "a CPU-only environment is built and proven": (
            "done",
            "generation 2: torch 2.13.0+cpu, 15 checks passed, 4 skipped",
        ),
        "the project runs in that environment": ("done", ".venv is generation 2"),
        "switching back was tried, and timed": ("done", "0.31 s to generation 1, on 2026-11-25"),
        "no error in frozen app": ("done", "1 file read, no warnings"),
        "the bundle is built and starts without a Python": (
            "done",
            "dist/app with torch 2.13.0+cpu: start-check passed",
        ),
        "no error in containers and CI": ("done", "1 file read, no warnings"),
        "CI or the image installs from the lock": ("done", ".github/workflows/ci.yml:4"),
        "CI or the image proves what it has": ("done", ".github/workflows/ci.yml:5"),
        "the README says how to install": ("done", "README.md:7 names envtool setup --cpu"),
        "the README says how to go back": ("done", "README.md:9 names envtool rollback"),
    }


def test_nothing_ticks_a_box_that_has_no_evidence(tmp_path):
    found = boxes(audited(tmp_path, {"app.py": "import torch\ntorch.ones(1).cuda()\n", "app.spec": SPEC}))
    assert [what for what, (state, _) in found.items() if state == "done"] == ["no error in frozen app"]
    assert found["no error in code"] == ("open", "1 error: CPU101")
    assert all(evidence for _, evidence in found.values())


@pytest.mark.parametrize(
    ("what", "evidence", "says"),
    [
        ("the lock", {"lock": None}, "no lockfiles/"),
        ("the lock", {"lock": LockFacts(path="lockfiles", stale=("requirement x is new",))}, "requirement x is new"),
        ("the lock", {"lock": LockFacts(path="lockfiles", stale=None)}, "could not be compared"),
        ("a CPU-only", {"environments": (FULL,)}, "none recorded here"),
        ("a CPU-only", {"environments": (replace(CPU, failed=2),)}, "2 checks failed"),
        ("a CPU-only", {"environments": (replace(CPU, healthy=False),)}, "its interpreter is gone"),
        ("a CPU-only", {"environments": (replace(CPU, passed=0),)}, "not checked"),
        ("the project runs", {"environments": (replace(FULL, current=True), replace(CPU, current=False))}, "(full)"),
        ("the project runs", {"environments": ()}, ".venv is no environment of envtool's"),
        ("switching back", {"flip": None}, "not measured"),
        ("switching back", {"flip": FlipFacts(seconds=0.3, before=1, after=2, day="2026-11-25")}, "not measured"),
        ("the bundle", {"bundle": None}, "no bundle recorded here"),
        (
            "the bundle",
            {"bundle": replace(EVERYTHING.bundle, passed=("gpu-libraries", "size"))},
            "built and not started",
        ),
        ("the README says how to install", {"setup_documented": None}, "no README here"),
    ],
)
def test_a_missing_proof_leaves_its_box_open_and_says_what_to_do(tmp_path, what, evidence, says):
    found = boxes(replace(audited(tmp_path, CLEAN), evidence=replace(EVERYTHING, **evidence)))
    state, reason = next(row for name, row in found.items() if name.startswith(what))
    assert (state, says in reason) == ("open", True), reason


def test_a_part_of_the_findings_is_no_proof(tmp_path):
    report = audited(tmp_path, CLEAN)
    for part in (replace(report, since="main"), replace(report, known=3)):
        assert boxes(part)["no error in code"] == ("open", "only a part was looked at: see the scope above")
    assert "Only files changed since `main` are reported." in FORMATS["markdown"](replace(report, since="main"))
    less = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions(ignore=("CPU101",)))
    assert boxes(less)["no error in code"] == ("done", "1 file read, no warnings, without CPU101")
    assert "Rules that were not run: CPU101." in FORMATS["markdown"](less)
    none = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions(ignore=("CPU1",)))
    assert boxes(none)["no error in code"] == ("open", "not checked: its rules were deselected")


def test_models_that_were_not_read_are_no_good_news(tmp_path):
    report = audited(tmp_path, {**CLEAN, ".gitignore": "models/\n", "models/notes.py": "x = 1\n"})
    assert boxes(report)["no error in models"] == ("open", "not read: models; look at it: envtool model models")
    (row,) = [row for row in assess(report).perspectives if row.prefix == "CPU5"]
    assert text(row.mitigation) == "not read: models; look at it by envtool model models"


def test_a_comment_is_no_evidence(tmp_path):
    files = {**CLEAN, ".github/workflows/ci.yml": "jobs: {}\n# run: envtool setup --cpu --frozen\n"}
    assert boxes(audited(tmp_path, files))["CI or the image installs from the lock"][0] == "open"


INSTALLS, PROVES = "CI or the image installs from the lock", "CI or the image proves what it has"


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("ci.sh", "set -e\nenvtool setup --cpu --frozen && envtool verify\n", 2),
        ("ci.sh", "set -e\nuv run envtool setup --backend=cpu --frozen\npython -m envtool verify --backend cpu\n", 2),
        ("ci.sh", "sudo X=1 .tools/bin/envtool setup --frozen \\\n  --backend cpu || exit 1\nenvtool verify\n", 1),
        ("ci.bat", "envtool.exe setup --frozen --cpu\r\nenvtool.exe verify\r\n", 1),
        ("Makefile", "env:\n\t@envtool setup --cpu --frozen --plain\n\tenvtool verify -q\n", 2),
        ("Dockerfile", 'FROM x\nRUN ["envtool", "setup", "--cpu", "--frozen"]\nRUN envtool verify\n', 2),
        (".gitlab-ci.yml", "a:\n  script:\n    - envtool setup --cpu --frozen\n    - envtool verify\n", 3),
    ],
)
def test_a_command_that_proves_a_box(tmp_path, file, text, line):
    found = boxes(audited(tmp_path, {file: text}))
    assert found[INSTALLS] == ("done", f"{file}:{line}")
    assert found[PROVES][0] == "done"


@pytest.mark.parametrize(
    ("box", "command"),
    [
        (INSTALLS, "envtool setup --frozen"),  # usage error: which torch?
        (INSTALLS, "envtool setup --full --frozen"),
        (INSTALLS, "envtool setup --backend cu126 --frozen"),
        (INSTALLS, "envtool setup --cpu"),  # may lock anew
        (INSTALLS, "envtool setup --cpu --frozen --dry-run"),
        (INSTALLS, "envtool setup --cpu --frozen || true"),
        (INSTALLS, "envtool setup --cpu --frozen ||:"),
        (INSTALLS, "echo envtool setup --cpu --frozen"),
        (INSTALLS, "echo 'then: envtool setup --cpu --frozen'"),
        (INSTALLS, "echo python -m envtool setup --cpu --frozen"),
        (INSTALLS, "true # envtool setup --cpu --frozen"),
        (INSTALLS, "other-envtool setup --cpu --frozen"),
        (INSTALLS, "envtool verify"),
        (PROVES, "envtool verify --backend full"),
        (PROVES, "envtool verify || echo never mind"),
        (PROVES, "envtool verify ; true"),
        (PROVES, "envtool verify | tee log"),
        (PROVES, "echo envtool verify"),
        (PROVES, "envtool verify-all"),
    ],
)
def test_a_command_that_proves_nothing(tmp_path, box, command):
    hint = {INSTALLS: "envtool setup --cpu --frozen", PROVES: "envtool verify"}[box]
    found = boxes(
        audited(
            tmp_path, {".github/workflows/ci.yml": f"jobs:\n  a:\n    steps:\n      - run: |\n          {command}\n"}
        )
    )
    assert found[box] == ("open", f"no file of CI or a container runs {hint}")


def test_the_way_back_says_what_was_measured_and_what_was_not(tmp_path):
    report = audited(tmp_path, CLEAN)

    def back(**evidence):
        plan = assess(replace(report, evidence=replace(EVERYTHING, **evidence))).way_back
        return " ".join(text(step) for step in plan.steps), text(plan.time)

    steps, time = back()
    assert "makes generation 1 (torch 2.13.0) current again" in steps
    assert time == "The switch: 0.31 s, measured here on 2026-11-25 from generation 2 to generation 1."
    steps, time = back(flip=None)
    assert time.startswith("The switch was not measured in this project yet: run envtool rollback")
    steps, time = back(environments=(CPU,), way_back=None, plan=PlanFacts(cpu=200_000_000, full=2_800_000_000))
    assert "builds one from the lock (torch 2.13.0)" in steps
    assert time.endswith("Full torch is built first; how long that takes was not measured: it downloads 2.8 GB.")
    elsewhere = replace(EVERYTHING.lock, way_back=False)
    steps, time = back(environments=(CPU,), way_back=None, lock=elsewhere)
    assert "and the lock has no full torch for this machine: envtool setup --cpu keeps" in steps
    assert "Full torch is built first" not in time
    steps, time = back(environments=(), way_back=None, lock=None, flip=None)
    assert "has nothing to go back to yet" in steps
    assert time == "Not measured: envtool has not set this project up yet."


def test_sizes_are_those_that_are_known(tmp_path):
    report = audited(tmp_path, CLEAN)

    def sizes(**evidence):
        found = assess(replace(report, evidence=Evidence(**evidence))).sizes
        return [(bar.name, bar.size) for bar in found.bars], text(found.missing)

    assert sizes(environments=(FULL, CPU)) == (
        [("full torch, on disk", 4_500_000_000), ("CPU-only, on disk", 900_000_000)],
        "",
    )
    assert sizes(environments=(CPU,))[1].startswith(
        "What the other one takes is not known yet: envtool setup --cpu --dry-run"
    )
    assert sizes()[1].startswith("Not known yet: envtool setup --cpu --dry-run")
    assert sizes(plan=PlanFacts(cpu=2, full=28)) == (
        [("full torch, to download", 28), ("CPU-only, to download", 2)],
        "",
    )
    bundle = replace(EVERYTHING.bundle, default_size=750_000_000)
    assert [name for name, _ in sizes(bundle=bundle)[0]] == ["bundle before", "bundle"]


@pytest.mark.parametrize(
    ("files", "verdict"),
    [
        ({"Dockerfile": "FROM python:3.11\nRUN pip install torch\n"}, "1 thing will surely bring the GPU stack."),
        (
            {"Dockerfile": "FROM nvidia/cuda:12.4.1-runtime\nRUN pip install torch\n"},
            "2 things will surely break or bring the GPU stack.",
        ),
        ({"a.py": "import torch\ntorch.ones(1).cuda()\n"}, "1 thing will surely break."),
    ],
)
def test_what_costs_gigabytes_is_not_said_to_break(tmp_path, files, verdict):
    assert text(assess(audited(tmp_path, files)).verdict) == f"Not ready to move: {verdict}"


def test_equal_findings_are_told_once_and_long_lists_are_folded(tmp_path):
    lines = "import torch\n" + "torch.ones(1).cuda()\n" * 20
    report = audited(tmp_path, {"train/a.py": lines, "b.py": "import torch\ntorch.ones(1).cuda()\n"})
    risk = assess(report)
    assert [(row.code, len(row.spots)) for row in risk.sure] == [("CPU101", 21)]
    assert text(risk.verdict) == "Not ready to move: 1 thing will surely break, at 21 places."
    assert text(risk.hot_spots) == "Errors by folder: train 20, b.py 1."
    shown = markdown(risk)
    assert shown.count(".cuda() raises AssertionError") == 2
    assert "<summary>13 places more</summary>" in shown
    assert sum(f"`train/a.py:{line}`" in shown for line in range(2, 22)) == 20


def test_own_sentences_know_code():
    assert words("run `a b` now") == ("run ", Code("a b"), " now")


# --- hostile text -----------------------------------------------------------------------------------------------------

HOSTILE = [
    "[x](javascript:alert(1)).py",
    "a`|`` b.py",
    "<img src=x onerror=alert(1)>.py",
    "@everyone &lt; _x_ *y* ~~z~~.py",
    "a\nb.py",
    "a\x1b[31m\u202eb.py",
    "<!-- x.py",
    "\"' x.py",
]
SOURCE = """import torch
torch.ones(1).to(f"cuda:{x['<b>|`_@y']}")  # </script><script>alert(1)</script> | `
"""


@pytest.fixture
def hostile(tmp_path):
    if sys.platform == "win32":
        pytest.skip("Windows has no such file names")
    folder = tmp_path / "a<b>`|"
    folder.mkdir()
    return audited(folder, {**dict.fromkeys(HOSTILE, SOURCE), "<script>/script>.py": SOURCE, "py2.py": "print 1\n"})


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_markdown_shows_hostile_text_as_text(hostile):
    html = MarkdownIt("commonmark").enable("table").render(FORMATS["markdown"](hostile))
    page = Tags()
    page.feed(html)
    allowed = {"h1", "h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "ul", "ol"}
    assert {tag for tag, _ in page.tags} <= allowed | {"li", "details", "summary"}
    assert [attrs for _, attrs in page.tags if set(attrs) - {"style", "class", "start"}] == []
    # Each row of the summary has its seven cells: no name broke one.
    assert html.count("<td") == 5 * 7 + 3
    for name in HOSTILE:
        shown = name.replace("\n", "\\x0a").replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
        assert f"{shown}:2" in page.text, name


def test_html_shows_hostile_text_as_text(hostile):
    html = FORMATS["html"](hostile)
    page = Tags()
    page.feed(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not {"img", "iframe", "form", "link", "object"} & {tag for tag, _ in page.tags}
    assert not any(key.startswith("on") or key == "src" for _, attrs in page.tags for key in attrs)
    assert "\x1b" not in html
    assert "\u202e" not in html
    for name in HOSTILE:
        shown = name.replace("\n", "\\x0a").replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
        assert f"{shown}:2" in page.text, name


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("torch.nn_x and __init__", "torch.nn_x and \\_\\_init\\_\\_"),
        ("a|b <c> [d]", "a\\|b \\<c\\> \\[d\\]"),
        ("&amp; AT&T", "&amp;amp; AT&T"),
        ("@torch.jit.script", "@<!-- -->torch.jit.script"),
    ],
)
def test_escape_is_no_more_than_needed(given, shown):
    assert escape(given) == shown


@pytest.mark.parametrize(("given", "shown"), [("a", "`a`"), ("a`b", "``a`b``"), ("`a", "`` `a ``"), ("a|b", "`a|b`")])
def test_code_is_closed_by_its_own_backticks_only(given, shown):
    assert code(given) == shown


# --- the two renderings -----------------------------------------------------------------------------------------------


def test_both_renderings_say_the_same(tmp_path):
    files = {
        "train/a.py": "import torch\n" + "torch.ones(1).cuda()\ntorch.load('x.pt')\n" * 12,
        "b.py": "import torch\ntorch.cuda.amp.GradScaler()\nif torch.cuda.is_available():\n    torch.cuda.init()\n",
        "old.py": "import torch\nprint 'x'\n",
        "requirements.txt": "torch==2.0.1+cu118\n",
    }
    report = replace(audited(tmp_path, files), evidence=EVERYTHING)
    html, plain = Tags(), Tags()
    html.feed(re.sub(r"<(style|script)>.*?</\1>", "", FORMATS["html"](report), flags=re.DOTALL))
    plain.feed(MarkdownIt("commonmark").enable("table").render(FORMATS["markdown"](report)))
    ours, theirs = squeezed(html.text), squeezed(plain.text)
    risk = assess(report)
    said = [risk.verdict, *risk.scope, risk.legend, *risk.do, *risk.dont, *risk.way_back.steps, risk.way_back.time]
    said += [part for phase in risk.phases for box in phase.boxes for part in (box.what, box.evidence)]
    said += [(row.reason,) for row in (*risk.fine, *risk.unread)]
    said += [(entry.message,) for group in risk.groups for entry in group.entries]
    said += [(f"{row.path}:{row.line}",) for group in risk.groups for entry in group.entries for row in entry.spots]
    said += [bar.source for bar in risk.sizes.bars]
    assert len(said) > 80
    for sentence in said:
        assert squeezed(text(sentence)) in ours, sentence
        assert squeezed(text(sentence)) in theirs, sentence


def squeezed(words_):
    return " ".join(words_.split())


def test_an_empty_folder_is_no_clean_bill(tmp_path):
    shown = FORMATS["markdown"](audited(tmp_path, {}))
    assert "**Nothing was read: there is no file here that the audit knows.**" in shown
    assert "[x]" not in shown
