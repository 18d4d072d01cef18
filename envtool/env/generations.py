"""The chain: one writer at a time, one atomic step from one environment to the next, and the way back.

::

    with exclusive(layout):
        recover(layout)
        number = next_id(layout)
        ...  # build and prove layout.generation(number)
        write_record(layout, generation)
        activate(layout, generation, adopt=record_of_the_users_own_venv)
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from envtool.adapters import files, platform
from envtool.env.holding import acquire, holder_of
from envtool.env.occupant import Occupant, check_place, current, occupant
from envtool.env.records import (
    drop_empty,
    ignore,
    layout_for,
    list_generations,
    next_id,
    read_plain_record,
    read_record,
    record_path,
    remember,
    remembered_previous,
    sweep_unused,
    write_plain_record,
    write_record,
)
from envtool.env.recovery import close_journal, open_journal, recover, staging
from envtool.env.replaceable import cannot_switch, check_replaceable
from envtool.errors import BusyError, InstallError
from envtool.models import Generation, Layout

__all__ = [
    "Occupant",
    "activate",
    "activate_plain",
    "at_work",
    "check_place",
    "check_replaceable",
    "current",
    "exclusive",
    "exclusive_if_used",
    "is_full",
    "is_sound",
    "layout_for",
    "list_generations",
    "next_id",
    "occupant",
    "previous",
    "read_record",
    "recover",
    "staging",
    "way_back",
    "write_record",
]


@contextlib.contextmanager
def exclusive(layout: Layout, *, wait: float = 0, migrating: bool = False) -> Iterator[None]:
    """Hold the project's lock: one writer at a time. Creates ``.envtool/`` when it is not there;
    what fails takes one away again that it has created and put nothing into.

    The operating system frees the lock when its holder dies, however it dies. ``wait``: seconds to wait for another
    envtool. ``migrating``: this is the one that may work beside an unfinished migration. Raises BusyError (``busy``)
    when the other does not end in time, or (``migrate.unfinished``) when a migration was interrupted here, InstallError
    (``env.state``) when ``.envtool`` cannot be written by this user.
    """
    ours = not platform.exists(layout.state)
    lock = acquire(layout, wait)
    holder = layout.state / "lock.pid"
    try:
        ignore(layout)
        with contextlib.suppress(OSError):
            holder.write_text(f"{os.getpid()}\n", encoding="ascii")
        if not migrating and layout.migration_journal.exists():
            message = f"a migration was interrupted in {layout.root}"
            hint = "Undo it: envtool migrate --undo. Or go on with it: envtool migrate --resume"
            raise BusyError("migrate.unfinished", message, hint)
        yield
    except BaseException:
        if ours:
            sweep_unused(layout)
        raise
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
        lock.release()
        if ours:
            drop_empty(layout)


@contextlib.contextmanager
def exclusive_if_used(layout: Layout) -> Iterator[bool]:
    """Hold the project's lock where there is an ``.envtool/``, for what writes to a project but makes no environment.

    Where there is none, nobody holds its lock and no migration was interrupted; none is made. Gives whether the lock
    is held. Raises as :func:`exclusive`.
    """
    if not layout.state.is_dir():
        yield False
        return
    with exclusive(layout):
        yield True


def at_work(layout: Layout) -> int | None:
    """The process number of the envtool that works here now, read without its lock; None where there is none."""
    number = holder_of(layout.state / "lock.pid")
    return number if number is not None and number != os.getpid() and platform.is_running(number) else None


# --- activate ---------------------------------------------------------------------------------------------------------


def activate(layout: Layout, generation: Generation, *, adopt: Generation | None = None) -> None:
    """Make a generation current: ``.venv`` leads to it after one atomic step.

    ``adopt`` is the record of what stands at ``.venv`` when that is the user's own folder (``occupant().kind ==
    "directory"``): it becomes generation ``adopt.id`` in the same step, by rename, byte for byte. An environment made
    by ``activate_plain`` is taken into the chain by the record that it carries; ``adopt`` may be left out.

    Raises InstallError when the generation has no record (``env.no-record``), when ``.venv`` is something that envtool
    will not replace (``env.foreign``, ``env.not-adopted``) or when the system refuses (``env.activate``). Then
    ``.venv`` is as it was.
    """
    folder = layout.generation(generation.id)
    if read_record(layout, generation.id) is None or not platform.is_folder(folder):
        raise InstallError(
            "env.no-record",
            f"there is no generation {generation.id}",
            "See which there are: envtool status",
        )
    found = check_replaceable(layout)
    if found.kind == "generation" and found.number == generation.id:
        return
    with _as_it_was(layout):
        if found.kind in ("directory", "plain"):
            _adopt_for_link(layout, folder, _adoption(layout, found, adopt))
            return
        if found.kind == "empty":
            layout.venv.rmdir()
        files.make_folder(layout.venv.parent)
        _remember_live(layout, found)
        platform.point(layout.venv, folder)


def activate_plain(layout: Layout, staged: Path, generation: Generation, *, adopt: Generation | None = None) -> None:
    """Put a finished folder at ``.venv``: a real directory, its record inside, without a chain.

    ``staged`` is :func:`staging`'s folder, complete and proven. An earlier plain environment is deleted after the
    step; a generation stays in the chain; the user's own folder becomes generation ``adopt.id``.

    Raises InstallError as :func:`activate` does; then ``.venv`` is as it was.
    """
    found = check_replaceable(layout)
    if found.kind == "directory":
        adopt = _adoption(layout, found, adopt)
    with _as_it_was(layout):
        write_plain_record(staged, generation)
        remember(layout, used=generation.id)
        if found.kind == "directory" and adopt is not None:
            _adopt_for_folder(layout, staged, adopt)
            return
        _remember_live(layout, found)
        if found.kind == "absent":
            platform.rename(staged, layout.venv)
        elif found.kind == "empty":
            layout.venv.rmdir()
            platform.rename(staged, layout.venv)
        elif platform.exchange(staged, layout.venv):
            _discard(staged)
        else:
            _discard(platform.step_aside(layout.venv, staged))


def _adoption(layout: Layout, found: Occupant, adopt: Generation | None) -> Generation:
    if found.kind == "plain":
        record = read_plain_record(layout.venv)
        if record is not None:
            return replace(record, id=next_id(layout), kind="built")
    if adopt is None:
        raise InstallError(
            "env.not-adopted",
            f"{layout.venv} is a folder that envtool did not make",
            "Run envtool setup: it keeps the folder as a generation.",
        )
    if platform.exists(layout.generation(adopt.id)) or platform.exists(record_path(layout, adopt.id)):
        raise InstallError("env.not-adopted", f"generation {adopt.id} exists already", "Run the command again.")
    return adopt


def _adopt_for_link(layout: Layout, folder: Path, adopt: Generation) -> None:
    """``.venv``, a real folder, becomes ``adopt``'s; a link to ``folder`` takes its place."""
    slot = layout.generation(adopt.id)
    with _adopting(layout, adopt, None):
        # The link waits in the slot with the text that is right at .venv; the exchange puts both where they belong.
        platform.make_link(slot, folder, final=layout.venv)
        if platform.exchange(layout.venv, slot):
            return
        platform.remove_link(slot)
        platform.rename(layout.venv, slot)
        _or_undo(lambda: platform.point(layout.venv, folder), lambda: platform.rename(slot, layout.venv))


def _adopt_for_folder(layout: Layout, staged: Path, adopt: Generation) -> None:
    """``.venv``, the user's folder, becomes ``adopt``'s; ``staged`` takes its place."""
    slot = layout.generation(adopt.id)
    with _adopting(layout, adopt, staged):
        if platform.exchange(layout.venv, staged):
            _or_undo(lambda: platform.rename(staged, slot), lambda: platform.exchange(layout.venv, staged))
            return
        platform.rename(layout.venv, slot)
        _or_undo(lambda: platform.rename(staged, layout.venv), lambda: platform.rename(slot, layout.venv))


@contextlib.contextmanager
def _adopting(layout: Layout, adopt: Generation, staged: Path | None) -> Iterator[None]:
    """Record and journal first, then the swap, then the journal goes; a failed swap takes both away again."""
    files.make_folder(layout.generations)
    open_journal(layout, slot=adopt.id, staged=staged)
    try:
        write_record(layout, adopt)
        remember(layout, used=adopt.id, previous=adopt.id)
        yield
    except (OSError, InstallError):
        # With the lock held this is just what the next command would do.
        with contextlib.suppress(OSError, InstallError):
            recover(layout)
        raise
    # The swap is done; a journal that cannot be removed now says the same to the next command.
    with contextlib.suppress(OSError):
        close_journal(layout)


def _or_undo(step: Callable[[], object], undo: Callable[[], object]) -> None:
    try:
        step()
    except OSError:
        undo()
        raise


def _remember_live(layout: Layout, found: Occupant) -> None:
    if found.number is not None:
        remember(layout, previous=found.number)


def _discard(path: Path) -> None:
    # The new environment stands; an old one that resists is the next command's to sweep.
    with contextlib.suppress(OSError):
        files.remove_tree(path)


@contextlib.contextmanager
def _as_it_was(layout: Layout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_switch(layout, error) from error


# --- the way back -----------------------------------------------------------------------------------------------------


def is_sound(layout: Layout, generation: Generation, home: Path | None = None) -> bool:
    """Whether an environment (``home``: where it lies, default its slot) is healthy and has its interpreter."""
    folder = home or layout.generation(generation.id)
    return generation.healthy and platform.is_folder(folder) and platform.has_interpreter(folder)


def is_full(generation: Generation) -> bool:
    """Whether a generation holds torch for something else than the CPU alone."""
    return generation.torch is not None and generation.backend not in ("cpu", "none", "")


def way_back(layout: Layout, without: Collection[int] = ()) -> Generation | None:
    """The generation that ``rollback`` returns to: healthy, with full torch.

    The user's own environment comes first if it is a full one, since that is what "back" means; else the newest. When
    a full one is current already, it is that one: nothing to do. ``without``: those that were changed by hand.
    """
    found = [one for one in list_generations(layout) if one.id not in without]
    full = [one for one in found if is_full(one) and is_sound(layout, one)]
    live = current(layout)
    if live is not None and live in full:
        return live
    return max(full, key=lambda one: (one.kind == "adopted", one.id), default=None)


def previous(layout: Layout) -> Generation | None:
    """The generation that was current before this one, or, when that is gone, the newest healthy other one."""
    live = current(layout)
    others = [one for one in list_generations(layout) if one != live and is_sound(layout, one)]
    before = remembered_previous(layout)
    return next((one for one in others if one.id == before), others[-1] if others else None)
