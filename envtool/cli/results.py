"""What setup and rollback print at the end, as data, as text, and as a GitHub job summary."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from envtool.models import Outcome
from envtool.reports.escape import printable

if TYPE_CHECKING:
    from envtool.env.outcome import SetupResult
    from envtool.env.plan import Plan
    from envtool.models import Generation, Layout


def setup_outcome(result: SetupResult, layout: Layout, seconds: float, *, dry_run: bool = False) -> Outcome:
    """The outcome of a setup or rollback. The last lines say what is current, what it saved, and how to go back."""
    generation = result.generation
    # A dry run tells of what would be there: that has no number yet, unless it is there already.
    planned = result.plan if dry_run and not result.reused else None
    about = planned or generation or result.place
    data: dict[str, Any] = {
        "generation": generation.id if generation is not None and planned is None else None,
        "backend": about.backend if about is not None else None,
        "torch": about.torch if about is not None else None,
        "python": about.python if about is not None else None,
        "venv": layout.venv.relative_to(layout.root).as_posix() if result.place is None else None,
        "in_place": str(result.place.path) if result.place is not None else None,
        "changed": result.changed,
        "checks": [check.as_dict() for check in result.checks],
        "seconds": round(seconds, 3),
        "phases": dict(result.phases),
        "notes": [note.as_dict() for note in result.notes],
        "plan": result.plan.as_dict() if result.plan is not None else None,
        "dry_run": dry_run,
        "lock_changed": result.lock_changed,
    }
    text = _dry_text(result) if dry_run else _text(result, layout)
    if not dry_run:
        _job_summary(result, text)
    return Outcome(result=data, text=text, brief=None if dry_run else "")


def _dry_text(result: SetupResult) -> str:
    if result.plan is None or result.reused:
        generation = result.generation
        if generation is None and result.place is None:
            return "dry run: nothing changed"
        if not result.changed:
            what = "already satisfied" if result.reused else "already current"
            where = f"; {printable(str(result.place.path))}" if result.place is not None else ""
            return f"dry run: {what}: {_describe(result)}{where}"
        there = ", which is there already: nothing to download" if result.reused else ""
        changes = result.plan.changes if result.plan is not None else ()
        return "\n".join([*changes, f"dry run: would switch to {_describe(result)}{there}"])
    lines = list(result.plan.changes) or ["no package changes"]
    if result.place is not None:
        lines.append(f"place     {printable(str(result.place.path))}")
    lines += [*_plan_lines(result.plan), *(f"note      {message}" for message in _lasting(result))]
    lines.append("dry run: nothing changed" + ("; the lock would be written" if result.lock_changed else ""))
    return "\n".join(lines)


def _lasting(result: SetupResult) -> list[str]:
    from envtool.env.outcome import REPEATED

    return [note.message for note in result.notes if note.code in REPEATED]


def _plan_lines(plan: Plan) -> list[str]:
    from envtool.env.plan import human

    full = plan.full if plan.full is not None and not plan.full.unknown else None
    download, disk = human(plan.size.download), f"about {human(plan.size.disk)}{plan.size.uncounted}"
    lines = [
        f"download  {download}{plan.size.uncounted or ' at most'}{_against(full.download if full else None)}",
        f"disk      {disk}{_against(full.disk if full else None)}",
        f"free      {human(plan.free)}",
    ]
    if plan.size.unknown:
        lines.append(f"unknown   the size of {', '.join(plan.size.unknown)}")
    return lines


def _against(full: int | None) -> str:
    from envtool.env.plan import human

    return f" (full torch: {human(full)})" if full is not None else ""


def _describe(result: SetupResult) -> str:
    generation, place = result.generation, result.place
    if place is not None:
        return f"torch {place.torch or 'none'} ({place.backend}), Python {place.python}"
    if generation is None:
        return "no environment"
    name = "a plain environment" if generation.kind == "plain" else f"generation {generation.id}"
    return f"{name}: {generation.about}, Python {generation.python}"


def _text(result: SetupResult, layout: Layout) -> str:
    generation, place = result.generation, result.place
    venv = layout.venv.relative_to(layout.root).as_posix() if place is None else printable(str(place.path))
    if not result.changed:
        return f"already satisfied: {venv} is {_describe(result)}; nothing changed"
    lines = [f"current  {venv} is {_describe(result)}"]
    lines += [f"note     {message}" for message in _lasting(result)]
    plan = result.plan
    backend = place.backend if place is not None else generation.backend if generation is not None else ""
    # In place torch may have been there, and then none of it was downloaded.
    had = place is not None and plan is not None and not any(line.split()[1] == "torch" for line in plan.changes)
    known = not had and plan is not None and plan.full is not None and not (plan.size.unknown or plan.full.unknown)
    if plan is not None and plan.full is not None and known and backend == "cpu" and not result.reused:
        from envtool.env.plan import human

        saved = plan.full.download - plan.size.download
        disk = plan.full.disk - plan.size.disk
        if saved > 0:  # on macOS and Windows full torch is the CPU build too
            lines.append(
                f"saved    {human(saved)} of download and about {human(max(disk, 0))} of disk against full torch"
            )
    if place is not None:
        gone = [note.message for note in result.notes if note.code == "in-place.removed"]
        lines += [f"removed  {message}" for message in gone]
        lines.append("before   .envtool/in-place.json says what was there")
    elif generation is not None and generation.backend == "cpu":
        lines += _back(layout, generation, plan)
    elif generation is not None:
        lines.append("forward  envtool setup --cpu")
    return "\n".join(lines)


def _back(layout: Layout, now: Generation, plan: Plan | None) -> list[str]:
    """The way back as it is: a flip, or a build of full torch with what it costs; none from a plain environment."""
    from envtool.env.by_hand import changed_by_hand
    from envtool.env.generations import is_sound, list_generations, way_back
    from envtool.env.plan import human

    there = [one for one in list_generations(layout) if one.id != now.id]
    usable = [one for one in there if is_sound(layout, one) and not changed_by_hand(one, layout.generation(one.id))]
    back = way_back(layout, {one.id for one in there} - {one.id for one in usable})
    if back is not None:
        what = "your own environment of before" if back.kind == "adopted" else back.about
        return [f"back     envtool rollback  (generation {back.id}, {printable(what)})"]
    own = next((one for one in reversed(usable) if one.kind == "adopted"), None)
    if own is not None:
        return [f"back     envtool rollback --to {own.id}  (your own environment of before)"]
    if now.kind == "plain" or plan is None or plan.full is None:
        return []
    size = f": {human(plan.full.download)} to download" if not plan.full.unknown else ""
    return [f"back     envtool rollback  (builds full torch{size})"]


def _job_summary(result: SetupResult, text: str) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path or os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from envtool.reports.github import append_summary

    rows = [(check.id, str(check.status), check.found) for check in result.checks]
    append_summary(path, "envtool", text, rows)
