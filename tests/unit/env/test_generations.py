"""What may stand at ``.venv``, and what switching makes of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from envtool.adapters import files, platform
from envtool.env import generations
from envtool.env.generations import (
    activate,
    activate_plain,
    current,
    list_generations,
    next_id,
    occupant,
    previous,
    read_record,
    recover,
    staging,
    way_back,
    write_record,
)
from envtool.env.records import PLAIN_RECORD, record_path
from envtool.errors import ExitCode, InstallError, UsageError
from envtool.models import Generation, Layout

Add = Callable[..., Generation]
Make = Callable[[Path, str], Path]

posix = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")


def name(folder: Path) -> str:
    return (folder / "name.txt").read_text(encoding="utf-8")


# --- switching --------------------------------------------------------------------------------------------------------


@posix
def test_the_first_generation_is_a_relative_link(layout: Layout, add: Add) -> None:
    activate(layout, add(1))
    assert layout.venv.readlink() == Path(".envtool", "generations", "1")
    assert current(layout) == read_record(layout, 1)


@posix
def test_the_link_holds_when_the_project_is_moved(layout: Layout, add: Add, tmp_path: Path) -> None:
    activate(layout, add(1))
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True)
    (tmp_path / ".venv").rename(home / ".venv")
    (tmp_path / ".envtool").rename(home / ".envtool")
    assert name(home / ".venv") == "generation 1"
    assert occupant(generations.layout_for(home)).number == 1


@posix
@pytest.mark.parametrize("venv", ["env", "deep/er/.venv", "../elsewhere/.venv"])
def test_the_environment_may_lie_elsewhere(tmp_path: Path, venv: str, make_record: Add, make_environment: Make) -> None:
    layout = generations.layout_for(tmp_path / "project", venv)
    one = make_record(1)
    make_environment(layout.generation(1), "generation 1")
    write_record(layout, one)
    activate(layout, one)
    assert name(layout.venv) == "generation 1"
    assert current(layout) == one


@posix
def test_a_project_reached_through_a_link_is_the_same_project(layout: Layout, add: Add, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(tmp_path, target_is_directory=True)
    other = generations.layout_for(alias)
    activate(other, add(1))
    assert layout.venv.readlink() == Path(".envtool", "generations", "1")
    assert current(layout) == current(other) == read_record(layout, 1)


@posix
def test_without_a_record_nothing_becomes_current(layout: Layout, make_record: Add, make_environment: Make) -> None:
    make_environment(layout.generation(1), "half done")
    with pytest.raises(InstallError) as caught:
        activate(layout, make_record(1))
    assert caught.value.code == "env.no-record"
    assert not platform.exists(layout.venv)


@posix
def test_activating_the_current_one_changes_nothing(layout: Layout, add: Add) -> None:
    one = add(1)
    activate(layout, one)
    before = os.lstat(layout.venv)
    activate(layout, one)
    after = os.lstat(layout.venv)  # reading a link may change its st_atime
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


@posix
@pytest.mark.parametrize("plain", [False, True])
def test_a_link_of_the_users_is_refused(layout: Layout, add: Add, make_environment: Make, plain: bool) -> None:
    make_environment(layout.root / "shared", "shared")
    layout.venv.symlink_to("shared")
    one = add(1)
    with pytest.raises(InstallError) as caught:
        _switch(layout, one, make_environment, plain)
    assert caught.value.code == "env.foreign"
    assert str(layout.root / "shared") in caught.value.message
    assert caught.value.exit_code == ExitCode.INSTALL
    assert layout.venv.readlink() == Path("shared")


@posix
@pytest.mark.parametrize("plain", [False, True])
def test_a_dangling_link_of_the_users_is_refused(layout: Layout, add: Add, make_environment: Make, plain: bool) -> None:
    layout.venv.symlink_to("on-a-disk-that-is-not-mounted")
    with pytest.raises(InstallError, match="which envtool did not make"):
        _switch(layout, add(1), make_environment, plain)
    assert layout.venv.readlink() == Path("on-a-disk-that-is-not-mounted")


@posix
@pytest.mark.parametrize("plain", [False, True])
def test_a_file_is_refused(layout: Layout, add: Add, make_environment: Make, plain: bool) -> None:
    layout.venv.write_text("VIRTUAL=1\n", encoding="utf-8")
    with pytest.raises(InstallError, match="is no folder"):
        _switch(layout, add(1), make_environment, plain)
    assert layout.venv.read_text(encoding="utf-8") == "VIRTUAL=1\n"


@posix
@pytest.mark.parametrize("plain", [False, True])
def test_a_folder_that_is_no_environment_is_refused(
    layout: Layout, add: Add, make_record: Add, make_environment: Make, plain: bool
) -> None:
    layout.venv.mkdir()
    (layout.venv / "app.py").write_text("print()\n", encoding="utf-8")
    assert occupant(layout) == generations.Occupant(kind="other")
    one = add(1)
    with pytest.raises(InstallError) as caught:
        _switch(layout, one, make_environment, plain)
    assert caught.value.code == "env.foreign"
    assert f"{layout.venv} is a folder and no environment" in caught.value.message
    with pytest.raises(InstallError, match="is a folder and no environment"):
        activate(layout, one, adopt=make_record(next_id(layout), kind="adopted"))
    assert [path.name for path in layout.venv.iterdir()] == ["app.py"]


@posix
def test_an_environment_of_conda_is_adopted(layout: Layout, add: Add, make_record: Add) -> None:
    (layout.venv / "conda-meta").mkdir(parents=True)
    assert occupant(layout).needs_adoption
    activate(layout, add(1), adopt=make_record(2, kind="adopted"))
    assert (layout.generation(2) / "conda-meta").is_dir()


@posix
@pytest.mark.parametrize(
    "venv",
    ["lockfiles", "./lockfiles", "linked", "lockfiles/env", "up/lockfiles", ".envtool", ".envtool/generations/1"],
)
def test_a_folder_that_envtool_keeps_for_itself_is_no_place(layout: Layout, add: Add, venv: str) -> None:
    add(1)
    add(2)
    (layout.root / "kept").mkdir()
    (layout.root / "lockfiles").symlink_to("kept")
    (layout.root / "up").symlink_to(".")
    beside = generations.layout_for(layout.root, "kept" if venv == "linked" else venv)
    with pytest.raises(UsageError) as caught:
        activate(beside, add(3))
    assert (caught.value.code, caught.value.exit_code) == ("settings.venv", ExitCode.USAGE)
    assert "is envtool's own folder" in caught.value.message
    assert (layout.root / "lockfiles").readlink() == Path("kept")
    assert name(layout.generation(1)) == "generation 1"


@posix
@pytest.mark.parametrize("plain", [False, True])
def test_a_link_to_a_generation_that_is_gone_is_replaced(
    layout: Layout, add: Add, make_environment: Make, plain: bool
) -> None:
    layout.venv.symlink_to(Path(".envtool", "generations", "7"))
    assert current(layout) is None
    _switch(layout, add(8), make_environment, plain)
    assert name(layout.venv) == ("plain" if plain else "generation 8")


@posix
@pytest.mark.parametrize("plain", [False, True])
def test_the_users_folder_is_never_replaced_without_a_record_of_it(
    layout: Layout, add: Add, make_environment: Make, plain: bool
) -> None:
    make_environment(layout.venv, "own")
    with pytest.raises(InstallError) as caught:
        _switch(layout, add(1), make_environment, plain)
    assert caught.value.code == "env.not-adopted"
    assert name(layout.venv) == "own"


@posix
def test_an_adoption_never_takes_a_number_that_is_taken(layout: Layout, add: Add, make_environment: Make) -> None:
    make_environment(layout.venv, "own")
    one, two = add(1), add(2)
    with pytest.raises(InstallError, match="generation 2 exists already"):
        activate(layout, one, adopt=two)
    assert name(layout.venv) == "own"
    assert name(layout.generation(2)) == "generation 2"


def _switch(layout: Layout, one: Generation, make_environment: Make, plain: bool) -> None:
    if plain:
        make_environment(staging(layout, 9), "plain")
        activate_plain(layout, staging(layout, 9), one)
    else:
        activate(layout, one)


@posix
@pytest.mark.parametrize("exchange", [True, False])
def test_the_users_folder_is_adopted_in_the_same_step(
    layout: Layout,
    add: Add,
    make_record: Add,
    make_environment: Make,
    monkeypatch: pytest.MonkeyPatch,
    exchange: bool,
) -> None:
    if not exchange:
        monkeypatch.setattr(platform, "exchange", lambda first, second: False)
    make_environment(layout.venv, "own")
    inode = layout.venv.stat().st_ino
    activate(layout, add(1), adopt=make_record(2, "full", "adopted"))
    assert name(layout.venv) == "generation 1"
    assert name(layout.generation(2)) == "own"
    assert layout.generation(2).stat().st_ino == inode
    assert [one.id for one in list_generations(layout)] == [1, 2]
    assert recover(layout) == ()


@posix
def test_another_file_system_is_said_and_leaves_all_as_it_was(
    layout: Layout, add: Add, make_record: Add, make_environment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a container image answers to the rename of a folder from a lower layer."""

    def refuse(first: Path, second: Path) -> bool:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(first))

    monkeypatch.setattr(platform, "exchange", refuse)
    make_environment(layout.venv, "own")
    with pytest.raises(InstallError) as caught:
        activate(layout, add(1), adopt=make_record(2, "full", "adopted"))
    assert "lower layer of a container image" in caught.value.message
    assert "--plain" in caught.value.hint
    assert name(layout.venv) == "own"
    assert sorted(path.name for path in layout.generations.iterdir()) == ["1", "1.json"]
    assert recover(layout) == ()


# --- plain ------------------------------------------------------------------------------------------------------------


@posix
def test_plain_is_a_real_folder_with_its_record_inside(
    layout: Layout, make_record: Add, make_environment: Make
) -> None:
    make_environment(staging(layout, 1), "plain 1")
    activate_plain(layout, staging(layout, 1), make_record(1))
    assert platform.is_folder(layout.venv)
    assert not platform.exists(staging(layout, 1))
    assert (layout.venv / PLAIN_RECORD).is_file()
    assert occupant(layout).kind == "plain"
    assert current(layout) == make_record(1, kind="plain")
    assert next_id(layout) == 2


@posix
def test_a_plain_one_over_a_plain_one_deletes_the_old(layout: Layout, make_record: Add, make_environment: Make) -> None:
    for number in (1, 2):
        make_environment(staging(layout, number), f"plain {number}")
        activate_plain(layout, staging(layout, number), make_record(number))
    assert name(layout.venv) == "plain 2"
    assert {path.name for path in layout.root.iterdir()} <= {".envtool", ".venv"}


@posix
def test_a_plain_one_over_a_generation_keeps_the_chain(
    layout: Layout, add: Add, make_record: Add, make_environment: Make
) -> None:
    activate(layout, add(1, "full"))
    make_environment(staging(layout, 2), "plain 2")
    activate_plain(layout, staging(layout, 2), make_record(2))
    assert name(layout.venv) == "plain 2"
    assert name(layout.generation(1)) == "generation 1"
    back = way_back(layout)
    assert back is not None
    assert back.id == 1


@posix
def test_a_plain_one_joins_the_chain_when_a_generation_takes_its_place(
    layout: Layout, add: Add, make_record: Add, make_environment: Make
) -> None:
    make_environment(staging(layout, 1), "plain 1")
    activate_plain(layout, staging(layout, 1), make_record(1, "full"))
    activate(layout, add(2))
    assert [(one.id, one.backend, one.kind) for one in list_generations(layout)] == [
        (2, "cpu", "built"),
        (3, "full", "built"),
    ]
    assert name(layout.generation(3)) == "plain 1"
    assert name(layout.venv) == "generation 2"


# --- the way back -----------------------------------------------------------------------------------------------------


@posix
def test_the_way_back_is_the_newest_healthy_full_one(layout: Layout, add: Add) -> None:
    add(1, "full")
    add(2, "cu126")
    add(3, "full", healthy=False)
    add(4, "full", torch=None)
    activate(layout, add(5, "cpu"))
    back = way_back(layout)
    assert back is not None
    assert back.id == 2
    platform.interpreter(layout.generation(2)).unlink()
    back = way_back(layout)
    assert back is not None
    assert back.id == 1, "a generation without its interpreter is no way back"


@posix
def test_the_users_own_full_environment_is_the_first_way_back(layout: Layout, add: Add) -> None:
    add(1, "full", "adopted")
    add(2, "full")
    activate(layout, add(3))
    assert way_back(layout) == read_record(layout, 1)
    activate(layout, add(4, "full"))
    assert way_back(layout) == read_record(layout, 4), "full is current: nothing to go back to"


@posix
def test_a_users_own_cpu_environment_is_no_way_back(layout: Layout, add: Add) -> None:
    add(1, "cpu", "adopted")
    activate(layout, add(2))
    assert way_back(layout) is None


@posix
def test_previous_goes_back_and_forth(layout: Layout, add: Add) -> None:
    one, two, three = add(1), add(2), add(3)
    activate(layout, two)
    activate(layout, three)
    assert previous(layout) == two
    activate(layout, two)
    assert previous(layout) == three
    files.remove_file(record_path(layout, 3))
    assert previous(layout) == one
