"""What is said of keys under ``[tool.uv]`` that a lock does not follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.lock.request import RequestOptions, build_request
from envtool.models import Note
from envtool.settings import Settings

PROJECT = '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch"]\n'
WHY = "without effect: a lock of envtool's does not follow what uv is told there"


def notes(root: Path, options: RequestOptions | None = None) -> list[Note]:
    found = build_request(root, options or RequestOptions(), Settings(), "3.11").notes
    return [note for note in found if note.code == "request.uv-ignored"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('resolution = "lowest"\nprerelease = "allow"\n', f"[tool.uv]: prerelease, resolution {WHY}"),
        ("environments = [\"sys_platform == 'linux'\"]\n", f"[tool.uv]: environments {WHY}"),
        (
            'exclude-newer = "2026-01-01T00:00:00Z"\n',
            f"[tool.uv]: exclude-newer {WHY}; releases that exclude-newer would hold back can be in it",
        ),
        ('no-build = false\nconflicts = []\npackage = true\nconstraint-dependencies = ["six<2"]\n', None),
    ],
)
def test_they_are_named(tmp_path: Path, keys: str, said: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{PROJECT}[tool.uv]\n{keys}", encoding="utf-8")
    assert [note.message for note in notes(tmp_path)] == ([said] if said else [])
    assert notes(tmp_path, RequestOptions(specifiers=("torch",))) == []


def test_those_of_the_root_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.uv]\nresolution = "lowest"\n[tool.uv.workspace]\nmembers = ["app"]\n', encoding="utf-8"
    )
    (tmp_path / "app").mkdir()
    (tmp_path / "app/pyproject.toml").write_text(f'{PROJECT}[tool.uv]\nprerelease = "allow"\n', encoding="utf-8")
    assert [note.message for note in notes(tmp_path / "app")] == [f"[tool.uv]: resolution {WHY}"]
