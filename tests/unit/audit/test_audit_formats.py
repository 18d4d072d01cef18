"""Every format of the report, for hostile names too."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.formats import FORMATS, SUFFIXES
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES

FILES = {
    "a b/app.py": "import torch\ntorch.ones(1).cuda()\ntorch.load('x.pt')\n",
    "amp.py": (
        "import torch\ntorch.cuda.amp.GradScaler()\nif torch.cuda.is_available():\n    torch.cuda.synchronize()\n"
    ),
    "old.py": "import torch\nprint 'x'\n",
}


@pytest.fixture
def report(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())


@pytest.fixture
def empty(tmp_path):
    return run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_in_a_newline_and_is_stable(name, report, empty):
    for given in (report, empty):
        text = FORMATS[name](given)
        assert text == "" or text.endswith("\n")
        assert text == FORMATS[name](given)
        assert str(given.root) not in text or name == "text"


def test_suffixes_name_formats():
    assert set(SUFFIXES.values()) <= set(FORMATS)


def test_sarif(report):
    data = json.loads(FORMATS["sarif"](report))
    run = data["runs"][0]
    assert (data["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "envtool")
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["CPU101", "CPU108", "CPU115"]
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("CPU101", 0, "error")
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b/app.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 2, "startColumn": 15, "endLine": 2, "endColumn": 21}
    assert first["partialFingerprints"] == {"envtoolFinding/v1": report.findings[0].fingerprint}
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert [note["message"]["text"] for note in notes] == ["not read: Python 2 (line 2)"]


def test_junit(report):
    root = ElementTree.fromstring(FORMATS["junit"](report))
    suites = {suite.get("name"): (suite.get("tests"), suite.get("failures")) for suite in root}
    assert suites == {"a b/app.py": ("2", "2"), "amp.py": ("1", "0"), "not read": ("1", "0")}


def test_junit_without_findings_has_a_case(empty):
    root = ElementTree.fromstring(FORMATS["junit"](empty))
    assert len(root.findall(".//testcase")) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such file names")
def test_junit_replaces_what_xml_cannot_hold(tmp_path):
    (tmp_path / "a\x01.py").write_text(FILES["a b/app.py"], encoding="utf-8")
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    root = ElementTree.fromstring(FORMATS["junit"](report))
    assert root[0].get("name") == "a\ufffd.py"


def test_github_puts_errors_first_and_escapes(report):
    lines = FORMATS["github"](report).splitlines()
    assert lines[0].startswith("::error file=a b/app.py,line=2,col=15,title=CPU101::")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]


def test_services_get_paths_from_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "app.py").write_text("import torch\ntorch.ones(1).cuda()\n", encoding="utf-8")
    report = run_audit(discover([tmp_path / "sub"], cwd=tmp_path), RULES, AuditOptions())
    for folder, path in ((tmp_path, "sub/app.py"), (tmp_path / "sub", "app.py")):
        monkeypatch.chdir(folder)
        assert FORMATS["github"](report).startswith(f"::error file={path},line=2,")
        assert f'"uri": "{path}"' in FORMATS["sarif"](report)


class Page(HTMLParser):
    """What a page shows, and what it would fetch."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_html_is_one_file_with_every_finding(report):
    page = Page()
    page.feed(FORMATS["html"](report))
    assert [attrs["data-severity"] for _, attrs in page.tags if "data-severity" in attrs] == [
        "error",
        "warning",
        "note",
    ]
    assert not any("src" in attrs or not attrs.get("href", "#").startswith("#") for _, attrs in page.tags)
    assert {tag for tag, _ in page.tags} >= {"table", "fieldset", "main", "nav", "footer"}
    assert "2 | torch.ones(1).cuda()" in page.text
    assert "old.py: Python 2 (line 2)" in page.text


def test_html_escapes_what_files_say(tmp_path):
    text = "import torch\nx = torch.ones(1).cuda()  # <script>alert(1)</script> \x1b[0m\n"
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    html = FORMATS["html"](run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions()))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[0m" in html


SECRETS = {
    "requirements.txt": "--extra-index-url https://ci:hunter2@mirror.example/whl/cu126\ntorch\n",
    "more-requirements.txt": "torch @ https://t0ken@mirror.example/torch-2.5.0%2Bcu118-cp311-cp311-linux_x86_64.whl\n",
    "Dockerfile": "FROM python\nENV PIP_EXTRA_INDEX_URL=https://ci:hun@ter2@mirror.example/whl/cu118\n"
    "RUN pip install --index-url HTTPS://ci:hunter2@mirror.example/whl/cu121 torch\n",
}


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_credentials(name, tmp_path):
    for path, text in SECRETS.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    assert {finding.path for finding in report.findings} == set(SECRETS)
    text = FORMATS[name](report)
    assert not [secret for secret in ("hunter2", "ter2", "t0ken", "ci:") if secret in text]
    if name == "text":
        assert "--extra-index-url https://****@mirror.example/whl/cu126" in text
        rows = text.splitlines()
        number = next(index for index, row in enumerate(rows) if "RUN pip" in row)
        line, carets = rows[number : number + 2]
        assert line.endswith("pip install --index-url HTTPS://****@mirror.example/whl/cu121 torch")
        assert line[carets.index("^") : carets.rindex("^") + 1] == "torch"
