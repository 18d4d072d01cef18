"""Errors that no other test meets, each seen once: exit code, code, and a next step."""

from __future__ import annotations

import sys
import zipfile

import pytest
from place import Place


@pytest.mark.parametrize(
    ("words", "message", "see"),
    [
        (["lokc"], "No such command 'lokc'. Did you mean 'lock'?", "envtool --help"),
        (["lock", "--chekc"], "No such option: --chekc", "envtool lock --help"),
    ],
)
def test_words_that_nobody_knows(place: Place, words: list[str], message: str, see: str) -> None:
    done = place.call(*words, "--json")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert done.error["message"].startswith(message)
    assert done.error["hint"] == f"See: {see}"


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["lock", "--upgrade-package", "nothing-of-this-name"], 4, "lock.upgrade"),
        (["setup", "--cpu", "--in-place", "--plain", "--python", sys.executable], 2, "in-place.plain"),
        (["verify", "--static", "--path", ".", "--junit", "requirements.txt/report.xml"], 2, "verify.junit"),
        (["migrate", "--resume", "--undo"], 2, "usage.migrate"),
        (["audit", "--format", "pdf"], 2, "audit.format"),
        (["audit", "-o", "report.pdf"], 2, "audit.format"),
        (["audit", "-o", "requirements.txt/report.md"], 2, "audit.output"),
        (["audit", "--unsafe-fixes"], 2, "audit.unsafe-fixes"),
    ],
)
def test_wrong_words(place: Place, words: list[str], exit_code: int, code: str) -> None:
    if words[0] == "lock":
        assert place.call("lock").code == 0
    done = place.call(*words, "--json")
    assert (done.code, done.error["code"]) == (exit_code, code)
    assert done.error["hint"]


def test_no_environment_to_run_in(place: Place) -> None:
    done = place.call("run", "--", "python")
    assert (done.code, done.out) == (2, "")
    assert "error[env.missing]" in done.err
    assert "envtool setup --cpu" in done.err


def test_a_lock_for_others(place: Place) -> None:
    """In a folder that holds nothing but a lock, and that one for another platform."""
    assert place.call("lock").code == 0
    for name in ("requirements.txt", "pyproject.toml"):
        (place.root / name).unlink()
    table = place.root / "lockfiles" / "lock.toml"
    table.write_text(table.read_text(encoding="utf-8").replace("linux-x86_64", "macos-arm64"), encoding="utf-8")
    done = place.call("setup", "--cpu", "--frozen", "--json")
    assert (done.code, done.error["code"]) == (5, "lock.target")
    assert done.error["hint"].startswith("Lock it: envtool lock --target linux-")
    assert not place.venv.exists()


def test_a_way_back_that_was_never_locked(place: Place) -> None:
    """A rollback takes the lock as it is, and this one has no full torch."""
    assert place.call("lock", "--backend", "cpu").code == 0
    done = place.call("rollback", "--json")
    assert (done.code, done.error["code"]) == (5, "lock.backend")
    assert done.error["message"] == "lockfiles/ holds no torch-full.txt"
    assert done.error["hint"] == "Lock it: envtool lock --backend full"
    assert not place.venv.exists()
    assert place.call("lock", "--backend", "full").code == 0
    assert place.call("rollback", "--dry-run").code == 0


def test_a_model_for_an_interpreter_without_torch(place: Place) -> None:
    with zipfile.ZipFile(place.root / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02}.")
        archive.writestr("model/constants.pkl", b"\x80\x02).")
        archive.writestr("model/version", "3\n")
        archive.writestr("model/code/__torch__.py", "")
    done = place.call("model", "model.pt", "--load", "--python", sys.executable, "--json")
    assert (done.code, done.error["code"]) == (2, "model.no-torch")
    assert done.error["message"] == f"{sys.executable} has no torch"
    assert done.error["hint"].startswith("Name an interpreter that has torch")


@pytest.mark.parametrize("words", [(), ("--frozen",)])
def test_a_python_that_the_project_does_not_admit(place: Place, words: tuple[str, ...]) -> None:
    """Whether or not there is a lock: no lock would be for this Python."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    table = f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10,!={own}.*"\ndependencies = ["torch"]\n'
    place.write("pyproject.toml", f'{table}[tool.envtool]\ntargets = ["linux-x86_64"]\n')
    assert place.call("lock").code == 0
    assert place.call("lock", "--check").code == 0
    done = place.call("setup", "--cpu", "--python", sys.executable, "--json", *words)
    assert (done.code, done.error) == (
        2,
        {
            "code": "lock.python",
            "message": f"Python {own} is not in requires-python !={own}.*,>=3.10",
            "hint": "Choose another one with --python, or change requires-python.",
        },
    )
