"""The journal of a migration under way: what was there before each change, and what envtool put in its place. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, Literal

from envtool.env.standing import Standing, read_standing

SCHEMA = 1
ABSENT = "absent"
"""The state of a path where nothing is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """One file before its first change.

    ``path`` is relative to the project, POSIX. ``state`` is its state (see :func:`envtool.migrate.saved.state_of`);
    ``written`` are the states that envtool may have put it into. ``store``: the name of its bytes in ``saved/``;
    ``target``: of a link; ``modified`` in nanoseconds.
    """

    path: str
    kind: Literal["file", "link", "absent"]
    state: str
    store: str = ""
    target: str = ""
    mode: int = 0
    modified: int = 0
    written: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A folder (or file) that took the place of another one; ``had``: there was one, which waits under ``aside``.
    All three are relative to the project, POSIX."""

    built: str
    final: str
    aside: str
    had: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """What to put back. ``folders`` were not there before, the innermost last."""

    environment: Standing
    files: tuple[Saved, ...] = ()
    folders: tuple[str, ...] = ()
    placed: tuple[Placed, ...] = ()


def journal_text(journal: Journal) -> str:
    """The journal as JSON text."""
    return json.dumps({"schema": SCHEMA, **asdict(journal)}, indent=1) + "\n"


def parse_journal(text: str) -> Journal:
    """The journal in a JSON text. Raises ValueError for anything else, and for paths that lead out of the project: a
    repository from a stranger may hold a journal, and what it names is written and removed."""
    try:
        table: Mapping[str, Any] = json.loads(text)
        if table["schema"] != SCHEMA:
            raise ValueError("written by another version of envtool")
        journal = Journal(
            environment=read_standing(table["environment"]),
            files=tuple(Saved(**{**row, "written": tuple(row["written"])}) for row in table["files"]),
            folders=tuple(str(name) for name in table["folders"]),
            placed=tuple(Placed(**row) for row in table["placed"]),
        )
        _check_inside(journal)
        return journal
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a journal: {error!r}") from error


def _check_inside(journal: Journal) -> None:
    names = [*journal.folders, *(name for row in journal.files for name in (row.path, row.store or "0"))]
    names += [name for row in journal.placed for name in (row.built, row.final, row.aside)]
    for name in names:
        path = PurePath(name)
        if path.anchor or not path.parts or ".." in path.parts:
            raise ValueError(f"it names {name!r}, which is not in the project")
