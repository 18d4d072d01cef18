"""``envtool lock`` beside another envtool, and beside a migration that was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from workspace import Workspace

from envtool.env.generations import exclusive
from envtool.env.records import layout_for
from envtool.lock import stage
from envtool.models import Layout


@pytest.fixture
def layout(workspace: Workspace) -> Layout:
    """A project that is locked, and whose lock has gone stale."""
    workspace.write("requirements.txt", "torch\n")
    workspace.locked()
    workspace.write("requirements.txt", "torch\nleaf\n")
    return layout_for(workspace.root)


def interrupt(layout: Layout) -> None:
    layout.migration.mkdir(parents=True)
    layout.migration_journal.write_text("{}", encoding="utf-8")


def test_without_a_folder_of_envtools_none_is_made(workspace: Workspace, layout: Layout) -> None:
    assert workspace.locked().result["changed"]
    assert sorted(path.name for path in workspace.root.iterdir()) == ["lockfiles", "requirements.txt"]


def test_while_another_one_works(workspace: Workspace, layout: Layout) -> None:
    before = workspace.files()
    with exclusive(layout):
        done = workspace.lock("--json")
        assert (done.exit_code, done.error["code"]) == (9, "busy")
        assert (workspace.lock("--check").exit_code, workspace.lock("--diff").exit_code) == (5, 0)
    assert workspace.files() == before
    assert workspace.locked().result["changed"]


def test_after_a_migration_that_was_interrupted(workspace: Workspace, layout: Layout) -> None:
    before = workspace.files()
    interrupt(layout)
    done = workspace.lock("--json")
    assert (done.exit_code, done.error["code"]) == (9, "migrate.unfinished")
    assert done.error["message"] == f"a migration was interrupted in {workspace.root}"
    assert done.error["hint"] == "Undo it: envtool migrate --undo. Or go on with it: envtool migrate --resume"
    assert workspace.lock("--check").exit_code == 5
    assert workspace.files() == before


def test_one_that_began_while_the_lock_was_resolved(
    workspace: Workspace, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = workspace.files()
    real: Callable[..., Any] = stage.lock_project

    def slow(*words: Any) -> Any:
        found = real(*words)
        interrupt(layout)
        return found

    monkeypatch.setattr(stage, "lock_project", slow)
    done = workspace.lock("--json")
    assert (done.exit_code, done.error["code"]) == (9, "migrate.unfinished")
    assert workspace.files() == before
