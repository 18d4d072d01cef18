"""Find a value that tomli has read in the text again: no TOML reader for Python 3.10 that keeps comments is quick.

A miss is never an error: the place is then the table, or the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HEADER = re.compile(r"^[ \t]*\[", re.M)


@dataclass
class Places:
    """Places in one TOML text. Equal strings are handed out in order, each once."""

    text: str
    used: set[int] = field(default_factory=set)

    def table(self, *path: str, start: int = 0) -> tuple[int, int] | None:
        """The span of ``[a.b]`` or ``[[a.b]]`` up to the next table, after ``start``."""
        dotted = r"[ \t]*\.[ \t]*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in path)
        header = re.compile(rf"^[ \t]*\[\[?[ \t]*{dotted}[ \t]*\]\]?", re.M).search(self.text, start)
        if header is None:
            return None
        following = _HEADER.search(self.text, header.end())
        return header.start(), following.start() if following else len(self.text)

    def key(self, name: str, region: tuple[int, int]) -> tuple[int, int] | None:
        """The span of the line on which a key of the region begins."""
        pattern = re.compile(rf"(?:^|[{{,])[ \t]*([\"']?{re.escape(name)}[\"']?[ \t]*[.=])", re.M)
        found = pattern.search(self.text, *region)
        return (found.start(1), self.line_end(found.start(1))) if found else None

    def under(self, name: str, region: tuple[int, int] | None) -> tuple[int, int] | None:
        """A region from where a key of it begins; the region itself when the key is not found."""
        line = self.key(name, region) if region else None
        return (line[0], region[1]) if line and region else region

    def string(self, value: str, region: tuple[int, int]) -> tuple[int, int] | None:
        """The span of a quoted string (with its quotes) of this value, not handed out before."""
        for quoted in (f'"{value}"', f"'{value}'", f'"{_escaped(value)}"'):
            at = self.text.find(quoted, *region)
            while at >= 0 and at in self.used:
                at = self.text.find(quoted, at + 1, region[1])
            if at >= 0:
                self.used.add(at)
                return at, at + len(quoted)
        return None

    def whole(self) -> tuple[int, int]:
        """The whole text as a region."""
        return 0, len(self.text)

    def line_end(self, at: int) -> int:
        """The end of the line's content at an offset."""
        newline = re.compile(r"[\r\n]").search(self.text, at)
        stop = newline.start() if newline else len(self.text)
        return at + len(self.text[at:stop].rstrip())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
