"""What becomes of GPU packages in a cpu lock. Pure.

By default, what comes in only through another package is left out with a note that names who asked, and what the
project names itself is an error with its fix: leaving out silently what somebody wrote down would hide a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name

from envtool.errors import ResolutionError
from envtool.lock.markers import cells_of
from envtool.lock.requirements_file import COMMAND_LINE
from envtool.models import Note, Requested, Resolved
from envtool.torch.family import is_gpu_payload
from envtool.torch.select import Cell

_SHOWN = 4
"""How many GPU packages an error lists: an export of a whole environment names dozens."""

_CPU_NAMES = {"onnxruntime-gpu": "onnxruntime", "tensorflow-gpu": "tensorflow", "faiss-gpu": "faiss-cpu"}


def split_direct(
    requirements: Sequence[Requested], policy: str, cells: Iterable[Cell]
) -> tuple[tuple[Requested, ...], tuple[Note, ...]]:
    """The requirements that go on to the resolver, and notes. Raises ResolutionError (``gpu.direct``).

    What a marker keeps out of every cell of the lock is nobody's mistake: it goes on, and comes to nothing.
    """
    if policy == "keep":
        return tuple(requirements), ()
    asked = tuple(cells)
    named = [item for item in requirements if _is_payload(item, asked)]
    kept = tuple(item for item in requirements if item not in named)
    if named and policy != "drop":
        listed = ", ".join(f"{item.requirement.name} ({item.origin})" for item in named[:_SHOWN])
        listed += f", and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        message = f"a cpu lock has no place for GPU packages, and the project itself names {listed}"
        names = sorted({canonicalize_name(item.requirement.name) for item in named})
        swaps = [f"{name} by {_CPU_NAMES[name]}" for name in names if name in _CPU_NAMES]
        hint = f"Replace {', '.join(swaps)}. " if swaps else ""
        hint += f"{'Or leave' if swaps else 'Leave'} "
        hint += 'it out of cpu locks with --gpu-packages drop (in [tool.envtool]: gpu-packages = "drop"), '
        hint += f"{_ways_out(named)}."
        raise ResolutionError("gpu.direct", message, hint)
    return kept, tuple(Note(code="gpu.dropped", message=_dropped(item)) for item in named)


def _ways_out(named: Sequence[Requested]) -> str:
    """What else can be done, by where the requirements come from."""
    ways = [f"leave out --extra {name}" for name in sorted({item.extra for item in named if item.extra})]
    ways += [f"leave out --group {name}" for name in sorted({item.group for item in named if item.group})]
    listed = {item.origin for item in named if not item.extra and not item.group}
    if COMMAND_LINE in listed:
        ways.append("leave it out of the command line")
    if listed - {COMMAND_LINE}:
        ways += ["take the line out", "move it to an extra"]
    *others, last = ways
    return f"{', '.join([*others, ''])}or {last}"


def _is_payload(item: Requested, cells: Sequence[Cell]) -> bool:
    marker = item.requirement.marker
    return is_gpu_payload(item.requirement.name) and (marker is None or bool(cells_of(str(marker), cells)[0]))


def _dropped(item: Requested) -> str:
    name = canonicalize_name(item.requirement.name)
    twin = f"; its CPU build is {_CPU_NAMES[name]}: name that, if it is needed" if name in _CPU_NAMES else ""
    return f"{name} left out of the cpu lock (named in {item.origin}){twin}"


def judge_transitive(left_out: Sequence[Resolved], policy: str) -> tuple[Note, ...]:
    """Notes on what a stand-in kept out. Raises ResolutionError (``gpu.transitive``) under ``refuse``."""
    notes = []
    for item in left_out:
        who = ", ".join(item.via) or "another package"
        if policy == "refuse":
            message = f"{who} asks for {item.name}, which carries GPU code"
            raise ResolutionError("gpu.transitive", message, 'gpu-packages = "default" leaves it out with a note.')
        notes.append(Note(code="gpu.left-out", message=f"{item.name} left out of the cpu lock: {who} asked for it"))
    return tuple(sorted(set(notes), key=lambda note: note.message))


def unasked(indexes: Iterable[str]) -> tuple[Note, ...]:
    """Notes on the indexes that a cpu lock does not ask."""
    message = "serves GPU packages alone: the cpu lock does not ask it"
    return tuple(Note(code="gpu.index-left-out", message=f"{url} {message}") for url in indexes)


def not_there(package: str, indexes: Sequence[str]) -> str:
    """A hint where no index has ``package``, and ``indexes`` were not asked; empty where that cannot be the cause."""
    if not package or not indexes:
        return ""
    return f"{', '.join(indexes)} was not asked for {package}: a cpu lock asks it only with --gpu-packages keep."


def refuse_payload(resolved: Sequence[Resolved]) -> None:
    """Raise ResolutionError (``gpu.closure``) for GPU packages that no stand-in kept out."""
    named = sorted(
        {f"{item.name} {item.version}" for item in resolved if not item.stand_in and is_gpu_payload(item.name)}
    )
    if named:
        message = f"GPU packages would come into the cpu lock: {', '.join(named)}"
        hint = 'Allow them with gpu-packages = "keep", or ask for another version.'
        raise ResolutionError("gpu.closure", message, hint)
