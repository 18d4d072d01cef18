"""``envtool audit --fix`` and ``--diff`` as a user runs them."""

from __future__ import annotations

import errno
import json
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application
from envtool.env.generations import exclusive
from envtool.env.records import layout_for

CU = "https://download.pytorch.org/whl/cu118"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "requirements.txt").write_bytes(
        f"--extra-index-url {CU}\r\ntorch==2.0.1+cu118 --index-url {CU}\r\nnumpy\r\n".encode("utf-16")
    )
    (tmp_path / "Dockerfile").write_text("FROM python:3.11\nRUN pip install torch torchvision\n", encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(application("audit"), ["audit", "--select", "CPU3,CPU4", *arguments])
    return result.exit_code, result.stdout


def test_fix_mends_and_a_second_run_changes_nothing(project: Path) -> None:
    code, text = run("--fix")
    assert code == 0
    assert text.endswith("Fixed 4 findings in 2 files.\n")
    requirements = (project / "requirements.txt").read_bytes()
    assert requirements.decode("utf-16") == "torch==2.0.1\r\nnumpy\r\n"
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile == (
        "FROM python:3.11\nRUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu\n"
    )
    code, text = run("--fix")
    assert (code, text.splitlines()[-1]) == (0, "Fixed 0 findings in 0 files.")
    assert (project / "requirements.txt").read_bytes() == requirements


def test_what_no_edit_settles_is_said_under_the_fixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text(f"--extra-index-url {CU}\ntorch\n", encoding="utf-8")
    code, text = run("--fix")
    assert code == 10
    fixed, settles = text.splitlines()[-2:]
    assert fixed == "Fixed 1 finding in 1 file."
    assert settles == (
        "CPU301 in requirements.txt needs no edit: envtool lock routes torch to the CPU index, and envtool setup --cpu "
        "installs it from there."
    )


def test_diff_writes_nothing(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.iterdir()}
    code, text = run("--diff")
    assert code == 10
    assert "+RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu" in text.splitlines()
    assert "-torch==2.0.1+cu118 --index-url " + CU in text.splitlines()
    assert {path: path.read_bytes() for path in project.iterdir()} == before


SAFE = "torch==2.0.1+cu118\n"
UNSAFE = "--index-url https://download.pytorch.org/whl/cpu\n"


@pytest.mark.parametrize(
    ("text", "line", "marks"),
    [
        (SAFE, "[*] 1 fixable with --fix.", 1),
        (
            UNSAFE + SAFE,
            "[*] 1 fixable with --fix; 1 more with --fix --unsafe-fixes, which may change what runs.",
            1,
        ),
        (UNSAFE + "torch\n", "1 fixable with --fix --unsafe-fixes, which may change what runs.", 0),
        ("numpy\n", "0 errors, 0 warnings, 0 notes in 1 file.", 0),
    ],
)
def test_the_mark_of_a_fix_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: str, marks: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    _, out = run()
    summary = out[out.index(" in 1 file.") :].splitlines()[1:] or [out.splitlines()[-1]]
    assert summary[0].startswith(line)
    assert sum("[*] " in row for row in out.splitlines() if row.startswith("  ")) == marks


def test_quiet_fixing_prints_what_is_left(project: Path) -> None:
    assert run("--fix", "-q") == (0, "")
    (project / "Dockerfile").write_text("FROM python:3.11\nRUN pip install torch\n", encoding="utf-8")
    code, text = run("--diff", "-q")
    assert (code, text.splitlines()[0]) == (10, "--- a/Dockerfile")


def test_quiet_fixing_tells_what_could_not_be_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    code, text = run("--fix", "-q", "--fail-on", "never")
    assert code == 0
    assert text.splitlines()[-2:] == [
        "Dockerfile: not fixed: cannot be written: Read-only file system",
        "requirements.txt: not fixed: cannot be written: Read-only file system",
    ]


def test_json_names_what_was_fixed(project: Path) -> None:
    code, text = run("--fix", "--json")
    result = json.loads(text)["result"]
    assert code == 0
    assert result["fixed"] == [{"path": "Dockerfile", "fixes": 1}, {"path": "requirements.txt", "fixes": 3}]
    assert result["not_fixed"] == []


def test_a_line_that_leads_to_cpu_builds_goes_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "--index-url https://download.pytorch.org/whl/cpu\ntorch\n"
    file = tmp_path / "requirements.txt"
    file.write_text(text, encoding="utf-8")
    run("--fix")
    assert file.read_text(encoding="utf-8") == text
    run("--fix", "--unsafe-fixes")
    assert file.read_text(encoding="utf-8") == "torch\n"


def test_a_suppressed_finding_is_not_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "torch==2.0.1+cu118  # envtool: ignore[CPU303] GPU host\n"
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    run("--fix")
    assert (tmp_path / "requirements.txt").read_text(encoding="utf-8") == text


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("torch==2.0.1+cu118 # \x1b[31m\n", encoding="utf-8")
    _, text = run("--diff")
    assert "\x1b" not in text
    assert "\\x1b[31m" in text


def test_fix_waits_for_no_other_envtool(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the one that the file lies in, wherever the command is given."""
    before = {path: path.read_bytes() for path in project.iterdir()}
    (project / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "er")
    with exclusive(layout_for(project)):
        code, text = run("--fix", "--json", "../..")
        assert (code, json.loads(text)["error"]["code"]) == (9, "busy")
        assert run("--diff", "../..")[0] == 10
    assert {path: path.read_bytes() for path in before} == before
    layout_for(project).migration.mkdir()
    layout_for(project).migration_journal.write_text("{}", encoding="utf-8")
    code, text = run("--fix", "--json", "../../requirements.txt")
    error = json.loads(text)["error"]
    assert (code, error["code"]) == (9, "migrate.unfinished")
    assert error["hint"] == "Undo it: envtool migrate --undo. Or go on with it: envtool migrate --resume"
    assert {path: path.read_bytes() for path in before} == before
    layout_for(project).migration_journal.unlink()
    assert run("--fix", "../..")[0] == 0


def test_fix_makes_no_folder_of_envtools(project: Path) -> None:
    assert run("--fix")[0] == 0
    assert sorted(path.name for path in project.iterdir()) == ["Dockerfile", "requirements.txt"]
