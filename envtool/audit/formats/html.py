"""The risk report as one HTML file: no remote asset, readable on a phone and in the dark, filtered in the page.

The filters are the page's own style (``:has``), so that they work by keyboard and without a script; the script only
counts what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as html_escape
from importlib.resources import files

from envtool.audit.excerpt import plain
from envtool.audit.formats.picture import bars, matrix
from envtool.audit.report import SEVERITIES, AuditReport
from envtool.audit.risk.assess import assess
from envtool.audit.risk.model import Box, Code, Entry, Fine, Group, Phase, RiskReport, Spot, Words
from envtool.reports.tables import plural

SHOWN = 8
"""How many of one kind are shown before the rest is folded away."""

_TITLES = {
    "summary": "Summary",
    "sure": "What will surely break or bring the GPU stack",
    "findings": "Findings, and what to write instead",
    "fine": "Checked and found fine",
    "checklist": "Checklist",
    "advice": "Do and don't",
    "back": "The way back",
    "size": "Size before and after",
    "unread": "Not read",
    "sign-off": "Sign-off",
}


def render_html(report: AuditReport) -> str:
    """The risk report of an audit."""
    return html(assess(report))


def html(risk: RiskReport) -> str:
    """The whole page. Style and script stand in the page; a content security policy forbids anything from outside."""
    folder = files("envtool.audit.formats") / "assets"
    style = (folder / "report.css").read_text(encoding="utf-8")
    script = (folder / "report.js").read_text(encoding="utf-8")
    parts = {
        "summary": _summary(risk),
        "sure": _sure(risk),
        "findings": _filters(risk) + "".join(_group(group) for group in risk.groups) if risk.groups else "",
        "fine": _fine(risk.fine),
        "checklist": _checklist(risk.phases),
        "advice": _advice(risk),
        "back": _way_back(risk),
        "size": bars(risk.sizes.bars) + (f"<p>{say(risk.sizes.missing)}</p>" if risk.sizes.missing else ""),
        "unread": _unread(risk),
        "sign-off": _SIGN_OFF,
    }
    there = {name: body for name, body in parts.items() if body}
    links = "".join(f'<li><a href="#{name}">{_TITLES[name]}</a></li>' for name in there)
    sections = "\n".join(
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{_TITLES[name]}</h2>{body}</section>'
        for name, body in there.items()
    )
    title = f"Moving {escape(risk.project)} to CPU-only PyTorch"
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}: risk report</title><style>\n{style}</style></head>\n<body>\n"
        f'<header><p class="kind">Risk report</p><h1>{title}</h1>'
        f'<p class="verdict {_mood(risk)}">{say(risk.verdict)}</p>'
        f'<p class="scope">{" ".join(say(line) for line in risk.scope)}</p></header>\n'
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n{sections}\n</main>\n'
        f"<footer><p>Written by envtool {escape(risk.version)} from the files alone: nothing of the project was "
        f"run.</p></footer>\n<script>\n{script}</script></body></html>\n"
    )


def escape(text: str) -> str:
    """Untrusted text in HTML, its control characters made visible."""
    return html_escape(plain(text), quote=True)


def say(words: Words) -> str:
    """A sentence."""
    return "".join(f"<code>{escape(part.text)}</code>" if isinstance(part, Code) else escape(part) for part in words)


def _mood(risk: RiskReport) -> str:
    levels = {row.level for row in risk.perspectives}
    return next((level for level in ("high", "medium", "low") if level in levels), "none")


def _places(spots: Iterable[Spot]) -> list[str]:
    lines: dict[str, list[int]] = {}
    for spot in spots:
        lines.setdefault(spot.path, []).append(spot.line)
    return [
        f"<code>{escape(path)}:{','.join(str(number) for number in numbers)}</code>" for path, numbers in lines.items()
    ]


def _folding(items: Sequence[str], noun: str, kind: str = "") -> str:
    """A list whose tail is folded away."""
    name = f' class="{kind}"' if kind else ""
    head, tail = "".join(items[:SHOWN]), "".join(items[SHOWN:])
    rest = (
        f"<details><summary>{plural(len(items) - SHOWN, noun)} more</summary><ul{name}>{tail}</ul></details>"
        if tail
        else ""
    )
    return f"<ul{name}>{head}</ul>{rest}"


# --- the parts --------------------------------------------------------------------------------------------------------


def _summary(risk: RiskReport) -> str:
    columns = ("perspective", "level", "likelihood", "errors", "warnings", "notes", "mitigation")
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in columns)
    rows = []
    for row in risk.perspectives:
        level = f'<span class="badge {row.level}">{row.level}</span>' if row.looked else "–"
        counts = (row.errors, row.warnings, row.notes) if row.looked else ("–", "–", "–")
        cells = (level, row.likelihood if row.looked else "–", *counts, say(row.mitigation))
        rows.append(
            f'<tr role="row"><th scope="row" role="rowheader">{escape(row.name)}</th>'
            + "".join(
                f'<td role="cell" data-label="{name}"><span>{cell}</span></td>'
                for name, cell in zip(columns[1:], cells, strict=True)
            )
            + "</tr>"
        )
    table = (
        f'<table class="summary" role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table>'
    )
    hot = f"<p>{say(risk.hot_spots)}</p>" if risk.hot_spots else ""
    return f'{matrix(risk.perspectives)}{table}{hot}<p class="legend">{say(risk.legend)}</p>'


def _sure(risk: RiskReport) -> str:
    if not risk.sure:
        return "<p>Nothing that the audit is sure of.</p>"
    rows = []
    for row in risk.sure:
        places = _places(row.spots)
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        mitigation = f'<p class="mitigation">Mitigation: {say(row.mitigation)}.</p>' if row.mitigation else ""
        rows.append(
            f'<li><p class="where">{", ".join(places[:SHOWN])}{more}</p>'
            f'<p>{escape(row.message)} <a href="#{row.code}">{row.code}</a></p>{mitigation}</li>'
        )
    return f'<ol class="sure">{"".join(rows)}</ol>'


def _filters(risk: RiskReport) -> str:
    severities = {entry.severity for group in risk.groups for entry in group.entries}
    by_severity = [(f"s-{name}", name) for name in SEVERITIES if name in severities]
    by_perspective = [(f"p-{row.prefix}", row.name) for row in risk.perspectives if row.findings]
    return (
        '<div class="filters" role="group" aria-label="Filter the findings">'
        f"{_boxes('Severity', by_severity)}{_boxes('Perspective', by_perspective)}"
        '<output aria-live="polite"></output></div>'
    )


def _boxes(legend: str, rows: Sequence[tuple[str, str]]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" id="{name}" checked> {escape(label)}</label>' for name, label in rows
    )
    return f"<fieldset><legend>{legend}</legend>{boxes}</fieldset>"


def _group(group: Group) -> str:
    has = " ".join(name for name in SEVERITIES if any(entry.severity == name for entry in group.entries))
    instead = f"<details><summary>Instead</summary>{_page_html(group.instead)}</details>" if group.instead else ""
    entries = "".join(_entry(entry) for entry in group.entries)
    return (
        f'<article id="{group.code}" data-has="{has}" data-perspective="{group.code[:4]}">'
        f'<h3><span class="code">{group.code}</span> {escape(group.summary)}</h3>{entries}{instead}</article>'
    )


def _page_html(text: str) -> str:
    """A part of a rule's page. HTML in it would be shown, not obeyed."""
    from markdown_it import MarkdownIt  # late: the other formats do without

    return str(MarkdownIt("commonmark", {"html": False}).render(text))


def _entry(entry: Entry) -> str:
    facts = [] if entry.confidence == "high" else [f"{entry.confidence} confidence"]
    if entry.severity != "note":
        facts.append(f"fix: <code>envtool audit {entry.fix}</code>" if entry.fix else "fix by hand")
    shown = f' <span class="facts">{"; ".join(facts)}</span>' if facts else ""
    return (
        f'<div class="entry" data-severity="{entry.severity}">'
        f'<p><span class="badge {entry.severity}">{entry.severity}</span> {escape(entry.message)}.{shown}</p>'
        f"{_folding([_spot(spot) for spot in entry.spots], 'place', 'spots')}</div>"
    )


def _spot(spot: Spot) -> str:
    place = f"{spot.path}:{spot.line}:{spot.column}"
    # The excerpt has its control characters made visible already.
    source = "\n".join(spot.excerpt)
    quoted = f'<pre tabindex="0"><code>{html_escape(source)}</code></pre>' if source else ""
    return f"<li><code>{escape(place)}</code>{quoted}</li>"


def _fine(fine: Sequence[Fine]) -> str:
    if not fine:
        return ""
    rows = []
    for row in fine:
        places = _places(row.spots)
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        rows.append(f"<li>{escape(row.reason)}: {', '.join(places[:SHOWN])}{more}</li>")
    return _folding(rows, "reason", "fine")


def _checklist(phases: Sequence[Phase]) -> str:
    body = '<p class="legend">A box is ticked by the evidence beside it, and by nothing else.</p><div class="phases">'
    for phase in phases:
        counted = [box for box in phase.boxes if box.state != "not-applicable"]
        done = sum(box.state == "done" for box in counted)
        body += (
            f'<div class="phase"><h3>{escape(phase.name)} <span class="facts">{done} of {len(counted)}</span></h3>'
            f'<ul class="boxes">{"".join(_box(box) for box in phase.boxes)}</ul></div>'
        )
    return body + "</div>"


_SIGN_OFF = (
    '<table class="sign-off"><thead><tr><th scope="col">decision</th><th scope="col">name</th>'
    '<th scope="col">date</th></tr></thead><tbody><tr><td>move / not yet</td><td></td><td></td></tr></tbody></table>'
)
_STATES = {"done": ("✓", "done"), "open": ("○", "open"), "not-applicable": ("–", "not applicable")}


def _box(box: Box) -> str:
    sign, state = _STATES[box.state]
    return (
        f'<li class="{box.state}"><span class="sign" role="img" aria-label="{state}">{sign}</span>'
        f'<span>{say(box.what)}<br><span class="facts">{say(box.evidence)}</span></span></li>'
    )


def _advice(risk: RiskReport) -> str:
    do = "".join(f"<li>{say(line)}</li>" for line in risk.do)
    dont = "".join(f"<li>{say(line)}</li>" for line in risk.dont)
    return (
        f'<div class="advice"><div><h3>Do</h3><ul class="do">{do}</ul></div>'
        f'<div><h3>Don\'t</h3><ul class="dont">{dont}</ul></div></div>'
    )


def _way_back(risk: RiskReport) -> str:
    steps = "".join(f"<li>{say(step)}</li>" for step in risk.way_back.steps)
    return f"<ol>{steps}</ol><p><strong>Time it takes:</strong> {say(risk.way_back.time)}</p>"


def _unread(risk: RiskReport) -> str:
    rows = [f"<li><code>{escape(path)}</code>: {escape(row.reason)}</li>" for row in risk.unread for path in row.paths]
    return _folding(rows, "path") if rows else ""
