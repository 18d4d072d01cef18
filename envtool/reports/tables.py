"""Small things in text: a table, a size, a count, a list of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from envtool.reports.escape import printable


def size(count: int) -> str:
    """A number of bytes for a person, in decimal units as package indexes show them: ``7.2 MB``."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.95:
            break
        value, unit = value / 1000, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def plural(count: int, noun: str) -> str:
    """``1 file``, ``2 files``, ``2 libraries``."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """A plain table, two spaces between columns; the columns named in ``right`` are aligned to the right."""
    lines = [list(headings), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if heading in right else cell.ljust(width)
            for cell, width, heading in zip(line, widths, headings, strict=True)
        ).rstrip()
        for line in lines
    )


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What changed between two sets of versions, a line a package: ``+`` added, ``-`` removed, ``~`` changed."""
    lines = []
    for name in sorted({*before, *now}):
        if name not in before:
            lines.append(f"+ {name} {now[name]}")
        elif name not in now:
            lines.append(f"- {name} {before[name]}")
        elif before[name] != now[name]:
            lines.append(f"~ {name} {before[name]} -> {now[name]}")
    return tuple(lines)
