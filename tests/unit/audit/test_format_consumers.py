"""The machine formats, read as their consumers read them: code scanning, the Actions runner, CI systems, JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.formats import FORMATS, SUFFIXES
from envtool.audit.models import Finding, Location
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport, RuleInfo
from envtool.audit.rules import RULES

FIXTURES = Path(__file__).parents[2] / "fixtures"
CALL = "import torch\ntorch.ones(1).cuda()\n"
NASTY = '50% of a,b: c\r\nd | `e` <f> & "g" \x00\x1b\ud800\ufffe é 😀'


def report_on(folder):
    return run_audit(discover([folder], cwd=folder), RULES, AuditOptions())


def finding(**given):
    place = Location(line=3, column=5, end_line=3, end_column=9)
    row = {"code": "CPU101", "severity": "error", "confidence": "high", "path": "a.py", "location": place}
    return Finding(**{**row, "message": "x", "fingerprint": "0123456789abcdef0123", **given})


def report_of(*findings):
    rules = {"CPU101": RuleInfo(code="CPU101", name="cuda-call", summary="summary")}
    return AuditReport(root=Path("project"), findings=findings, safe=(), skipped=(), rules=rules, files=1)


# --- SARIF ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything():
    """The fixtures of all rules at once: every kind of finding that there is."""
    return report_on(FIXTURES / "audit")


def test_sarif_fits_the_schema(everything):
    """The models are generated from the official schema of SARIF 2.1.0 and take no field that it does not name."""
    text = FORMATS["sarif"](everything)
    SarifLog.model_validate_json(text)
    assert len(json.loads(text)["runs"][0]["results"]) == len(everything.findings) > 200
    broken = json.loads(text)
    broken["runs"][0]["results"][0]["bogus"] = 1
    with pytest.raises(ValueError, match="bogus"):
        SarifLog.model_validate(broken)


def test_sarif_has_what_code_scanning_reads(everything):
    (run,) = json.loads(FORMATS["sarif"](everything))["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], run["columnKind"]) == ("envtool", "unicodeCodePoints")
    for rule in driver["rules"]:
        assert re.fullmatch(r"CPU\d{3}", rule["id"])
        assert {"name", "shortDescription", "fullDescription", "help", "defaultConfiguration", "properties"} <= set(
            rule
        )
        assert rule["help"]["markdown"].startswith(f"# {rule['id']}: ")
        assert rule["properties"]["precision"] in ("very-high", "high", "medium", "low")
        assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    for row, ours in zip(run["results"], everything.findings, strict=True):
        assert driver["rules"][row["ruleIndex"]]["id"] == row["ruleId"] == ours.code
        assert (row["level"], row["message"]["text"]) == (ours.severity, ours.message)
        assert row["partialFingerprints"] == {"envtoolFinding/v1": ours.fingerprint}
        ((place,),) = [[item["physicalLocation"] for item in row["locations"]]]
        region = place["region"]
        assert 1 <= region["startLine"] <= region["endLine"]
        assert region["startColumn"] >= 1
        assert region["startLine"] < region["endLine"] or region["endColumn"] >= region["startColumn"]
        assert not re.match(r"/|[a-z]+:|\.\.", place["artifactLocation"]["uri"])
    fingerprints = [row["partialFingerprints"]["envtoolFinding/v1"] for row in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


def test_sarif_of_nothing_is_a_run_without_results():
    text = FORMATS["sarif"](report_of())
    SarifLog.model_validate_json(text)
    assert json.loads(text)["runs"][0]["results"] == []


# --- GitHub annotations -----------------------------------------------------------------------------------------------


def as_the_runner_reads(line):
    """A workflow command, split and unescaped in the order in which the Actions runner does it."""
    level, properties, message = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()
    pairs = dict(item.split("=", 1) for item in properties.split(","))

    def data(text):
        return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")

    def value(text):
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(code, char)
        return text

    return level, {key: value(text) for key, text in pairs.items()}, data(message)


def test_an_annotation_comes_out_as_it_went_in():
    path = "50% a,b: c\nd.py"
    (line,) = FORMATS["github"](report_of(finding(path=path, message="50%, a: b\r\nc ::error::"))).splitlines()
    level, properties, message = as_the_runner_reads(line)
    assert (level, properties["file"], message) == ("error", f"project/{path}", "50%, a: b\r\nc ::error::")
    assert (properties["line"], properties["col"], properties["title"]) == ("3", "5", "CPU101")


# --- JUnit ------------------------------------------------------------------------------------------------------------


def test_junit_is_xml_for_any_text():
    root = ElementTree.fromstring(FORMATS["junit"](report_of(finding(path=NASTY, message=NASTY))))
    (suite,) = root
    assert (root.tag, suite.get("tests"), suite.get("failures")) == ("testsuites", "1", "1")
    shown = '50% of a,b: c\r\nd | `e` <f> & "g" \ufffd\ufffd\ufffd\ufffd é 😀'
    assert suite[0][0].get("message") == shown
    assert suite[0][0].get("type") == "CPU101"


def test_junit_counts_what_it_holds(everything):
    for suite in ElementTree.fromstring(FORMATS["junit"](everything)):
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "0")) == len(suite.findall("testcase/skipped"))


# --- any text, any format ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_fails_on_any_text(name):
    # A lone surrogate comes from an escape in a notebook; a path has those only that stand for bytes.
    text = FORMATS[name](report_of(finding(path=NASTY.replace("\ud800", "\udcff"), message=NASTY)))
    if name in ("text", "markdown", "html", "junit"):
        text.encode("utf-8")
        assert "\x1b" not in text


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("suffix", [*SUFFIXES, ""])
def test_a_file_name_that_is_no_text_is_an_escape(tmp_path, suffix):
    project = tmp_path / "project"
    project.mkdir()
    for name, content in ((b"bad\xff.py", CALL), (b"old\xfe.py", "import torch\nprint 1\n")):
        with open(os.path.join(os.fsencode(project), name), "w") as file:  # noqa: PTH118, PTH123
            file.write(content)
    file = tmp_path / f"report{suffix}"
    wanted = ["-q", "-o", file] if suffix else ["--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-m", "envtool", "audit", *wanted]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (10, False), done.stderr
    text = (file.read_bytes() if suffix else done.stdout).decode("utf-8")
    if suffix in ("", ".json"):
        result = json.loads(text)
        assert result.get("result", result)["findings"][0]["path"] == "bad\udcff.py"
    elif suffix == ".sarif":
        place = json.loads(text)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "bad%FF.py"
    elif suffix == ".xml":
        assert ElementTree.fromstring(text)[0].get("name") == "bad\ufffd.py"
    else:
        assert "bad\\udcff.py" in text
