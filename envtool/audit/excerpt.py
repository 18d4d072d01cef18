"""A line of a source as it can be shown: a window of it, a caret below, and nothing in it that acts on a terminal."""

from __future__ import annotations

import re
import unicodedata

from envtool.audit.models import Finding
from envtool.audit.notebooks import inert_until
from envtool.audit.report import AuditReport

_WIDTH = 110
_LEAD = 40
_CREDENTIALS = re.compile(r"https?://([^/\s'\"<>]+)@", re.IGNORECASE)


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


def excerpt_of(finding: Finding, report: AuditReport) -> list[str]:
    """The source line of a finding and a line of carets below, made safe to print; nothing for a file without text.

    User names and passwords of URLs are left out: what is shown ends in the logs of CI and in reports for a team.
    """
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
    if source.kind == "notebook":
        first = max(first, inert_until(text))
    last = min(len(text), first + _WIDTH)
    shown = _without_credentials(text)
    before, marked = plain("".join(shown[first:start])), plain("".join(shown[start : min(end, last)]))
    after = plain("".join(shown[min(max(end, start), last) : last]))
    number = str(place.line)
    pad = " " * len(number)
    return [
        f"{number} | {before}{marked}{after}".rstrip(),
        f"{pad} | {' ' * len(before)}{'^' * max(1, len(marked))}",
    ]


def _without_credentials(line: str) -> list[str]:
    """The characters of a line, each at its index, so that carets keep their place; credentials are four stars."""
    shown = list(line)
    for found in _CREDENTIALS.finditer(line):
        first, end = found.span(1)
        shown[first:end] = ["****", *[""] * (end - first - 1)]
    return shown
