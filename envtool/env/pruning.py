"""Which generations may go, what that frees, and how they go: the record first, so that a kill leaves only garbage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from envtool.adapters import files, platform
from envtool.env.generations import current, list_generations, way_back
from envtool.env.records import record_path, remember
from envtool.errors import InstallError
from envtool.models import Generation, Layout
from envtool.reports.tables import plural

DEFAULT_KEEP = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What ``prune`` removed (or would), what stays and why, and the bytes that this frees.

    ``cached``: bytes of what went that no generation has any more, and that are on the disk all the same: its files are
    links into uv's cache.
    """

    removed: tuple[Generation, ...]
    kept: tuple[tuple[Generation, str], ...]
    freed: int
    cached: int = 0


def prune(
    layout: Layout,
    *,
    keep: int = DEFAULT_KEEP,
    include_way_back: bool = False,
    dry_run: bool = False,
    say: Callable[[str, str], None] = lambda name, detail: None,
) -> Pruned:
    """Remove all but the ``keep`` newest generations; call it with the lock held and after ``recover``.

    The current one always stays. The way back and the user's own adopted environment, which nobody can build again,
    stay unless ``include_way_back``. ``say`` hears what takes its time, as a reporter's phases do. Raises InstallError
    (``env.prune``) when one cannot be removed.
    """
    all_of_them = list_generations(layout)
    live, back = current(layout), way_back(layout)
    kept: list[tuple[Generation, str]] = []
    removed: list[Generation] = []
    for rank, one in enumerate(reversed(all_of_them)):
        if one == live:
            kept.append((one, "current"))
        elif one == back and not include_way_back:
            kept.append((one, "the way back"))
        elif one.kind == "adopted" and not include_way_back:
            kept.append((one, "your own environment"))
        elif rank < keep:
            kept.append((one, "the newest" if rank == 0 else f"one of the {keep} newest"))
        else:
            removed.append(one)
    if removed:
        say("measure", plural(len(removed), "generation"))
    freed, cached = _sizes(layout, removed, [one for one, _ in kept]) if removed else (0, 0)
    if not dry_run:
        for one in removed:
            say("remove", f"generation {one.id}")
            _remove(layout, one)
    return Pruned(removed=tuple(reversed(removed)), kept=tuple(reversed(kept)), freed=freed, cached=cached)


def _sizes(layout: Layout, removed: list[Generation], kept: list[Generation]) -> tuple[int, int]:
    """Bytes that are freed when these generations go, and bytes that they share with none that stays, yet are not."""
    going = [layout.generation(one.id) for one in removed]
    staying = [layout.venv if one.kind == "plain" else layout.generation(one.id) for one in kept]
    freed = platform.disk_usage(going).unique
    return freed, platform.disk_usage([*going, *staying]).apparent - platform.disk_usage(staying).apparent - freed


def _remove(layout: Layout, generation: Generation) -> None:
    remember(layout, used=generation.id)
    try:
        files.remove_file(record_path(layout, generation.id))
        files.remove_tree(layout.generation(generation.id))
    except OSError as error:
        raise InstallError(
            "env.prune",
            f"cannot remove generation {generation.id}: {error.strerror or error}: {error.filename}",
            "Close what uses it, or make it writable; the next command removes the rest.",
        ) from error
