"""Where a lock is written, and where not."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from envtool.adapters import files, platform
from envtool.errors import ExitCode, LockError
from envtool.lock.stage import LockResult, write_lock
from envtool.lock.workspace import Project, open_project
from envtool.lock.writable import check_writable

TEXTS = {"torch-cpu.txt": "torch==2.13.0+cpu\n", "requirements.txt": "numpy==2.3.0\n", "lock.toml": "version = 1\n"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return open_project(tmp_path / "project", {}, {})


def result() -> LockResult:
    lock: Any = None  # writing does not look at it
    return LockResult(lock=lock, changed=True, texts=TEXTS)


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_no_lock_is_written_through_a_link_out_of_the_project(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "requirements.txt").write_text("mine\n", encoding="utf-8")
    (other / "torch-notes.txt").write_text("mine\n", encoding="utf-8")
    project.lockfiles.symlink_to(other)
    with pytest.raises(LockError) as caught:
        write_lock(project, result())
    assert (caught.value.code, caught.value.exit_code) == ("lock.outside", ExitCode.LOCK)
    assert caught.value.message == f"lockfiles/ is a link that leads out of the project, to {other}"
    assert {path.name: path.read_text(encoding="utf-8") for path in other.iterdir()} == {
        "requirements.txt": "mine\n",
        "torch-notes.txt": "mine\n",
    }


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_a_link_to_itself(project: Project) -> None:
    project.lockfiles.symlink_to("lockfiles")
    with pytest.raises(LockError) as caught:
        write_lock(project, result())
    assert caught.value.code == "lock.write"


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_links_within_the_project_are_fine_and_files_behind_links_stay(project: Project, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine\n", encoding="utf-8")
    (project.root / "locks").mkdir()
    project.lockfiles.symlink_to("locks")
    (project.lockfiles / "requirements.txt").symlink_to(tmp_path / "mine.txt")
    assert write_lock(project, result()) == ("torch-cpu.txt", "requirements.txt", "lock.toml")
    found = {path.name: path.read_text(encoding="utf-8") for path in (project.root / "locks").iterdir()}
    assert found == TEXTS
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize(
    ("read_only", "cause", "hint"),
    [
        (True, ": Read-only file system", "Make the file system writable, or lock in a copy of the project."),
        (False, " by this user", "Mend its permissions, or lock as the owner of the project."),
    ],
)
def test_why_a_lock_could_not_be_written(
    project: Project, monkeypatch: pytest.MonkeyPatch, read_only: bool, cause: str, hint: str
) -> None:
    monkeypatch.setattr(files, "may_write", lambda folder: False)
    monkeypatch.setattr(platform, "is_read_only", lambda folder: read_only)
    with pytest.raises(LockError) as caught:
        check_writable(project)
    assert (caught.value.code, caught.value.message) == ("lock.write", f"lockfiles/ cannot be written{cause}")
    assert caught.value.hint == hint


def test_a_file_in_place_of_the_folder(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.lockfiles.touch()
    monkeypatch.setattr(files, "may_write", lambda folder: False)
    with pytest.raises(LockError) as caught:
        check_writable(project)
    assert caught.value.message == "lockfiles/ cannot be written: it is no folder"
    assert caught.value.hint == "Move it away, and lock again."


def test_a_full_disk(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(contents: dict[Path, bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_together", full)
    with pytest.raises(LockError) as caught:
        write_lock(project, result())
    assert caught.value.message == "lockfiles/ cannot be written: No space left on device"
    assert caught.value.hint == "Free some space."
