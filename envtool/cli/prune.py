"""``envtool prune``: remove old generations."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from envtool.cli.output import JsonOption, QuietOption, run_command

if TYPE_CHECKING:
    from envtool.env.pruning import Pruned
    from envtool.models import Outcome, Reporter

MUCH = 50_000_000
"""Bytes in uv's cache that are worth a line. Fewer are there after every prune."""


def prune(
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, metavar="N", help="Keep the N newest (default 2; 0 with --all).")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Also the way back to full torch, and your own adopted environment.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and stop.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove old generations of this project's environment.

    The current generation always stays. So do the way back to full torch and
    the environment that you had before envtool, which nobody can build again:
    --all takes those too. What uv's cache keeps of them is freed with it alone:
    uv cache clean

    \b
    Examples:
      envtool prune --dry-run   what would go, and how much that frees
      envtool prune --keep 1    all but the newest and those that always stay
      envtool prune --all       all but the current one
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.cli.options import open_here
        from envtool.env.generations import exclusive, recover
        from envtool.env.pruning import DEFAULT_KEEP
        from envtool.env.pruning import prune as prune_generations
        from envtool.env.records import layout_for
        from envtool.models import Outcome

        project = open_here()
        layout = layout_for(project.root, project.settings.venv)
        number = keep if keep is not None else 0 if all_ else DEFAULT_KEEP
        if not layout.state.is_dir():
            nothing = _result((), (), 0, 0, dry_run=dry_run)
            return Outcome(result=nothing, text="There are no generations here.", brief="")
        # A dry run takes no lock and recovers nothing: both write.
        with contextlib.nullcontext() if dry_run else exclusive(layout):
            for sentence in () if dry_run else recover(layout):
                reporter.note(sentence)
            done = prune_generations(layout, keep=number, include_way_back=all_, dry_run=dry_run, say=reporter.phase)
        result = _result(
            [one.id for one in done.removed],
            [{"id": one.id, "reason": reason} for one, reason in done.kept],
            done.freed,
            done.cached,
            dry_run=dry_run,
        )
        brief = None if dry_run else ""
        return Outcome(result=result, text=_text(done, dry_run=dry_run, everything=all_), brief=brief)

    run_command("prune", stage, as_json=json, quiet=quiet)


def _result(removed: object, kept: object, freed: int, cached: int, *, dry_run: bool) -> dict[str, object]:
    return {"removed": removed, "kept": kept, "freed": freed, "cached": cached, "dry_run": dry_run}


def _in_cache(size: str, *, dry_run: bool) -> str:
    """Why so little is freed. ``uv cache prune`` would not help: it keeps all that came from an index."""
    from envtool.adapters.platform import spelled
    from envtool.adapters.uv import find_uv
    from envtool.reports.escape import printable

    uv, stay = printable(spelled(find_uv())), "would stay" if dry_run else "stay"
    said = f"{size} more {stay} in uv's cache, which all projects share"
    return f"{said}; empty it with: {uv} cache clean"


def _text(done: Pruned, *, dry_run: bool, everything: bool) -> str:
    from envtool.reports.escape import printable
    from envtool.reports.tables import size

    verb = "would remove" if dry_run else "removed"
    lines = [
        f"{verb} generation {one.id}: {'your own environment of before, ' if one.kind == 'adopted' else ''}"
        f"{printable(one.about)}"
        for one in done.removed
    ]
    lines += [f"kept generation {one.id}: {reason}" for one, reason in done.kept]
    if done.removed:
        lines.append(f"{'would free' if dry_run else 'freed'} {size(done.freed)}")
        if done.cached >= MUCH:
            lines.append(_in_cache(size(done.cached), dry_run=dry_run))
    else:
        others = any(reason != "current" for _, reason in done.kept)
        lines.append(
            "Nothing to remove." + (" With --all, only the current one stays." if others and not everything else "")
        )
    return "\n".join(lines)
