"""The pictures of the HTML report, tables and boxes that scale with the text and can be read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from envtool.audit.excerpt import plain
from envtool.audit.risk.model import LEVELS, LIKELIHOODS, Bar, Code, Perspective
from envtool.reports.tables import size


def matrix(perspectives: Sequence[Perspective]) -> str:
    """Level against likelihood; each perspective with findings stands in its cell. Nothing without findings."""
    cells: dict[tuple[str, str], list[str]] = {}
    for row in perspectives:
        if row.findings:
            chip = f'<span class="chip">{escape(row.name)} <b>{row.findings}</b></span>'
            cells.setdefault((row.level, row.likelihood), []).append(chip)
    if not cells:
        return ""
    rows = []
    for up, level in reversed(list(enumerate(LEVELS))):
        shown = "".join(
            f'<td class="heat{up + right}">{"".join(cells.get((level, likelihood), ()))}</td>'
            for right, likelihood in enumerate(LIKELIHOODS)
        )
        rows.append(f'<tr><th scope="row">{level}</th>{shown}</tr>')
    head = "".join(f'<th scope="col">{likelihood}</th>' for likelihood in LIKELIHOODS)
    return (
        '<table class="matrix"><caption>Level (upwards) and likelihood (to the right) of each perspective, with its '
        f"number of findings</caption><tbody>{''.join(rows)}</tbody>"
        f"<tfoot><tr><td></td>{head}</tr></tfoot></table>"
    )


def bars(rows: Sequence[Bar]) -> str:
    """Sizes as bars, the longest as wide as the page; the numbers stand beside them."""
    if not rows:
        return ""
    longest = max(bar.size for bar in rows) or 1
    items = []
    for bar in rows:
        source = "".join(
            f"<code>{escape(plain(part.text))}</code>" if isinstance(part, Code) else escape(plain(part))
            for part in bar.source
        )
        width = max(1, round(100 * bar.size / longest))
        items.append(
            f'<li><span class="name">{escape(bar.name)}</span> <b>{size(bar.size)}</b> '
            f'<span class="facts">{source}</span>'
            f'<span class="bar" aria-hidden="true"><i style="width:{width}%"></i></span></li>'
        )
    return f'<ul class="bars">{"".join(items)}</ul>'
