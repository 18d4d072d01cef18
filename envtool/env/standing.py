"""What stood at ``.venv`` at one moment, written down and put back later: after a kill, and after an adoption too."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envtool.adapters import files, platform
from envtool.env.occupant import Kind, occupant
from envtool.env.records import numbers, record_path, remember, remembered_previous
from envtool.errors import RollbackError
from envtool.models import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """``kind`` and ``number`` as :class:`envtool.env.occupant.Occupant` has them; ``inode`` and ``mode`` of a real
    folder; ``previous``: the generation that was current before."""

    kind: Kind
    number: int | None = None
    inode: int | None = None
    mode: int = 0
    previous: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def read_standing(table: Mapping[str, Any]) -> Standing:
    """From JSON. Raises KeyError, TypeError or ValueError for anything else."""
    return Standing(**{name: table[name] for name in Standing.__dataclass_fields__})


def standing(layout: Layout) -> Standing:
    """What stands at ``.venv`` now. Raises OSError where it cannot be looked at."""
    found = occupant(layout)
    inode, mode = None, 0
    if platform.is_folder(layout.venv):
        status = os.lstat(layout.venv)
        inode, mode = status.st_ino, stat.S_IMODE(status.st_mode)
    previous = remembered_previous(layout)
    return Standing(kind=found.kind, number=found.number, inode=inode, mode=mode, previous=previous)


def stand_again(layout: Layout, before: Standing) -> str:
    """Put back what stood at ``.venv``: call it with the lock held and after ``recover``.

    A folder that was adopted since comes back by rename: the same folder, not a link to it. Gives the reason when
    something that is neither from before nor from envtool stands there, which is left alone; else an empty string.
    Raises RollbackError (``env.restore``).
    """
    try:
        reason = _put_back(layout, before)
    except OSError as error:
        message = f"{layout.venv.name} cannot be put back: {error.strerror or error}"
        hint = "Close what uses the folder, or make it writable, and run the command again. Nothing was lost."
        raise RollbackError("env.restore", message, hint) from error
    if not reason and before.previous is not None:
        remember(layout, previous=before.previous)
    return reason


def _put_back(layout: Layout, before: Standing) -> str:
    now = occupant(layout)
    if before.kind in ("link", "file", "other"):
        return ""  # envtool replaces none of them
    if before.inode is not None and _is(layout.venv, before.inode):
        return ""
    if before.kind == now.kind in ("absent", "empty", "generation") and before.number == now.number:
        return ""
    if now.kind not in ("absent", "generation"):
        return "something else stands there now"
    if before.kind == "absent":
        platform.remove_link(layout.venv)
    elif before.kind == "generation" and before.number is not None:
        platform.point(layout.venv, layout.generation(before.number))
    elif before.kind == "empty":
        platform.remove_link(layout.venv)
        layout.venv.mkdir()
        layout.venv.chmod(before.mode)
    else:
        return _take_back(layout, before.inode)
    return ""


def _is(path: Path, inode: int) -> bool:
    return platform.is_folder(path) and platform.identity(path)[1] == inode


def _take_back(layout: Layout, inode: int | None) -> str:
    """Undo an adoption: the folder goes back to ``.venv``, its slot and its record go."""
    slots, _ = numbers(layout)
    number = next((one for one in sorted(slots) if inode is not None and _is(layout.generation(one), inode)), None)
    if number is None:
        return "the folder that stood there is in no generation"
    slot = layout.generation(number)
    if not (platform.exists(layout.venv) and platform.exchange(layout.venv, slot)):
        platform.remove_link(layout.venv)
        platform.rename(slot, layout.venv)
    # From here on the next recover would do the same: a record without a folder is garbage.
    remember(layout, used=number)
    files.remove_file(record_path(layout, number))
    platform.remove_link(slot)
    return ""
