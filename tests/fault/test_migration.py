"""SIGKILL, or a full disk, before every single change of a migration: all as before, or all as after."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import DONE, KILLED, SURVIVED, add_generation, in_child, make_environment, name_of, record
from picture import picture

from envtool.adapters import files
from envtool.env.generations import activate, activate_plain, exclusive, layout_for, next_id, recover, staging
from envtool.env.records import write_record
from envtool.errors import BusyError
from envtool.migrate.transaction import begin, tidy, unfinished
from envtool.models import Layout

OWN = "the user's own"


def _files(layout: Layout) -> None:
    """What a migration changes, in the forms that are easily lost."""
    root = layout.root
    (root / "README.md").write_bytes(b"# App\r\n\r\nNo newline at the end")
    (root / "README.md").chmod(0o640)
    (root / "app.spec").write_bytes(b"a = 1\n")
    (root / "app.spec").chmod(0o444)
    (root / "shared.txt").write_bytes(b"shared\n")
    (root / "requirements.txt").symlink_to("shared.txt")
    (root / "dist" / "app").mkdir(parents=True)
    (root / "dist" / "app" / "app").write_bytes(b"old")
    (root / "dist" / "app" / "app").chmod(0o755)


def _nothing(layout: Layout) -> None:
    _files(layout)


def _empty(layout: Layout) -> None:
    _files(layout)
    layout.venv.mkdir(mode=0o700)


def _own(layout: Layout) -> None:
    _files(layout)
    make_environment(layout.venv, OWN)


def _chain(layout: Layout) -> None:
    _files(layout)
    with exclusive(layout):
        add_generation(layout, 1)
        activate(layout, add_generation(layout, 2, "full"))


def _plain(layout: Layout) -> None:
    _files(layout)
    with exclusive(layout):
        make_environment(staging(layout, 1), "plain 1")
        activate_plain(layout, staging(layout, 1), record(1))


PROJECTS = {"none": _nothing, "empty": _empty, "own": _own, "chain": _chain, "plain": _plain}


def migrate(layout: Layout, *, commit: bool = True) -> None:
    """What the phases do, in small: fix files, write new ones, adopt and switch, build and place, document."""
    with exclusive(layout, migrating=True):
        transaction = unfinished(layout)
        if transaction is not None:
            transaction.restore()
        recover(layout)
        transaction = begin(layout)
        for name, content in (("app.spec", b"a = 2\n"), ("requirements.txt", b"torch\n"), ("app.spec", b"a = 3\n")):
            transaction.expect(layout.root / name, content)
            files.write_bytes(layout.root / name, content)
        for name in ("torch-cpu.txt", "lock.toml"):
            transaction.expect(layout.root / "lockfiles" / name, b"new\n")
            files.make_folder(layout.root / "lockfiles")
            files.write_bytes(layout.root / "lockfiles" / name, b"new\n")
        number = next_id(layout)
        make_environment(layout.generation(number), "new")
        write_record(layout, record(number))
        activate(layout, record(number), adopt=record(next_id(layout), "full", "adopted"))
        for name in ("app", "other"):
            files.make_folder(transaction.staging / name)
            (transaction.staging / name / "app").write_bytes(b"new " + name.encode())
            transaction.place(transaction.staging / name, layout.root / "dist" / name)
        transaction.expect(layout.root / "README.md", b"# new\n")
        files.write_bytes(layout.root / "README.md", b"# new\n")
        if commit:
            transaction.commit()


def settle(layout: Layout) -> None:
    """What the next ``envtool migrate --undo`` does."""
    with exclusive(layout, migrating=True):
        transaction = unfinished(layout)
        if transaction is None:
            recover(layout)
            tidy(layout)
        else:
            assert transaction.restore() == ()


def is_committed(layout: Layout) -> bool:
    return not (layout.migration / "journal.json").exists() and (layout.root / "dist" / "other").exists()


def check_after(layout: Layout) -> None:
    assert (layout.root / "app.spec").read_bytes() == b"a = 3\n"
    assert (layout.root / "lockfiles" / "lock.toml").read_bytes() == b"new\n"
    assert (layout.root / "README.md").read_bytes() == b"# new\n"
    assert (layout.root / "dist" / "app" / "app").read_bytes() == b"new app"
    assert {path.name for path in (layout.root / "dist").iterdir()} == {"app", "other"}
    assert name_of(layout.venv) == "new"


def projects(kind: str, folder: Path) -> Iterator[tuple[int, Layout]]:
    for step in itertools.count():
        root = folder / f"step-{step}"
        root.mkdir()
        layout = layout_for(root)
        PROJECTS[kind](layout)
        yield step, layout
        shutil.rmtree(root)


@pytest.mark.parametrize(
    ("kind", "exchange"),
    [("none", True), ("empty", True), ("own", True), ("own", False), ("chain", True), ("plain", False)],
)
def test_a_kill_at_any_step_is_undone_by_the_next_command(kind: str, tmp_path: Path, exchange: bool) -> None:
    for step, layout in projects(kind, tmp_path):
        before = picture(layout.root)
        ended = in_child(lambda layout=layout: migrate(layout), layout.root, at=step, exchange=exchange)
        assert ended in (KILLED, DONE), (step, ended)
        committed = is_committed(layout)
        settle(layout)
        assert not layout.migration.exists(), step
        if committed:
            check_after(layout)
        else:
            assert picture(layout.root) == before, step
        if step % 10 and ended != DONE:
            continue
        # Again, whatever happened to the first one.
        assert in_child(lambda layout=layout: migrate(layout), layout.root, at=None, exchange=exchange) == DONE
        check_after(layout)
        if ended == DONE:
            assert step > 50
            return


@pytest.mark.parametrize("kind", ["none", "own"])
def test_the_undoing_itself_may_be_killed(kind: str, tmp_path: Path) -> None:
    for step, layout in projects(kind, tmp_path):
        before = picture(layout.root)
        assert in_child(lambda layout=layout: migrate(layout, commit=False), layout.root, at=None) == DONE
        ended = in_child(lambda layout=layout: settle(layout), layout.root, at=step)
        assert ended in (KILLED, DONE), (step, ended)
        settle(layout)
        assert picture(layout.root) == before, step
        assert not layout.migration.exists(), step
        if ended == DONE:
            assert step > 10
            return


@pytest.mark.parametrize("kind", ["own", "chain"])
def test_a_full_disk_at_any_step_is_undone(kind: str, tmp_path: Path) -> None:
    for step, layout in projects(kind, tmp_path):
        before = picture(layout.root)
        ended = in_child(lambda layout=layout: migrate(layout), layout.root, at=step, fault="once")
        committed = is_committed(layout)
        settle(layout)
        if committed:
            check_after(layout)
        else:
            assert picture(layout.root) == before, (step, ended)
        if ended in (DONE, SURVIVED) and step > 50:
            return


def test_a_file_that_the_user_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    _own(layout)
    before = picture(layout.root)
    assert in_child(lambda: migrate(layout, commit=False), layout.root, at=None) == DONE
    (layout.root / "app.spec").chmod(0o644)
    (layout.root / "app.spec").write_bytes(b"edited by hand\n")
    (layout.root / "lockfiles" / "notes.txt").write_bytes(b"mine\n")
    with exclusive(layout, migrating=True):
        transaction = unfinished(layout)
        assert transaction is not None
        left = transaction.restore()
    assert left == ("app.spec: somebody changed it since; what it was is in .envtool/kept/app.spec",)
    assert (layout.root / "app.spec").read_bytes() == b"edited by hand\n"
    assert (layout.state / "kept" / "app.spec").read_bytes() == b"a = 1\n"
    after = picture(layout.root)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {
        "app.spec",
        "lockfiles",
        "lockfiles/notes.txt",
    }


def test_an_environment_that_the_user_made_meanwhile_is_left_alone(tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    _chain(layout)
    assert in_child(lambda: migrate(layout, commit=False), layout.root, at=None) == DONE
    layout.venv.unlink()
    make_environment(layout.venv, "made by hand")
    with exclusive(layout, migrating=True):
        transaction = unfinished(layout)
        assert transaction is not None
        assert transaction.restore() == (".venv: something else stands there now",)
    assert name_of(layout.venv) == "made by hand"


def test_other_commands_say_that_a_migration_was_interrupted(tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    _own(layout)
    assert in_child(lambda: migrate(layout, commit=False), layout.root, at=None) == DONE
    with pytest.raises(BusyError) as caught, exclusive(layout):
        pass
    assert caught.value.code == "migrate.unfinished"
    settle(layout)
    with exclusive(layout):
        pass
