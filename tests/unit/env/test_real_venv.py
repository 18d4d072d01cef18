"""A real environment, made by venv, through adoption, flip and way back: it runs, and it is what it was."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envtool.env.generations import activate, exclusive, way_back, write_record
from envtool.models import Generation, Layout

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")


def _venv(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)


def _fingerprint(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every name below, with mode, time and content: equal means byte for byte the same."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        found[path.relative_to(folder).as_posix()] = (status.st_mode, status.st_mtime_ns, status.st_ino, content)
    return found


def _prefix(python: Path) -> str:
    done = subprocess.run(
        [python, "-B", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_users_venv_comes_back_byte_for_byte(layout: Layout, make_record: Callable[..., Generation]) -> None:
    _venv(layout.venv)
    # A program as pip writes it: its first line names the interpreter by the path of .venv.
    script = layout.venv / "bin" / "where"
    script.write_text(f"#!{layout.venv}/bin/python -B\nimport sys\nprint(sys.prefix)\n", encoding="utf-8")
    script.chmod(0o755)
    before = _fingerprint(layout.venv)
    with exclusive(layout):
        _venv(layout.generation(1))
        write_record(layout, make_record(1))
        activate(layout, make_record(1), adopt=make_record(2, "full", "adopted"))
    assert layout.venv.is_symlink()
    assert _prefix(layout.venv / "bin" / "python") == str(layout.venv)
    assert _prefix(layout.generation(2) / "bin" / "python") == str(layout.generation(2))
    assert _fingerprint(layout.generation(2)) == before
    back = way_back(layout)
    assert back is not None
    with exclusive(layout):
        activate(layout, back)
    assert _fingerprint(layout.venv.resolve()) == before
    assert _prefix(layout.venv / "bin" / "python") == str(layout.venv)
    done = subprocess.run([layout.venv / "bin" / "where"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(layout.venv)
