"""Pythons on this machine: what ``--python`` means, pyenv's versions, and what is said when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from envtool.adapters.pythons import _search_path, find_python, installed_pythons, is_generation, is_path
from envtool.errors import InstallError

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
OTHER = "3.10" if MINOR != "3.10" else "3.11"
posix = pytest.mark.skipif(sys.platform == "win32", reason="pyenv is for POSIX")


@pytest.fixture
def pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only Pythons are pyenv's, none of them selected."""
    (tmp_path / "empty").mkdir()
    root = tmp_path / "pyenv"
    program = root / f"versions/{MINOR}.0/bin/python{MINOR}"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    for name, value in {"PATH": "empty", "PYENV_ROOT": "pyenv", "UV_PYTHON_INSTALL_DIR": "empty"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.chdir(tmp_path / "empty")
    return root


@posix
def test_a_version_of_pyenv_that_is_not_selected(pyenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_python(MINOR).resolve() == Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    assert installed_pythons() == (MINOR,)
    monkeypatch.setenv("PYENV_ROOT", str(pyenv / "none"))
    with pytest.raises(InstallError) as caught:
        find_python(MINOR)
    hint = f"Install it (uv python install {MINOR}), or name another one with --python."
    assert (caught.value.code, caught.value.hint) == ("python.missing", hint)


@posix
def test_a_missing_version_names_those_that_are_here(pyenv: Path) -> None:
    with pytest.raises(InstallError) as caught:
        find_python(OTHER)
    assert caught.value.message == f"no Python {OTHER} found on this machine"
    assert caught.value.hint == (
        f"Install it (uv python install {OTHER}), or name another one with --python: {MINOR} is here."
    )


@posix
def test_the_newest_of_pyenv_comes_first_and_behind_the_path(pyenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("3.12.9", "3.12.10", "my-environment", "pypy3.10-7.3.12"):
        (pyenv / f"versions/{name}/bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", "/usr/bin")
    names = sorted({"3.12.9", "3.12.10", f"{MINOR}.0"}, key=lambda name: [int(part) for part in name.split(".")])
    expected = ["/usr/bin", *(str(pyenv / f"versions/{name}/bin") for name in reversed(names))]
    assert _search_path()["PATH"].split(os.pathsep) == expected


@pytest.mark.parametrize(
    ("request_", "message"),
    [("no/such/python", "no file or folder no/such/python"), ("empty.txt", "no Python at empty.txt")],
)
def test_a_path_is_not_a_version_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(InstallError) as caught:
        find_python(request_)
    assert (caught.value.message, "install" in caught.value.hint) == (message, False)


def test_what_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "env").mkdir()
    (tmp_path / "3.12").mkdir()
    assert [text for text in ("env", "a/b", "3.12/bin/python", "3.12", ">=3.12", "python3.12") if is_path(text)] == [
        "env",
        "a/b",
        "3.12/bin/python",
    ]


@posix
def test_a_folder_of_a_user_that_is_not_there(pyenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path.expanduser raises then; and where a container runs under a number without a name, too."""
    monkeypatch.setenv("PYENV_ROOT", "~nobody-has-this-name/x")
    assert _search_path() == {}


@posix
def test_the_folders_own_environment_is_not_what_a_name_means(
    pyenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    project = tmp_path / "project"
    made, own = project / ".envtool/generations/1", tmp_path / "own"
    for folder in (made, own):
        subprocess.run([real, "-m", "venv", "--without-pip", folder], check=True)
    (project / ".venv").symlink_to(made)
    monkeypatch.chdir(project)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(real)
    monkeypatch.setenv("PATH", str(programs))
    for request in ("python3", MINOR, f">={MINOR}"):
        assert find_python(request).resolve() == real
        assert find_python(request).parent != project / ".venv/bin"
    assert find_python(".venv/bin/python") == project / ".venv/bin/python", "a path is what it names"
    # Activated: an environment of ours is left out, another one is what the shell would run.
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(project / ".venv/bin"), str(programs)]))
    assert find_python("python3").parent not in (project / ".venv/bin", made / "bin")
    monkeypatch.setenv("PATH", os.pathsep.join([str(own / "bin"), str(programs)]))
    assert find_python("python3") == own / "bin/python3"
    (own / ".envtool.json").touch()
    assert (is_generation(own), is_generation(made), is_generation(project / ".venv")) == (True, True, True)
    assert find_python("python3") != own / "bin/python3"
