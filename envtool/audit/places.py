"""Offsets of a source's text to the lines and columns of a Location, and the lines around an offset."""

from __future__ import annotations

import re
from bisect import bisect_right

from envtool.audit.models import Location, Project, Source

_NEWLINE = re.compile(r"\r\n|\r|\n")


def _starts(source: Source, project: Project) -> list[int]:
    key = ("offsets", source.path)  # shared with envtool.audit.syntax
    starts = project.cache.get(key)
    if not isinstance(starts, list):
        starts = [0, *(match.end() for match in _NEWLINE.finditer(source.text))]
        project.cache[key] = starts
    return starts


def place(source: Source, project: Project, start: int, end: int) -> Location:
    """The Location of ``text[start:end]``."""
    starts = _starts(source, project)
    first, last = bisect_right(starts, start), bisect_right(starts, max(start, end - 1))
    return Location(
        line=first,
        column=start - starts[first - 1] + 1,
        end_line=last,
        end_column=end - starts[last - 1] + 1,
    )


def whole_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of the lines that hold ``text[start:end]``, with the last one's newline."""
    begin = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    after = _NEWLINE.search(text, end)
    return begin, after.end() if after else len(text)
