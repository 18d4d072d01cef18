"""What stands at ``.venv`` now: nothing, one of our generations, a plain environment, or something of the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envtool.adapters import platform
from envtool.env.records import as_number, read_plain_record, read_record
from envtool.errors import UsageError
from envtool.lock.workspace import LOCKFILES
from envtool.models import Generation, Layout

Kind = Literal["absent", "generation", "plain", "directory", "empty", "other", "link", "file"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Occupant:
    """What stands at ``.venv``.

    ``kind``: ``absent``; ``generation`` (a link into the chain, ``number`` says which; it dangles when somebody
    deleted the folder); ``plain`` (made by ``setup --plain``); ``directory`` (an environment, a real folder,
    that envtool did not make); ``empty`` (a folder with nothing in it); ``other`` (a folder that is no environment:
    source code, say); ``link`` (to somewhere else, ``target`` says where); ``file``.
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
        if next(entries, None) is None:
            return Occupant(kind="empty")
    return Occupant(kind="directory" if _is_environment(venv) else "other")


def _is_environment(folder: Path) -> bool:
    """A virtual environment, or one of conda. What else a folder may hold is nothing to move away."""
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def check_place(layout: Layout) -> None:
    """Raise UsageError (``settings.venv``) where the environment would stand in a folder that envtool keeps for itself.

    However it is spelled: links on the way are followed, and a file system that does not tell a from A is asked.
    """
    parent = platform.real_path(layout.venv.parent)
    on_the_way = [parent / layout.venv.name, parent, *parent.parents]
    for own in (layout.state, layout.root / LOCKFILES):
        for place in (own, platform.real_path(own)):
            if any(path == place or _same_folder(path, place) for path in on_the_way):
                message = f"no environment can stand at {layout.venv}: {own.name}/ is envtool's own folder"
                hint = "Choose another place, such as .venv: venv in [tool.envtool], or ENVTOOL_VENV."
                raise UsageError("settings.venv", message, hint)


def _same_folder(path: Path, place: Path) -> bool:
    try:
        return platform.identity(path) == platform.identity(place)
    except OSError:
        return False


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
