"""``envtool status``: the generations, their sizes, what is current and how to go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envtool.cli.output import JsonOption, QuietOption, run_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envtool.env.status import Row, Status
    from envtool.lock.workspace import Project
    from envtool.models import Generation, Layout, Lock, Outcome, Reporter


def status(json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Show the environments of this project: which is current, how big, how healthy.

    "size" is what the files of an environment add up to. "unique" is what
    deleting it would free: files that uv's cache or another generation share
    are not in it. Nothing is changed, and no environment is run.

    \b
    Examples:
      envtool status
      envtool status --json | jq '.result.generations[] | select(.current)'
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.cli.options import open_here
        from envtool.env.generations import at_work
        from envtool.env.records import layout_for
        from envtool.env.status import read_status
        from envtool.models import Outcome
        from envtool.reports.escape import printable

        project = open_here()
        layout = layout_for(project.root, project.settings.venv)
        lock = _read_lock(project, reporter)
        found = read_status(layout, lambda generation: locked_versions(lock, layout, generation))
        stale, busy = _stale(project, lock), at_work(layout)
        result = {**_result(layout, found), "lock_stale": None if stale is None else list(stale), "busy": busy}
        lines = [_text(layout, found, busy)]
        if stale:
            lines.append(f"lockfiles/ is stale: {printable('; '.join(stale))}. Bring it up to date: envtool lock")
        return Outcome(result=result, text="\n".join(lines))

    run_command("status", stage, as_json=json, quiet=quiet)


def locked_versions(lock: Lock | None, layout: Layout, generation: Generation) -> Mapping[str, str] | None:
    """Names and versions that the lock holds for a generation's backend and Python; None: nothing to compare with.

    The user's own adopted environment never came from a lock. What was installed from a folder, the project itself
    among it, is no part of a lock and so no drift.
    """
    if lock is None or generation.kind == "adopted":
        return None
    from envtool.env.install import pins_here
    from envtool.env.installed import installed_versions, local_projects
    from envtool.env.verify import locate_site_packages
    from envtool.errors import EnvtoolError

    home = layout.venv if generation.kind == "plain" else layout.generation(generation.id)
    try:
        torch, rest = pins_here(lock, generation.backend, generation.python)
        site = locate_site_packages(home)
    except EnvtoolError:
        return None
    locked = {pin.name: str(pin.version) for pin in (*torch, *rest)}
    installed, own = installed_versions(site), local_projects(site)
    return {**{name: version for name, version in installed.items() if name in own}, **locked}


def _read_lock(project: Project, reporter: Reporter) -> Lock | None:
    from envtool.errors import LockError
    from envtool.lock.stage import existing_lock

    try:
        return existing_lock(project)
    except LockError as error:
        reporter.warn(f"{error.message}; nothing is compared with it")
        return None


def _stale(project: Project, lock: Lock | None) -> tuple[str, ...] | None:
    """What ``lock --check`` says of the lock; None without one, or where the requirements cannot be read."""
    if lock is None:
        return None
    from envtool.errors import EnvtoolError
    from envtool.lock.request import RequestOptions
    from envtool.lock.stage import read_request, staleness

    try:
        request, _ = read_request(project, RequestOptions(), only_resolve=True)
    except EnvtoolError:
        return None  # a setup says what is wrong with them
    return staleness(lock, request, project, ())


def _result(layout: Layout, found: Status) -> dict[str, object]:
    return {
        "current": found.current,
        "venv": layout.venv.relative_to(layout.root).as_posix(),
        "mode": _MODES[found.occupant.kind],
        "way_back": found.way_back,
        "previous": found.previous,
        "unfinished_migration": layout.migration_journal.exists(),
        "size": found.total.apparent,
        "unique_size": found.total.unique,
        "generations": [row.as_dict() for row in found.rows],
    }


_MODES = {
    "absent": "none",
    "generation": "chain",
    "plain": "plain",
    "directory": "own",
    "empty": "none",
    "other": "foreign",
    "link": "foreign",
    "file": "foreign",
}


def _text(layout: Layout, found: Status, busy: int | None) -> str:
    from envtool.env.replaceable import obstacle
    from envtool.lock.above import project_above
    from envtool.reports.escape import printable
    from envtool.reports.tables import size, table

    lines: list[str] = []
    if found.rows:
        headings = ["", "id", "backend", "torch", "python", "created (UTC)", "size", "unique", "state"]
        lines.append(table(headings, [_cells(row) for row in found.rows], right=("id", "size", "unique")))
        lines.append(f"together {size(found.total.apparent)}; deleting all would free {size(found.total.unique)}")
    name = layout.venv.relative_to(layout.root).as_posix()
    target = printable(str(found.occupant.target))
    if busy is not None:
        lines.append(f"Another envtool (process {busy}) is at work here.")
    make = "" if busy is not None else f" {project_above(layout.root) or 'Make one: envtool setup --cpu'}"
    lines.append(
        {
            "absent": f"There is no {name} here{'.' if busy is None else ' yet.'}{make}",
            "generation": f"{name} is generation {found.occupant.number}.",
            "plain": f"{name} is a plain folder, made with --plain; it is not part of a chain.",
            "directory": f"{name} is a folder of your own; envtool setup --cpu keeps it as a generation.",
            "empty": f"{name} is an empty folder. Fill it: envtool setup --cpu",
            "other": f"{name} is a folder and no environment; envtool will not touch it.",
            "link": f"{name} is a link to {target}, which envtool did not make and will not touch.",
            "file": f"{name} is no folder; envtool will not touch it.",
        }[found.occupant.kind]
    )
    if found.occupant.kind == "generation" and found.current is None:
        lines[-1] = f"{name} leads to generation {found.occupant.number}, which is not there. Run: envtool setup --cpu"
    error = obstacle(layout) if _MODES[found.occupant.kind] == "foreign" else None
    if error is not None:
        lines[-1] += f" {error.hint}"
    for row in found.rows:
        if row.current and row.drift:
            lines.append(f"It differs from the lock in {len(row.drift)}:")
            lines.extend(f"  {printable(line)}" for line in row.drift)
    if layout.migration_journal.exists():
        lines.append(
            "A migration was interrupted here. Undo it: envtool migrate --undo. Go on: envtool migrate --resume"
        )
    if found.way_back is not None and found.way_back != found.current:
        lines.append(f"Back to full torch (generation {found.way_back}): envtool rollback")
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    from envtool.reports.tables import size

    one = row.generation
    from envtool.env.by_hand import listed

    by_hand = f"changed by hand ({listed(row.by_hand)})" if row.by_hand else ""
    state = (by_hand or "healthy") if row.healthy else "broken"
    if one.kind != "built":
        state += f", {one.kind}"
    if row.other_lock:
        state += ", another lock"
    return [
        "*" if row.current else "",
        str(one.id),
        one.backend,
        one.torch or "-",
        one.python,
        one.created[:16].replace("T", " "),
        size(row.usage.apparent),
        size(row.usage.unique),
        state,
    ]
