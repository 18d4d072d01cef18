"""After a kill at any moment: bring ``.venv`` and ``.envtool`` back to the state before or after, and lose nothing.

Two rules carry it. A generation is a real folder *and* its record: whichever stands alone is garbage. And the user's
own environment never stands under a name that is ever swept: it is at ``.venv``, or in a slot with its record, or, for
the length of a swap, under a name that the journal keeps with its identity on disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from envtool.adapters import files, platform
from envtool.env.occupant import occupant
from envtool.env.records import as_number, numbers, read_plain_record, record_path, remember
from envtool.env.undo import OVER
from envtool.errors import InstallError
from envtool.models import Layout

STAGED_SUFFIX = ".envtool-"
"""What follows the name of ``.venv`` in every temporary name beside it."""


def staging(layout: Layout, number: int) -> Path:
    """Where a plain environment is built: beside ``.venv``, on the same file system."""
    return layout.venv.with_name(f"{layout.venv.name}{STAGED_SUFFIX}{number}")


def journal_path(layout: Layout) -> Path:
    """The journal of an adoption under way."""
    return layout.state / "journal.json"


def open_journal(layout: Layout, *, slot: int, staged: Path | None = None) -> None:
    """Write down, before the user's ``.venv`` is moved, which folder it is and where it may be. Raises OSError."""
    entry = {"slot": slot, "staged": staged.name if staged else "", "identity": platform.identity(layout.venv)}
    files.write_text(journal_path(layout), json.dumps(entry) + "\n")


def close_journal(layout: Layout) -> None:
    """The move is complete, or undone. Raises OSError."""
    files.remove_file(journal_path(layout))


def recover(layout: Layout) -> tuple[str, ...]:
    """Clean up after an envtool that was killed; call it with the lock held, at the start of what changes anything.

    Returns one sentence for each thing done; empty when all is well. Raises InstallError (``env.recover``) when
    something cannot be removed or moved back.
    """
    try:
        files.remove_tree(layout.state / OVER)
        return (*_replay_journal(layout), *_sweep_siblings(layout), *_sweep_generations(layout))
    except OSError as error:
        raise InstallError(
            "env.recover",
            f"cannot clean up after an interrupted run: {error.strerror or error}: {error.filename or layout.state}",
            "Close what uses the folder, or make it writable, and run the command again. Nothing was lost.",
        ) from error


def _replay_journal(layout: Layout) -> Iterator[str]:
    path = journal_path(layout)
    if not path.exists():
        return
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        slot = int(entry["slot"])
        staged = layout.venv.with_name(str(entry["staged"] or layout.venv.name))
        identity = tuple(entry["identity"])
    except (KeyError, TypeError, ValueError) as error:
        # The journal is written atomically, so this is not our doing, and moving folders by it would be a guess.
        raise InstallError(
            "env.journal",
            f"{path} cannot be read: {error}",
            f"Look where your own environment is ({layout.venv}, or a folder in {layout.generations}), move it to "
            f"{layout.venv.name} and delete the journal.",
        ) from error
    yield from _settle(layout, slot, staged, identity)
    close_journal(layout)


def _settle(layout: Layout, slot: int, staged: Path, identity: tuple[int, ...]) -> Iterator[str]:
    """Bring the user's folder, wherever the interrupted swap left it, to ``.venv`` or into its slot."""
    home = layout.generation(slot)
    places = [place for place in (layout.venv, home, staged) if platform.is_folder(place)]
    where = next((place for place in places if platform.identity(place) == identity), None)
    if where is None and staged in places and staged != layout.venv and read_plain_record(staged) is None:
        # What was staged carries a record inside; the identity did not survive (a copied disk), the difference did.
        where = staged
    if where is None or where == layout.venv:
        return
    if not platform.exists(layout.venv):
        platform.rename(where, layout.venv)
        yield f"moved your own environment back to {layout.venv.name}"
    elif where != home:
        platform.remove_link(home)
        platform.rename(where, home)
        yield f"finished the adoption of your own environment as generation {slot}"


def _sweep_siblings(layout: Layout) -> Iterator[str]:
    venv = layout.venv
    old = venv.with_name(venv.name + platform.OLD_SUFFIX)
    if platform.exists(old) and not platform.exists(venv):
        platform.rename(old, venv)
        yield f"moved {venv.name} back to its place"
    if not venv.parent.is_dir():
        return
    for path in sorted(venv.parent.iterdir()):
        if not path.name.startswith(venv.name + STAGED_SUFFIX):
            continue
        rest = path.name[len(venv.name + STAGED_SUFFIX) :]
        if as_number(rest) is not None:
            remember(layout, used=int(rest))
        elif path not in {old, venv.with_name(venv.name + platform.LINK_SUFFIX)}:
            continue
        files.remove(path)
        yield f"removed {path.name}, left by an interrupted run"


def _sweep_generations(layout: Layout) -> Iterator[str]:
    folders, records = numbers(layout)
    live = occupant(layout).number
    for number in sorted(folders | records):
        folder, record = layout.generation(number), record_path(layout, number)
        real = platform.is_folder(folder)
        if real and number in records:
            continue
        if real and number == live:
            yield f"generation {number} is in use and has no record; left as it is"
            continue
        remember(layout, used=number)
        files.remove_file(record)
        if platform.exists(folder):
            files.remove(folder)
        yield f"removed generation {number}, which was never finished"
    for folder in (layout.state, layout.generations):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.name.endswith(files.TEMPORARY_SUFFIX):
                    files.remove_file(path)
