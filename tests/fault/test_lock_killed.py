"""A lock that is killed, or meets a full disk, at any step of its writing."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from killing import DONE, KILLED, REFUSED, SURVIVED, in_child
from packaging.version import Version

from envtool.errors import LockError
from envtool.lock.stage import LockRequest, LockResult, lock_project, write_lock
from envtool.lock.text import interrupted_texts, parse_lock, read_lock, render_lock
from envtool.lock.workspace import Project, open_project
from envtool.models import Lock, LockFile, Pin


def _lock(version: str) -> Lock:
    def file(name: str, backend: str | None, package: str) -> LockFile:
        return LockFile(
            filename=name, backend=backend, pins=(Pin(name=package, version=Version(version), hashes=("a" * 64,)),)
        )

    return Lock(
        torch={name: file(f"torch-{name}.txt", name, "torch") for name in ("cpu", "full")},
        rest=file("requirements.txt", None, "numpy"),
        inputs=f"sha256:{version}",
        requirements=("numpy", "torch"),
        constraints=(),
        gpu_packages="default",
        python=">=3.11",
        pythons=("3.11",),
        targets=("linux-x86_64",),
    )


OLD, NEW = _lock("1.0"), _lock("2.0")


def _write(project: Project, lock: Lock) -> None:
    write_lock(project, LockResult(lock=lock, changed=True, texts=render_lock(lock)))


def _content(project: Project) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in project.lockfiles.iterdir()}


def _in_place(project: Project) -> dict[str, str]:
    return {name: text for name, text in _content(project).items() if not name.startswith(".")}


def _projects(folder: Path) -> Iterator[tuple[int, Project]]:
    for step in itertools.count():
        root = folder / f"step-{step}"
        root.mkdir()
        project = open_project(root, {}, {})
        _write(project, OLD)
        yield step, project
        shutil.rmtree(root)


class _Silent:
    """A reporter that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_a_kill_at_any_step_leaves_a_lock_that_is_old_or_new_or_can_be_finished(tmp_path: Path) -> None:
    interrupted = 0
    for step, project in _projects(tmp_path):
        ended = in_child(lambda project=project: _write(project, NEW), project.root, at=step)
        assert ended in (KILLED, DONE), (step, ended)
        if _in_place(project) not in (render_lock(OLD), render_lock(NEW)):
            interrupted += 1
            waiting = interrupted_texts(project.lockfiles)
            assert waiting is not None, step
            with pytest.raises(LockError) as caught:
                read_lock(project.lockfiles)
            assert caught.value.code == "lock.interrupted", step
            assert parse_lock(waiting, "lockfiles") == NEW, step
        else:
            assert read_lock(project.lockfiles) in (OLD, NEW), step
        _write(project, NEW)
        assert _content(project) == render_lock(NEW), step
        if ended == DONE:
            break
    assert interrupted == 3, "after each rename but the last one"


def test_the_next_lock_goes_on_from_an_interrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = open_project(tmp_path, {}, {})
    _write(project, OLD)
    assert in_child(lambda: _write(project, NEW), project.root, at=10) == KILLED
    with pytest.raises(LockError, match="was interrupted while it wrote lockfiles/") as caught:
        read_lock(project.lockfiles)
    assert caught.value.hint == "Finish it: envtool lock. Or restore the folder from version control."
    reporter: Any = _Silent()
    previous: list[Lock | None] = []

    def make(request: object, options: object, before: Lock | None, reporter: object) -> Lock:
        previous.append(before)
        return replace(NEW, inputs="sha256:3")

    monkeypatch.setattr("envtool.lock.make.make_lock", make)
    # Nothing but lockfiles/ is here, so the inputs are the lock's own, and it fits them: no network.
    result = lock_project(project, LockRequest(only_resolve=True), reporter)
    assert (result.lock, result.changed, dict(result.texts), previous) == (NEW, True, render_lock(NEW), [])
    assert reporter.warnings == [f"{caught.value.message}; going on from there"]
    # Made again all the same, it keeps what was locked.
    lock_project(project, LockRequest(only_resolve=True), reporter, force=True)
    assert previous == [NEW]


@pytest.mark.parametrize("fault", ["once", "full"])
def test_a_full_disk_at_any_step_leaves_the_old_lock(tmp_path: Path, fault: str) -> None:
    for step, project in _projects(tmp_path):
        ended = in_child(lambda project=project: _write(project, NEW), project.root, at=step, fault=fault)
        # The first change is to make the folder, which is there.
        assert ended in ((SURVIVED, REFUSED) if step == 0 else (REFUSED, DONE)), (step, ended)
        assert _content(project) == render_lock(OLD if ended == REFUSED else NEW), step
        if ended == DONE:
            assert step > (7 if fault == "once" else 3)
            return
