"""Builds of Python that torch has no wheels for, or that a lock does not cover."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from pathlib import Path

import pytest

from envtool.errors import ExitCode, UsageError
from envtool.lock import project as rooms
from envtool.lock.project import choose_interpreter
from envtool.lock.workspace import Project, open_project

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
GIL = f"Name a 64-bit CPython with the GIL: --python {HERE}, or its path."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return open_project(tmp_path, {}, {})


@pytest.mark.skipif(os.name == "nt", reason="needs an executable shell script")
@pytest.mark.parametrize(
    ("patch", "words", "hint"),
    [
        ("import sysconfig; sysconfig.get_config_var = lambda name: 1", "is a free-threaded build", GIL),
        ("sys.maxsize = 2**31 - 1", "is a 32-bit build", GIL),
        (
            "import platform; sys.platform = 'linux'; platform.libc_ver = lambda: ('', '')",
            "is not built for glibc",
            "Use an image with glibc, such as one of Debian's.",
        ),
    ],
)
def test_a_build_that_will_not_do(
    project: Project, monkeypatch: pytest.MonkeyPatch, patch: str, words: str, hint: str
) -> None:
    path = project.root / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; {patch}; exec(sys.argv[3])" "$@"\n')
    path.chmod(0o755)
    monkeypatch.setattr(rooms, "find_python", lambda wanted: path)
    (project.root / ".python-version").write_text("3.13t\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"^3.13t {words}") as caught:
        choose_interpreter(project)
    assert (caught.value.code, caught.value.exit_code) == ("python.unsupported", ExitCode.USAGE)
    assert caught.value.hint == hint
    found = choose_interpreter(project, only_resolve=True)
    assert (found.path, found.minor) == (path, HERE)


@pytest.mark.parametrize(
    ("owner", "name", "value", "words"),
    [
        (sysconfig, "get_config_var", {"Py_GIL_DISABLED": 1}.get, "is a free-threaded build"),
        (sys, "maxsize", 2**31 - 1, "is a 32-bit build"),
        (platform, "libc_ver", lambda: ("", ""), "is not built for glibc"),
    ],
)
def test_envtool_run_by_such_a_build(
    project: Project, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, value: object, words: str
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    assert choose_interpreter(project).minor == HERE
    monkeypatch.setattr(owner, name, value)
    with pytest.raises(UsageError) as caught:
        choose_interpreter(project)
    assert caught.value.message.startswith(f"the Python that runs envtool ({HERE}) {words}")
    assert choose_interpreter(project, only_resolve=True).minor == HERE


@pytest.mark.skipif(os.name == "nt", reason="needs an executable shell script")
@pytest.mark.parametrize(
    ("wanted", "variable", "message", "hint"),
    [
        ("3.9", "", "Python 3.9 will not do; envtool sets up 3.10 to 3.14", "Choose another one with --python."),
        (
            "3.9",
            " 3.9 ",
            "ENVTOOL_PYTHON is Python 3.9; envtool sets up 3.10 to 3.14",
            "Choose another one with --python, or change the variable.",
        ),
        ("python3", "", "python3 is Python 3.9; envtool sets up 3.10 to 3.14", "Choose another one with --python."),
        ("python3", "3.12", "python3 is Python 3.9; envtool sets up 3.10 to 3.14", "Choose another one with --python."),
    ],
)
def test_a_python_that_is_not_supported_is_named_as_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, variable: str, message: str, hint: str
) -> None:
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\necho 3.9.18 cpython\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(rooms, "find_python", lambda wanted: path)
    monkeypatch.setenv("ENVTOOL_PYTHON", variable)
    with pytest.raises(UsageError) as caught:
        choose_interpreter(open_project(tmp_path, {"python": wanted}, {}))
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("python.unsupported", message, hint)
