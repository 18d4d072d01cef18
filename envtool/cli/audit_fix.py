"""``envtool audit --fix`` and ``--diff``: rounds of fixing and auditing again, and what to say about them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envtool.audit.report import AuditReport


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """The report afterwards, lines for the terminal, and keys for ``--json``; ``changes``: what ``--quiet`` prints."""

    report: AuditReport
    text: str
    result: Mapping[str, Any]
    diff: str = ""
    changes: str = ""


def show_diff(report: AuditReport, *, unsafe: bool) -> Mended:
    """What fixing would change. Nothing is written."""
    from envtool.audit.excerpt import plain
    from envtool.audit.fixes import plan_fixes, unified_diff
    from envtool.audit.mend import not_fixed

    plan = plan_fixes(report.sources, report.findings, unsafe=unsafe)
    diff = unified_diff(report.sources, plan.texts)
    # A tab is layout here, not a control character to be shown; a CR belongs to the line's end.
    shown = "\n".join("\t".join(plain(part) for part in line.split("\t")) for line in diff.splitlines())
    notes = not_fixed(plan)
    text = (shown or "Nothing to fix.") + "".join(f"\n# {plain(line)}" for line in notes) + "\n"
    result = {"diff": diff, "fixed": [], "not_fixed": notes}
    return Mended(report=report, text=text, diff=text, changes=text if shown or notes else "", result=result)


def fix_rounds(report: AuditReport, again: Callable[[], tuple[AuditReport, object]], *, unsafe: bool) -> Mended:
    """Fix, write, audit again; until nothing is left to fix. Files that could not be written are named.

    Raises BusyError while another envtool works in the project of such a file, and where a migration was interrupted.
    """
    from envtool.audit.fixes import plan_fixes
    from envtool.audit.mend import mend

    paths = plan_fixes(report.sources, report.findings, unsafe=unsafe).texts
    with _alone(report.sources[path].absolute for path in paths):
        done = mend(report, lambda: again()[0], unsafe=unsafe)
    result = {"fixed": _rows(done.fixed), "not_fixed": list(done.left)}
    text = _summary(done.fixed, done.left) + _settles(done.report)
    return Mended(report=done.report, text=text, result=result, changes=_left(done.left))


@contextmanager
def _alone(files: Iterable[Path]) -> Iterator[None]:
    """Hold the lock of each project that the files belong to: the nearest folder over a file with an ``.envtool/``."""
    from envtool.env.generations import exclusive_if_used
    from envtool.env.records import layout_for

    # os.path: pathlib's is_dir raises where a folder above may not be read.
    homes = ((folder for folder in file.parents if os.path.isdir(folder / ".envtool")) for file in files)  # noqa: PTH112
    with ExitStack() as held:
        for root in sorted({home for found in homes if (home := next(found, None)) is not None}):
            held.enter_context(exclusive_if_used(layout_for(root)))
        yield


def _rows(fixed: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"path": path, "fixes": number} for path, number in sorted(fixed.items())]


def _summary(fixed: Mapping[str, int], notes: Iterable[str]) -> str:
    count = sum(fixed.values())
    return f"Fixed {count} finding{'s' * (count != 1)} in {len(fixed)} file{'s' * (len(fixed) != 1)}.\n{_left(notes)}"


def _left(notes: Iterable[str]) -> str:
    from envtool.audit.excerpt import plain

    return "".join(f"{plain(note)}\n" for note in notes)


def _settles(report: AuditReport) -> str:
    """What to do about torch from the default index, the one error that fixing an index line may leave behind."""
    rows = [row for row in report.findings if row.code == "CPU301" and row.severity != "note"]
    if not rows:
        return ""
    from envtool.audit.excerpt import plain

    files = list(dict.fromkeys(row.path for row in rows))
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return (
        f"CPU301 in {plain(files[0])}{more} needs no edit: envtool lock routes torch to the CPU index, and "
        "envtool setup --cpu installs it from there.\n"
    )
