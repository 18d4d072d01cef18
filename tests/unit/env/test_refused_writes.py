"""What the operating system refuses while the chain is changed is one error each, with a next step."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from envtool.adapters import files, platform
from envtool.env import undo
from envtool.env.generations import activate
from envtool.env.pruning import prune
from envtool.env.records import layout_for, write_record
from envtool.env.recovery import recover
from envtool.env.rollback import RollbackRequest, rollback
from envtool.env.standing import Standing, stand_again, standing
from envtool.errors import EnvtoolError, ExitCode
from envtool.lock.workspace import open_project
from envtool.models import Generation, Layout
from envtool.reports.progress import SilentReporter

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")


def record(number: int) -> Generation:
    return Generation(
        id=number,
        backend="cpu",
        torch="2.13.0+cpu",
        python="3.11.7",
        created="2026-11-25T08:00:00+00:00",
        kind="built",
        healthy=True,
    )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = layout_for(tmp_path)
    for number in (1, 2, 3, 4):
        found.generation(number).mkdir(parents=True)
        write_record(found, record(number))
    activate(found, record(4))
    return found


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system", "somewhere")


@pytest.mark.parametrize(
    ("where", "name", "act", "code"),
    [
        (files, "write_text", lambda layout: write_record(layout, record(5)), "env.record"),
        (files, "remove_tree", lambda layout: prune(layout, keep=1), "env.prune"),
        (platform, "point", lambda layout: activate(layout, record(2)), "env.activate"),
        (files, "remove_tree", recover, "env.recover"),
    ],
)
def test_refused(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    name: str,
    act: Callable[[Layout], object],
    code: str,
) -> None:
    layout.generation(9).mkdir()  # without a record: what a killed setup leaves
    monkeypatch.setattr(where, name, refuse)
    with pytest.raises(EnvtoolError) as caught:
        act(layout)
    assert (caught.value.code, caught.value.exit_code) == (code, ExitCode.INSTALL)
    assert "Read-only file system" in caught.value.message
    assert caught.value.hint
    assert layout.venv.resolve() == layout.generation(4).resolve()


@pytest.mark.parametrize("name", ["point", "remove_link"])
def test_what_stood_there_cannot_come_back(layout: Layout, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = standing(layout) if name == "point" else Standing(kind="absent")
    activate(layout, record(2))
    with monkeypatch.context() as patch:
        patch.setattr(platform, name, refuse)
        with pytest.raises(EnvtoolError) as caught:
            stand_again(layout, before)
    assert (caught.value.code, caught.value.exit_code) == ("env.restore", ExitCode.ROLLBACK)
    assert caught.value.message == ".venv cannot be put back: Read-only file system"
    assert caught.value.hint
    assert layout.venv.resolve() == layout.generation(2).resolve()
    assert stand_again(layout, before) == ""
    assert platform.exists(layout.venv) == (name == "point")


@pytest.mark.parametrize("text", ["{", "[]", '{"names": 5}', '{"names": [1], "listing": [], "versions": {}}'])
def test_a_record_in_place_that_cannot_be_read(layout: Layout, text: str) -> None:
    (layout.state / undo.STASH).mkdir()
    (layout.state / undo.RECORD).write_text(text, encoding="utf-8")
    with pytest.raises(EnvtoolError) as caught:
        undo.read_before(layout, Path("python"), ())
    assert (caught.value.code, caught.value.exit_code) == ("in-place.record", ExitCode.INSTALL)
    assert undo.STASH in caught.value.hint


def test_an_end_in_place_is_one_step(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = layout.state / undo.STASH

    def killed(path: Path) -> None:
        if path.exists():
            raise KeyboardInterrupt

    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(files, "remove_tree", killed)
        with pytest.raises(KeyboardInterrupt):
            undo.finish(folder)
    assert not folder.exists(), "nothing is under way any more"
    folder.mkdir()
    undo.finish(folder)
    assert [path.name for path in layout.state.iterdir() if path.name.startswith(undo.STASH)] == []


def test_a_rollback_that_cannot_begin_has_failed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an install that has: none was under way."""
    monkeypatch.setattr(files, "make_folder", refuse)
    project = open_project(layout.root, {}, {})
    with pytest.raises(EnvtoolError) as caught:
        rollback(project, layout, RollbackRequest(to="2"), SilentReporter())
    assert (caught.value.code, caught.value.exit_code) == ("env.state", ExitCode.ROLLBACK)
    assert caught.value.message == f"cannot write {layout.state}: Read-only file system"
