"""``envtool audit`` as a user runs it: exit codes, outputs, explain, since, and no raw control characters."""

from __future__ import annotations

import json
import subprocess

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application

CALL = "import torch\nx = torch.ones(1).cuda()\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a.py").write_text(CALL, encoding="utf-8")
    return folder


def run(*args):
    return CliRunner().invoke(application("audit"), ["audit", *args])


def test_text_points_at_the_place(project, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    result = run()
    assert result.exit_code == 10
    assert result.stdout.splitlines() == [
        "a.py",
        "  2:19: error[CPU101] .cuda() raises AssertionError: Torch not compiled with CUDA enabled",
        "    2 | x = torch.ones(1).cuda()",
        "      |                   ^^^^^^",
        "",
        "1 error, 0 warnings, 0 notes in 1 file.",
        "What a code means: envtool audit --explain CPU101",
    ]
    assert result.stderr == "", "the last lines say what the error would"
    other = run("--format", "markdown")
    assert "error[audit.findings]: 1 error, 0 warnings, 0 notes (--fail-on error)" in other.stderr


def test_quiet_prints_the_findings_and_nothing_else(project, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    result = run("-q")
    assert (result.exit_code, result.stderr) == (10, "")
    assert result.stdout.splitlines() == [
        "a.py",
        "  2:19: error[CPU101] .cuda() raises AssertionError: Torch not compiled with CUDA enabled",
        "    2 | x = torch.ones(1).cuda()",
        "      |                   ^^^^^^",
    ]
    in_a_file = run("-q", "-o", "report.json")
    assert (in_a_file.exit_code, in_a_file.stdout) == (10, "")
    assert "error[audit.findings]: 1 error" in in_a_file.stderr
    (project / "a.py").write_text("x = 1\n", encoding="utf-8")
    fine = run("-q")
    assert (fine.exit_code, fine.stdout, fine.stderr) == (0, "", "")


def test_json_envelope(project):
    result = run("--json")
    data = json.loads(result.stdout)
    assert (result.exit_code, data["exit_code"], data["ok"], data["command"]) == (10, 10, False, "audit")
    finding = data["result"]["findings"][0]
    assert set(finding) == {
        "code", "severity", "confidence", "path", "line", "column", "end_line", "end_column", "message", "fixable",
        "fingerprint",
    }  # fmt: skip
    assert (finding["path"], finding["line"], finding["column"]) == ("a.py", 2, 19)
    assert data["result"]["summary"]["error"] == 1


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--fail-on", "never"], 0),
        (["--ignore", "CPU101"], 0),
        (["--select", "CPU108"], 0),
        (["--fail-on", "note"], 10),
        (["--fail-on", "eror"], 2),
        (["--select", "CPU999"], 2),
        (["--format", "pdf"], 2),
        (["-o", "report.pdf"], 2),
        (["-o", "no/such/folder/report.json"], 2),
        (["--baseline", "none.json"], 2),
        (["nothing-here"], 2),
        (["--explain", "CPU999"], 2),
        (["--explain", "cpu101"], 0),
    ],
)
def test_exit_codes(project, args, code):
    result = run(*args)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output


def test_warnings_fail_only_when_asked(project):
    (project / "a.py").write_text("import torch\ntorch.load('x.pt')\n", encoding="utf-8")
    assert run().exit_code == 0
    assert run("--fail-on", "warning").exit_code == 10


def test_the_report_in_a_file_is_a_baseline(project):
    result = run("-o", "known.json", "--fail-on", "never")
    assert "Wrote known.json." in result.stdout
    again = run("--baseline", "known.json")
    assert again.exit_code == 0
    assert "1 in the baseline" in again.stdout


def test_explain_prints_the_page(project):
    assert run("--explain", "CPU105").stdout.startswith("# CPU105: cuda-query\n")


def test_control_characters_are_shown_not_sent(project):
    (project / "a.py").write_text(
        "import torch\nx = torch.ones(1).cuda()  # \x1b[31m red \u202e \x07\n", encoding="utf-8"
    )
    result = run()
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert r"# \x1b[31m red \u202e \x07" in result.stdout


def test_since(project):
    def git(*args):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *args], check=True, capture_output=True)

    git("init", "-q")
    git("add", "a.py")
    git("commit", "-qm", "one")
    (project / "b.py").write_text(CALL, encoding="utf-8")
    data = json.loads(run("--since", "HEAD", "--json").stdout)
    assert [finding["path"] for finding in data["result"]["findings"]] == ["b.py"]
    result = run("--since", "no-such-commit")
    assert result.exit_code == 2
    assert "git cannot compare with no-such-commit" in result.stderr


def test_help_fits_a_terminal():
    result = CliRunner().invoke(
        application("audit"), ["audit", "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    )
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert "envtool audit --explain CPU101" in result.stdout


def test_what_was_meant_to_be_read_and_was_not_is_named(project, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (project / "a.py").write_text("x = 1\n", encoding="utf-8")
    (project / "README.md").write_text("# App\n", encoding="utf-8")
    assert run("README.md").stdout.splitlines() == [
        "0 errors, 0 warnings, 0 notes in 0 files; 1 skipped (--json lists them).",
        "Not read: README.md: not a kind of file that envtool reads",
    ]
    assert run().stdout == "0 errors, 0 warnings, 0 notes in 1 file.\n"
    (project / "pyproject.toml").write_text("[project\n", encoding="utf-8")
    (project / "b.py").write_text("def f(:\n", encoding="utf-8")
    (project / "c.py").write_text("x = {{ cookiecutter.name }}(\n", encoding="utf-8")
    (project / "uv.lock").write_text('[[package]]\nname = "torch"\nversion\n', encoding="utf-8")
    (project / "node_modules").mkdir()
    *_, pyproject, lock = lines = run().stdout.splitlines()
    assert lines[0] == "0 errors, 0 warnings, 0 notes in 5 files; 5 skipped (--json lists them)."
    assert lines[1:-2] == ["Not read: b.py: not Python 3: invalid syntax (line 1)"]
    assert pyproject.startswith("Not read: pyproject.toml: not TOML: ")
    assert lock.startswith("Not read: uv.lock: cannot be parsed: ")
    assert run("-q").stdout == ""


def test_of_many_broken_files_the_first_are_named(project):
    for number in range(7):
        (project / f"b{number}.py").write_text("def f(:\n", encoding="utf-8")
    lines = [line for line in run().stdout.splitlines() if line.startswith("Not read: ")]
    assert [line.split()[2] for line in lines] == ["b0.py:", "b1.py:", "b2.py:", "b3.py:", "b4.py:", "2"]
    assert lines[-1] == "Not read: 2 more, in --json"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--explain", "cpu999"], "envtool audit prints the code of each finding."),
        (["--explain", "cp101"], "Did you mean CPU101?"),
        (["--explain", "cuda-cal"], "Did you mean cuda-call?"),
        (["--select", "CPX1"], "Codes run from CPU101 to CPU505."),
    ],
)
def test_only_what_is_near_is_suggested(project, arguments, hint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"  hint: {hint}"


@pytest.mark.parametrize("name", [(), ("README.txt",)])
def test_where_there_is_nothing_to_read_is_not_green(project, name):
    (project / "a.py").unlink()
    for file in name:
        (project / file).write_text("nothing\n", encoding="utf-8")
    result = run()
    assert (result.exit_code, result.stdout) == (3, "")
    assert "error[audit.nothing]: nothing to read in ." in result.stderr
    (project / "empty").mkdir()
    assert json.loads(run("empty", "--json").stdout)["error"]["message"] == "nothing to read in empty"


def test_what_was_found_fine_is_counted(project, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (project / "a.py").write_text("import torch\nif torch.cuda.is_available():\n    x.cuda()\n", encoding="utf-8")
    data = json.loads(run("--json").stdout)["result"]
    assert [row["line"] for row in data["safe"]] == [3]
    assert run().stdout.splitlines() == [
        "0 errors, 0 warnings, 0 notes in 1 file.",
        "1 line looks like trouble and is fine: --json says why, as a risk report does (-o risk.md).",
    ]
