"""One writer at a time, and what is left after a kill."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envtool.env.generations import (
    activate,
    exclusive,
    list_generations,
    next_id,
    recover,
    staging,
    write_record,
)
from envtool.env.records import PLAIN_RECORD, record_path, record_text
from envtool.env.undo import OVER
from envtool.errors import BusyError, InstallError
from envtool.models import Generation, Layout

Add = Callable[..., Generation]
Make = Callable[[Path, str], Path]

posix = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")


def name(folder: Path) -> str:
    return (folder / "name.txt").read_text(encoding="utf-8")


def test_the_checkout_stays_clean(layout: Layout) -> None:
    with exclusive(layout):
        pass
    assert (layout.state / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_second_writer_is_refused_with_exit_code_9(layout: Layout) -> None:
    with exclusive(layout), pytest.raises(BusyError) as caught, exclusive(layout):
        pass
    assert (caught.value.code, int(caught.value.exit_code)) == ("busy", 9)
    assert f"(process {os.getpid()})" in caught.value.message
    with exclusive(layout):
        pass


def test_an_error_inside_frees_the_lock(layout: Layout) -> None:
    with pytest.raises(RuntimeError), exclusive(layout):
        raise RuntimeError
    with exclusive(layout):
        pass
    assert not (layout.state / "lock.pid").exists()


def test_a_state_folder_that_cannot_be_made_is_an_error_with_a_hint(layout: Layout) -> None:
    layout.state.write_text("", encoding="utf-8")
    with pytest.raises(InstallError) as caught, exclusive(layout):
        pass
    assert caught.value.code == "env.state"


def test_recovery_of_nothing_is_nothing(layout: Layout) -> None:
    assert recover(layout) == ()
    assert list(layout.root.iterdir()) == []


@posix
def test_recovery_removes_what_was_never_finished_and_gives_its_number_to_nobody(
    layout: Layout, add: Add, make_environment: Make
) -> None:
    activate(layout, add(1))
    make_environment(layout.generation(2), "half done")
    make_environment(staging(layout, 3), "half done")
    (layout.root / ".venv.envtool-notes").write_text("the user's", encoding="utf-8")
    assert recover(layout) == (
        "removed .venv.envtool-3, left by an interrupted run",
        "removed generation 2, which was never finished",
    )
    assert recover(layout) == ()
    assert next_id(layout) == 4
    assert (layout.root / ".venv.envtool-notes").exists()


@posix
def test_recovery_leaves_the_current_one_even_if_its_record_is_lost(layout: Layout, add: Add) -> None:
    activate(layout, add(1))
    record_path(layout, 1).unlink()
    assert recover(layout) == ("generation 1 is in use and has no record; left as it is",)
    assert name(layout.venv) == "generation 1"


@posix
@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"schema": 2, "id": 1}', "\x00", "[" * 100_000],
    ids=["empty", "an object", "a list", "another schema", "a NUL", "deep"],
)
def test_a_record_that_cannot_be_read_is_not_listed_and_its_folder_is_kept(layout: Layout, add: Add, text: str) -> None:
    add(1)
    record_path(layout, 1).write_text(text, encoding="utf-8")
    assert list_generations(layout) == ()
    assert recover(layout) == ()
    assert name(layout.generation(1)) == "generation 1"


def test_nothing_is_written_before_the_lock_is_held(layout: Layout) -> None:
    """Its holder sweeps the temporary files of others away, and that of .gitignore was one of them."""
    with exclusive(layout):
        (layout.state / ".gitignore").unlink()
        with pytest.raises(BusyError), exclusive(layout):
            pass
        assert not (layout.state / ".gitignore").exists()
    with exclusive(layout):
        assert (layout.state / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_what_an_in_place_setup_was_removing_goes(layout: Layout) -> None:
    (layout.state / OVER / "0").mkdir(parents=True)
    assert recover(layout) == ()
    assert not (layout.state / OVER).exists()


def test_a_journal_that_cannot_be_read_stops_everything(layout: Layout) -> None:
    with exclusive(layout):
        (layout.state / "journal.json").write_text("?", encoding="utf-8")
        with pytest.raises(InstallError) as caught:
            recover(layout)
    assert caught.value.code == "env.journal"


@posix
def test_names_that_only_look_like_numbers_are_left_alone(layout: Layout, add: Add) -> None:
    add(1)
    for odd in ("01", "¹", "1.txt", "notes"):
        (layout.generations / odd).mkdir()
    assert recover(layout) == ()
    assert [one.id for one in list_generations(layout)] == [1]
    assert next_id(layout) == 2


@posix
@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may all")
def test_a_read_only_generation_is_removed(layout: Layout, make_environment: Make) -> None:
    make_environment(layout.generation(1), "half done")
    layout.generation(1).chmod(0o500)
    assert recover(layout) == ("removed generation 1, which was never finished",)


@posix
def test_the_users_folder_is_known_even_when_its_identity_changed(
    layout: Layout, make_record: Add, make_environment: Make
) -> None:
    """Killed between the exchange and the move into the slot, and then the disk was copied: other inodes."""
    with exclusive(layout):
        make_environment(layout.venv, "plain 1")
        (layout.venv / PLAIN_RECORD).write_text(record_text(make_record(1, kind="plain")), encoding="utf-8")
        make_environment(staging(layout, 1), "own")
        write_record(layout, make_record(2, "full", "adopted"))
        journal = {"slot": 2, "staged": staging(layout, 1).name, "identity": [0, 0]}
        (layout.state / "journal.json").write_text(json.dumps(journal), encoding="utf-8")
        assert recover(layout) == ("finished the adoption of your own environment as generation 2",)
    assert name(layout.generation(2)) == "own"
    assert name(layout.venv) == "plain 1"
