"""The question that a command asks in a subfolder of a project with torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application
from envtool.lock.above import files_under_other_names, project_above
from envtool.lock.request import RequestOptions, build_request
from envtool.settings import Settings


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    folder = tmp_path / "project/src/deep"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("requirements.txt", "numpy\ntorch==2.13.0\n", "requirements.txt there names torch"),
        ("requirements.in", "torchvision\n", "requirements.in there names torch"),
        ("pyproject.toml", '[project]\ndependencies = ["torch>=2"]\n', "pyproject.toml there names torch"),
        ("lockfiles/lock.toml", "", "lockfiles/ is there"),
        ("requirements.txt", "torch-geometric\npytorch-lightning\n# torch\nnumpy  # not torch\n", ""),
        ("pyproject.toml", '[project]\ndescription = "no torch needed"\n', ""),
    ],
)
def test_the_nearest_project_above(deep: Path, name: str, text: str, reason: str) -> None:
    file = deep.parents[1] / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    assert project_above(deep) == (f"Did you mean ../.. ({reason})?" if reason else "")


def test_not_beyond_the_repository_nor_in_the_home_folder(deep: Path) -> None:
    (deep.parents[2] / "requirements.txt").write_text("torch\n", encoding="utf-8")
    assert project_above(deep) == ""
    (deep.parents[1] / "requirements.txt").write_text("torch\n", encoding="utf-8")
    (deep.parent / ".git").mkdir()
    assert project_above(deep) == ""
    (deep.parent / "requirements.txt").write_text("torch\n", encoding="utf-8")
    assert project_above(deep) == "Did you mean .. (requirements.txt there names torch)?"
    (deep / ".git").mkdir()
    assert project_above(deep) == ""


def test_setup_and_lock_ask(deep: Path) -> None:
    request = build_request(deep, RequestOptions(), Settings(), "3.11")
    assert [(note.code, note.message) for note in request.notes] == [
        ("request.default", "no requirements found here: setting up torch alone")
    ]
    (deep.parent / "requirements.txt").write_text("torch\n", encoding="utf-8")
    request = build_request(deep, RequestOptions(), Settings(), "3.11")
    message = (
        "no requirements found here: setting up torch alone. Did you mean .. (requirements.txt there names torch)?"
    )
    assert [(note.code, note.message) for note in request.notes] == [("request.subfolder", message)]
    assert [str(item.requirement) for item in request.requirements] == ["torch"]


@pytest.mark.parametrize("command", [["status"], ["verify"], ["migrate"], ["rollback"], ["run", "python"]])
def test_commands_ask(deep: Path, command: list[str]) -> None:
    (deep.parent / "requirements.txt").write_text("torch\n", encoding="utf-8")
    done = CliRunner(env={"GITHUB_ACTIONS": ""}).invoke(application(), command)
    assert "Did you mean .. (requirements.txt there names torch)?" in done.output


@pytest.mark.parametrize("command", [["lock", "--check"], ["setup", "--cpu", "--frozen"]])
def test_commands_that_need_a_lock_ask_for_the_one_above(deep: Path, command: list[str]) -> None:
    text = "error[lock.missing]: there is no lockfiles/lock.toml\n  hint: {}\n"
    run = CliRunner(env={"GITHUB_ACTIONS": ""}).invoke
    assert run(application(), command).stderr == text.format("Write one: envtool lock")
    (deep.parent / "lockfiles").mkdir()
    (deep.parent / "lockfiles/lock.toml").touch()
    done = run(application(), command)
    assert (done.exit_code, done.stderr) == (5, text.format("Did you mean .. (lockfiles/ is there)?"))


@pytest.mark.parametrize(
    ("names", "question"),
    [
        (["requirements/base.txt"], "-r requirements/base.txt"),
        (["requirements_gpu.txt"], "-r requirements_gpu.txt"),
        (["requirements-dev.txt"], "-r requirements-dev.txt"),
        (["dev-requirements.in"], "-r dev-requirements.in"),
        (["requirements/dev.txt", "requirements/base.txt"], "-r requirements/base.txt or -r requirements/dev.txt"),
        (["requirements/base.txt", "requirements/base.in"], "-r requirements/base.in"),
        # Torch is what is asked for here: the file that names it comes first.
        (["requirements/base.txt", "requirements/ml.txt:torch"], "-r requirements/ml.txt or -r requirements/base.txt"),
        (
            ["requirements/a.txt", "requirements/b.txt", "c-requirements.txt"],
            "-r c-requirements.txt, -r requirements/a.txt or -r requirements/b.txt",
        ),
        (
            [f"requirements/{name}.txt" for name in "abcde"],
            "-r requirements/a.txt, -r requirements/b.txt, -r requirements/c.txt or one of 2 more",
        ),
    ],
)
def test_files_under_other_names_are_asked_about(deep: Path, names: list[str], question: str) -> None:
    for text in names:
        name, _, torch = text.partition(":")
        (deep / name).parent.mkdir(exist_ok=True)
        (deep / name).write_text(f"numpy\n{torch}\n", encoding="utf-8")
    # What is here comes before what is above.
    (deep.parent / "requirements.txt").write_text("torch\n", encoding="utf-8")
    request = build_request(deep, RequestOptions(), Settings(), "3.11")
    assert [(note.code, note.message) for note in request.notes] == [
        ("request.other-files", f"no requirements found here: setting up torch alone. Did you mean {question}?")
    ]
    moved = CliRunner(env={"GITHUB_ACTIONS": ""}).invoke(application(), ["migrate"])
    hint = f"Files under other names are not read: write {question} into requirements.in."
    assert moved.stderr.splitlines()[1].startswith(f"  hint: {hint} ")


def test_what_is_no_requirements_file_is_not_asked_about(deep: Path) -> None:
    for name in ("notes.txt", "requirements.md", "myrequirements.txt", "sub/requirements.txt"):
        (deep / name).parent.mkdir(exist_ok=True)
        (deep / name).touch()
    (deep / "requirements-dev.txt").mkdir()
    assert files_under_other_names(deep) == ()
