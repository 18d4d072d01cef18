"""What stands at ``.venv`` now: nothing, one of our generations, a plain environment, or something of the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envtool.adapters import platform
from envtool.env.records import as_number, read_plain_record, read_record
from envtool.models import Generation, Layout

Kind = Literal["absent", "generation", "plain", "directory", "empty", "link", "file"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Occupant:
    """What stands at ``.venv``.

    ``kind``: ``absent``; ``generation`` (a link into the chain, ``number`` says which; it dangles when somebody
    deleted the folder); ``plain`` (made by ``setup --plain``); ``directory`` (a real folder that envtool did not
    make); ``empty`` (a folder with nothing in it); ``link`` (to somewhere else, ``target`` says where); ``file``.
    """

    kind: Kind
    number: int | None = None
    target: Path | None = None

    @property
    def needs_adoption(self) -> bool:
        """Whether activating something else moves the user's own environment into the chain."""
        return self.kind == "directory"


def occupant(layout: Layout) -> Occupant:
    """Look at ``.venv`` without following it further than one link."""
    venv = layout.venv
    if platform.is_link(venv):
        target = platform.read_link(venv)
        number = _number(layout, target)
        return Occupant(kind="link" if number is None else "generation", number=number, target=target)
    if not platform.exists(venv):
        return Occupant(kind="absent")
    if not platform.is_folder(venv):
        return Occupant(kind="file")
    if read_plain_record(venv) is not None:
        return Occupant(kind="plain")
    # A folder that cannot even be listed (PermissionError) is not ours to call empty; the caller hears of it.
    with os.scandir(venv) as entries:
        return Occupant(kind="empty" if next(entries, None) is None else "directory")


def _number(layout: Layout, target: Path) -> int | None:
    number = as_number(target.name)
    ours = target.parent == layout.generations or target.parent == layout.generations.resolve()
    # A junction is absolute: after the project was moved it still names the old place, where nothing is any more.
    moved = target.parts[-3:-1] == layout.generations.parts[-2:] and not target.exists()
    return number if ours or moved else None


def current(layout: Layout) -> Generation | None:
    """The record of the environment that stands at ``.venv``: a generation, or a plain one; None for anything else."""
    found = occupant(layout)
    if found.kind == "plain":
        return read_plain_record(layout.venv)
    if found.number is None or not platform.is_folder(layout.generation(found.number)):
        return None
    return read_record(layout, found.number)
