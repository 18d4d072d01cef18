"""The report for a person at a terminal: grouped by file, with the source line and a caret, like ruff and rustc."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

from envtool.audit.excerpt import excerpt_of, plain
from envtool.audit.formats.paths import shown
from envtool.audit.models import Finding
from envtool.audit.notebooks import Cell
from envtool.audit.report import AuditReport

_UNREAD = 5
"""So many files that could not be read are named."""


def render_text(report: AuditReport) -> str:
    """The whole report; skipped files are counted here and listed in full by ``--json``."""
    found = render_findings(report)
    return (f"{found}\n" if found else "") + _summary(report) + "\n"


def render_findings(report: AuditReport) -> str:
    """The findings alone; empty when there are none."""
    blocks: list[str] = []
    for path, group in groupby(report.findings, key=lambda finding: finding.path):
        lines = [plain(shown(report.root, path))]
        for finding in group:
            lines.extend(_finding(finding, report))
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _finding(finding: Finding, report: AuditReport) -> list[str]:
    place = finding.location
    where = f"{place.line}:{place.column}"
    cell = _cell(finding, report)
    if cell is not None:
        where += f" (cell {cell.number}, line {place.line - cell.first_line + 1})"
    fixable = " [*]" if _fixable(finding, report) == "safe" else ""
    lines = [f"  {where}: {finding.severity}[{finding.code}]{fixable} {plain(finding.message)}"]
    lines.extend(f"    {line}" for line in excerpt_of(finding, report))
    return lines


def _fixable(finding: Finding, report: AuditReport) -> Literal["safe", "unsafe", ""]:
    source = report.sources.get(finding.path)
    if finding.fix is None or (source is not None and source.kind == "notebook"):
        return ""  # a notebook's cells are edited in its own editor
    return "safe" if finding.fix.safe else "unsafe"


def fix_lines(report: AuditReport) -> list[str]:
    """What ``[*]`` means, and which fixes ``--fix`` leaves alone, in at most one line; as ruff says it."""
    kinds = [_fixable(finding, report) for finding in report.findings]
    safe, unsafe = kinds.count("safe"), kinds.count("unsafe")
    if not safe and not unsafe:
        return []
    hidden = "with --fix --unsafe-fixes, which may change what runs"
    if not safe:
        return [f"{unsafe} fixable {hidden}."]
    return [f"[*] {safe} fixable with --fix" + (f"; {unsafe} more {hidden}." if unsafe else ".")]


def _unread(report: AuditReport) -> list[str]:
    """What was to be read and could not be: named on the command line, or broken. A line each."""
    rows = [row for row in report.skipped if row.amiss]
    lines = [f"Not read: {plain(shown(report.root, row.path))}: {plain(row.reason)}" for row in rows[:_UNREAD]]
    return lines + ([f"Not read: {len(rows) - _UNREAD} more, in --json"] if len(rows) > _UNREAD else [])


def _cell(finding: Finding, report: AuditReport) -> Cell | None:
    cells = report.cache.get(("cells", finding.path))
    if not isinstance(cells, tuple):
        return None
    return next((cell for cell in cells if cell.first_line <= finding.location.line <= cell.last_line), None)


def _summary(report: AuditReport) -> str:
    counts = report.summary()
    found = [f"{counts[name]} {name}{'' if counts[name] == 1 else 's'}" for name in ("error", "warning", "note")]
    parts = [f"{', '.join(found)} in {report.files} file{'' if report.files == 1 else 's'}"]
    if report.skipped:
        parts.append(f"{len(report.skipped)} skipped (--json lists them)")
    if report.suppressed:
        parts.append(f"{report.suppressed} suppressed")
    if report.known:
        parts.append(f"{report.known} in the baseline")
    lines = ["; ".join(parts) + ".", *_unread(report), *fix_lines(report)]
    if report.safe:
        count = len(report.safe)
        what = "1 line looks like trouble and is" if count == 1 else f"{count} lines look like trouble and are"
        lines.append(f"{what} fine: --json says why, as a risk report does (-o risk.md).")
    if report.findings:
        lines.append(f"What a code means: envtool audit --explain {report.findings[0].code}")
    return "\n".join(lines)
