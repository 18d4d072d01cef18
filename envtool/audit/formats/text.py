"""The report for a person at a terminal: grouped by file, with the source line and a caret, like ruff and rustc."""

from __future__ import annotations

import os
import unicodedata
from itertools import groupby
from pathlib import Path

from envtool.audit.models import Finding
from envtool.audit.notebooks import Cell
from envtool.audit.report import AuditReport

_WIDTH = 110
_LEAD = 40


def plain(text: str) -> str:
    """Untrusted text for a terminal: control, bidirectional and other format characters become visible escapes."""
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char == "\t":
        return "    "
    if char.isascii():
        return char if char.isprintable() else f"\\x{ord(char):02x}"
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"
    return char


def render_text(report: AuditReport) -> str:
    """The whole report; skipped files are counted here and listed in full by ``--json``."""
    out: list[str] = []
    for path, group in groupby(report.findings, key=lambda finding: finding.path):
        out.append(plain(_shown(report.root, path)))
        for finding in group:
            out.extend(_finding(finding, report))
        out.append("")
    out.append(_summary(report))
    return "\n".join(out) + "\n"


def _shown(root: Path, path: str) -> str:
    """A path that can be clicked on: relative to the current folder if it lies below."""
    full = root / path
    try:
        relative = os.path.relpath(full)
    except ValueError:  # another drive on Windows
        return str(full)
    return str(full) if relative.startswith("..") else Path(relative).as_posix()


def _finding(finding: Finding, report: AuditReport) -> list[str]:
    place = finding.location
    where = f"{place.line}:{place.column}"
    cell = _cell(finding, report)
    if cell is not None:
        where += f" (cell {cell.number}, line {place.line - cell.first_line + 1})"
    fixable = " [*]" if finding.fix is not None else ""
    lines = [f"  {where}: {finding.severity}[{finding.code}]{fixable} {plain(finding.message)}"]
    lines.extend(f"    {line}" for line in excerpt_of(finding, report))
    return lines


def _cell(finding: Finding, report: AuditReport) -> Cell | None:
    cells = report.cache.get(("cells", finding.path))
    if not isinstance(cells, tuple):
        return None
    return next((cell for cell in cells if cell.first_line <= finding.location.line <= cell.last_line), None)


def excerpt_of(finding: Finding, report: AuditReport) -> list[str]:
    """The source line of a finding and a line of carets below, made safe to print; nothing for a file without text."""
    source = report.sources.get(finding.path)
    place = finding.location
    lines = report.cache.get(("lines", finding.path))
    if source is None or not isinstance(lines, list) or not 0 < place.line <= len(lines):
        return []
    text = str(lines[place.line - 1])
    start = min(place.column - 1, len(text))
    end = len(text.rstrip()) if place.end_line > place.line else min(place.end_column - 1, len(text))
    # Only a window of a long line: a minified file must not fill the screen.
    first = max(0, start - _LEAD) if len(text) > _WIDTH else len(text) - len(text.lstrip())
    last = min(len(text), first + _WIDTH)
    before, marked = plain(text[first:start]), plain(text[start : min(end, last)])
    after = plain(text[min(max(end, start), last) : last])
    number = str(place.line)
    pad = " " * len(number)
    return [
        f"{number} | {before}{marked}{after}".rstrip(),
        f"{pad} | {' ' * len(before)}{'^' * max(1, len(marked))}",
    ]


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
    lines = ["; ".join(parts) + "."]
    if report.findings:
        lines.append(f"What a code means: envtool audit --explain {report.findings[0].code}")
    return "\n".join(lines)
