"""``envtool audit --fix`` and ``--diff``: rounds of fixing and auditing again, and what to say about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envtool.audit.fixes import FixPlan
    from envtool.audit.options import AuditOptions
    from envtool.audit.report import AuditReport

ROUNDS = 3
"""A fix may make room for another one on the same line; more rounds than this were never needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """The report afterwards, lines for the terminal, and keys for ``--json``."""

    report: AuditReport
    text: str
    result: Mapping[str, Any]
    diff: str = ""


def show_diff(report: AuditReport, *, unsafe: bool) -> Mended:
    """What fixing would change. Nothing is written."""
    from envtool.audit.excerpt import plain
    from envtool.audit.fixes import plan_fixes, unified_diff

    plan = plan_fixes(report.sources, report.findings, unsafe=unsafe)
    diff = unified_diff(report.sources, plan.texts)
    # A tab is layout here, not a control character to be shown; a CR belongs to the line's end.
    shown = "\n".join("\t".join(plain(part) for part in line.split("\t")) for line in diff.splitlines())
    notes = _left(plan)
    text = (shown or "Nothing to fix.") + "".join(f"\n# {plain(line)}" for line in notes) + "\n"
    return Mended(report=report, text=text, diff=text, result={"diff": diff, "fixed": [], "not_fixed": notes})


def fix_rounds(report: AuditReport, again: Callable[[], tuple[AuditReport, AuditOptions]], *, unsafe: bool) -> Mended:
    """Fix, write, audit again; until nothing is left to fix. Files that could not be written are named."""
    from envtool.adapters.text_files import replace_text
    from envtool.audit.fixes import plan_fixes

    fixed: dict[str, int] = {}
    notes: list[str] = []
    for _ in range(ROUNDS):
        plan = plan_fixes(report.sources, report.findings, unsafe=unsafe)
        notes += [line for line in _left(plan) if line not in notes]
        written = 0
        for path, text in plan.texts.items():
            source = report.sources[path]
            encoding = str(report.cache.get(("encoding", path), "utf-8"))
            reason = replace_text(source.absolute, source.text, text, encoding)
            if reason:
                notes.append(f"{path}: not fixed: {reason}")
            else:
                written += 1
                fixed[path] = fixed.get(path, 0) + sum(1 for finding in plan.applied if finding.path == path)
        if not written:
            break
        report, _options = again()
    return Mended(report=report, text=_summary(fixed, notes), result={"fixed": _rows(fixed), "not_fixed": notes})


def _rows(fixed: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"path": path, "fixes": number} for path, number in sorted(fixed.items())]


def _left(plan: FixPlan) -> list[str]:
    return [f"{row.path}: {row.reason}" for row in plan.left]


def _summary(fixed: Mapping[str, int], notes: list[str]) -> str:
    from envtool.audit.excerpt import plain

    count = sum(fixed.values())
    lines = [f"Fixed {count} finding{'s' * (count != 1)} in {len(fixed)} file{'s' * (len(fixed) != 1)}."]
    return "\n".join([*lines, *(plain(note) for note in notes)]) + "\n"
