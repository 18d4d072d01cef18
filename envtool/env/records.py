"""What envtool remembers of a project: the record of each generation, and a few facts beside them.

``.envtool/generations/N.json`` is written last and is the commit marker of ``generations/N/``; a plain environment
carries its record inside, as ``.venv/.envtool.json``, so that both appear and vanish in the same rename.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from envtool.adapters import files, platform
from envtool.errors import InstallError
from envtool.models import CheckResult, Generation, Layout

SCHEMA = 1
"""Version of the records on disk. A record with a higher one was written by a newer envtool and is left alone."""

PLAIN_RECORD = ".envtool.json"
"""Name of the record inside a plain environment."""


def layout_for(root: Path, venv: str = ".venv") -> Layout:
    """The layout of the project at ``root`` with its environment at ``venv`` (relative to the root, or absolute)."""
    base = root.absolute()
    return Layout(root=base, venv=base / venv)


def prepare(layout: Layout) -> None:
    """Create ``.envtool/``, for the lock in it. Raises InstallError (``env.state``) when it cannot be written."""
    try:
        files.make_folder(layout.generations)
    except OSError as error:
        raise unwritable(layout, error) from error


def ignore(layout: Layout) -> None:
    """Give ``.envtool/`` a ``.gitignore`` of its own, so that a checkout stays clean.

    Call it with the lock held: whoever holds that sweeps the temporary files of others away. Raises InstallError
    (``env.state``) when it cannot be written.
    """
    try:
        path = layout.state / ".gitignore"
        if not path.exists():
            files.write_text(path, "*\n")
    except OSError as error:
        raise unwritable(layout, error) from error


def sweep_unused(layout: Layout) -> None:
    """Take our files out of an ``.envtool/`` that holds nothing else; call it with the lock held.

    Whoever waits for the lock makes them anew (``exclusive``). Windows removes no file that is open: there the lock is
    left to :func:`drop_empty`.
    """
    with contextlib.suppress(OSError):
        if {path.name for path in layout.state.iterdir()} <= {"lock", "lock.pid", ".gitignore", "generations"}:
            layout.generations.rmdir()  # refused, as all that follows is left out, where a generation is in it
            for name in (".gitignore", "lock.pid", "lock"):
                files.remove_file(layout.state / name)


def drop_empty(layout: Layout) -> None:
    """Remove what :func:`sweep_unused` has emptied; call it with the lock released. What is in use stays."""
    with contextlib.suppress(OSError):
        if {path.name for path in layout.state.iterdir()} <= {"lock"}:
            if platform.is_windows():
                files.remove_file(layout.state / "lock")
            layout.state.rmdir()


def unwritable(layout: Layout, error: OSError) -> InstallError:
    """The error for a ``.envtool/`` that cannot be written."""
    return InstallError(
        "env.state",
        f"cannot write {layout.state}: {error.strerror or error}",
        "envtool keeps its generations there; make the folder writable, or run as the owner of the project.",
    )


# --- text -------------------------------------------------------------------------------------------------------------


def record_text(generation: Generation) -> str:
    """The record as JSON text, one line per installed distribution."""
    data = {"schema": SCHEMA, **asdict(generation)}
    data["checks"] = [check.as_dict() for check in generation.checks]
    data["satisfied"] = dict(generation.satisfied)
    data["installed"] = dict(generation.installed)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def parse_record(text: str) -> Generation:
    """The record in a JSON text. Raises ValueError for anything else, and for the schema of a newer envtool."""
    try:
        data: dict[str, Any] = dict(json.loads(text))
        if data.pop("schema") != SCHEMA:
            raise ValueError("written by another version of envtool")
        known = {name: value for name, value in data.items() if name in Generation.__dataclass_fields__}
        known["checks"] = tuple(CheckResult(**check) for check in known.get("checks", ()))
        known["installed"] = tuple(sorted(dict(known.get("installed", {})).items()))
        generation = Generation(**known)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a record of a generation: {error!r}") from error
    if type(generation.id) is not int or generation.id < 1:
        raise ValueError("not a record of a generation: no id")
    return generation


# --- records ----------------------------------------------------------------------------------------------------------


def record_path(layout: Layout, number: int) -> Path:
    """Where the record of generation ``number`` lies."""
    return layout.generations / f"{number}.json"


def write_record(layout: Layout, generation: Generation) -> None:
    """Write the record of a generation: from here on its folder is kept. Raises InstallError (``env.record``)."""
    try:
        files.write_text(record_path(layout, generation.id), record_text(generation))
    except OSError as error:
        raise InstallError(
            "env.record",
            f"cannot write the record of generation {generation.id}: {error.strerror or error}",
            "Free some disk space, or make .envtool writable, and run the command again.",
        ) from error


def read_record(layout: Layout, number: int) -> Generation | None:
    """The record of a generation, or None when there is none that this envtool can read."""
    return _read(record_path(layout, number), number)


def _read(path: Path, number: int | None) -> Generation | None:
    try:
        generation = parse_record(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return generation if number is None or generation.id == number else None


def read_plain_record(folder: Path) -> Generation | None:
    """The record that a plain environment carries inside, or None when envtool did not make it as one."""
    generation = _read(folder / PLAIN_RECORD, None)
    return replace(generation, kind="plain") if generation is not None else None


def write_plain_record(folder: Path, generation: Generation) -> None:
    """Put the record into a plain environment that is about to stand at ``.venv``. Raises OSError."""
    files.write_text(folder / PLAIN_RECORD, record_text(replace(generation, kind="plain")))


def as_number(name: str) -> int | None:
    """The number that a name spells in its one canonical way (``7``, never ``07``), else None."""
    return int(name) if name.isascii() and name.isdecimal() and str(int(name)) == name else None


def numbers(layout: Layout) -> tuple[set[int], set[int]]:
    """The numbers that have a name in ``generations/``, as folder or link, and those that have a record file."""
    folders: set[int] = set()
    records: set[int] = set()
    with contextlib.suppress(OSError):
        for path in layout.generations.iterdir():
            folder, record = as_number(path.name), as_number(path.stem)
            if folder is not None:
                folders.add(folder)
            elif record is not None and path.suffix == ".json":
                records.add(record)
    return folders, records


def list_generations(layout: Layout) -> tuple[Generation, ...]:
    """All generations that have both a real folder and a readable record, by number."""
    folders, records = numbers(layout)
    found = (read_record(layout, number) for number in sorted(folders & records))
    return tuple(one for one in found if one is not None and platform.is_folder(layout.generation(one.id)))


# --- facts beside the records -----------------------------------------------------------------------------------------


def _facts(layout: Layout) -> dict[str, int]:
    try:
        data = json.loads((layout.state / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in data.items() if type(value) is int} if isinstance(data, dict) else {}


def remember(layout: Layout, *, used: int | None = None, previous: int | None = None) -> None:
    """Remember the highest number ever used, and which generation was current before. A full disk is no reason to
    refuse a flip, so a failure to write is ignored: both facts only make a good answer better."""
    old = _facts(layout)
    new = dict(old)
    if used is not None:
        new["used"] = max(used, old.get("used", 0))
    if previous is not None:
        new["previous"] = previous
    if new != old:
        with contextlib.suppress(OSError):
            files.write_text(layout.state / "state.json", json.dumps(new, sort_keys=True) + "\n")


def remembered_previous(layout: Layout) -> int | None:
    """The number of the generation that was current before, as far as that is known."""
    return _facts(layout).get("previous")


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """A way back that was a flip: seconds from the command's start to the switch, from where to where, when (UTC)."""

    seconds: float
    before: int | None
    after: int
    at: str


def remember_flip(layout: Layout, flip: Flip) -> None:
    """Remember how long the last flip took. Only a figure for reports: a failure to write is ignored."""
    with contextlib.suppress(OSError):
        files.write_text(layout.state / "flip.json", json.dumps({"schema": SCHEMA, **asdict(flip)}) + "\n")


def remembered_flip(layout: Layout) -> Flip | None:
    """The last flip that ``rollback`` made or ``migrate`` tried; None when there is none that can be read."""
    try:
        data = dict(json.loads((layout.state / "flip.json").read_text(encoding="utf-8")))
        if data.pop("schema") != SCHEMA:
            return None
        return Flip(seconds=float(data["seconds"]), before=data["before"], after=int(data["after"]), at=str(data["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def next_id(layout: Layout) -> int:
    """A number that no generation has or had. Numbers are not given twice: a child of a killed envtool may still write
    into its folder, and ``rollback --to 3`` should never mean another environment than yesterday's 3."""
    folders, records = numbers(layout)
    plain = read_plain_record(layout.venv)
    return max({0, *folders, *records, _facts(layout).get("used", 0), plain.id if plain else 0}) + 1
