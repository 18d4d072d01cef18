"""The risk report as one HTML file: no remote asset, readable on a phone and in the dark, filtered in the page."""

from __future__ import annotations

from html import escape as html_escape
from importlib.resources import files

from envtool.audit.formats.markdown import PERSPECTIVES, level_of, likelihood_of, of_perspective
from envtool.audit.formats.text import excerpt_of, plain
from envtool.audit.models import Finding
from envtool.audit.report import SEVERITIES, AuditReport

_LEVELS = ("low", "medium", "high")
_LIKELIHOODS = ("possible", "likely", "certain")


def escape(text: str) -> str:
    """Untrusted text in HTML, its control characters made visible."""
    return html_escape(plain(text), quote=True)


def render_html(report: AuditReport) -> str:
    """The whole page. Style and script stand in the page; a content security policy forbids anything from outside."""
    folder = files("envtool.audit.formats") / "assets"
    style = (folder / "report.css").read_text(encoding="utf-8")
    script = (folder / "report.js").read_text(encoding="utf-8")
    body = "\n".join(
        [
            "<header><h1>Moving to CPU-only PyTorch</h1>" + _counts(report) + "</header>",
            "<main>",
            "<section><h2>Risk</h2>" + _matrix(report) + _perspectives(report) + "</section>",
            "<section><h2>Findings</h2>" + _filters(report) + _findings(report) + "</section>",
            _rows("Checked and found fine", [(f"{row.path}:{row.line}", row.reason) for row in report.safe]),
            _rows("Not read", [(row.path, row.reason) for row in report.skipped]),
            "</main>",
        ]
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Moving to CPU-only PyTorch: risk report</title><style>\n{style}</style></head>\n"
        f"<body>\n{body}\n<script>\n{script}</script></body></html>\n"
    )


def _counts(report: AuditReport) -> str:
    counts = "".join(
        f'<li class="{severity}"><b>{report.count(severity)}</b> {severity}{"s" * (report.count(severity) != 1)}</li>'
        for severity in SEVERITIES
    )
    return f'<ul class="counts">{counts}<li><b>{report.files}</b> files read</li></ul>'


def _matrix(report: AuditReport) -> str:
    """Level against likelihood; each perspective with findings is a name in its cell."""
    cells: dict[tuple[str, str], list[str]] = {}
    for prefix, name, _ in PERSPECTIVES:
        found = of_perspective(report, prefix)
        if found:
            likelihood = likelihood_of(found)
            key = (level_of(found), "possible" if likelihood == "none" else likelihood)
            cells.setdefault(key, []).append(name)
    parts = ['<svg viewBox="0 0 640 300" role="img" aria-label="Level of each risk against its likelihood">']
    for row, level in enumerate(reversed(_LEVELS)):
        parts.append(f'<text x="70" y="{row * 85 + 48}" text-anchor="end" class="axis">{level}</text>')
        for column, likelihood in enumerate(_LIKELIHOODS):
            heat = column + (2 - row)
            x, y = 85 + column * 185, row * 85 + 5
            parts.append(f'<rect x="{x}" y="{y}" width="178" height="78" rx="6" class="heat{heat}"/>')
            for line, name in enumerate(cells.get((level, likelihood), ())):
                parts.append(f'<text x="{x + 89}" y="{y + 20 + line * 16}" text-anchor="middle">{escape(name)}</text>')
    for column, likelihood in enumerate(_LIKELIHOODS):
        x = 85 + column * 185 + 89
        parts.append(f'<text x="{x}" y="280" text-anchor="middle" class="axis">{likelihood}</text>')
    return "".join(parts) + "</svg>"


def _perspectives(report: AuditReport) -> str:
    rows = []
    for prefix, name, mitigation in PERSPECTIVES:
        found = of_perspective(report, prefix)
        checked = any(code.startswith(prefix) for code in report.rules)
        level = level_of(found) if checked else "not checked"
        shown = mitigation if found else "nothing to do" if checked else "–"
        likelihood = likelihood_of(found) if checked else "–"
        rows.append(
            f"<tr><th scope='row'>{name}</th><td class='{level}'>{level}</td><td>{likelihood}</td>"
            f"<td>{len(found)}</td><td>{shown}</td></tr>"
        )
    head = "<tr><th>perspective</th><th>level</th><th>likelihood</th><th>findings</th><th>mitigation</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _filters(report: AuditReport) -> str:
    if not report.findings:
        return "<p>Nothing was found.</p>"
    boxes = "".join(
        f'<label><input type="checkbox" name="severity" value="{severity}" checked> {severity}</label>'
        for severity in SEVERITIES
    )
    options = "".join(f'<option value="{prefix}">{name}</option>' for prefix, name, _ in PERSPECTIVES)
    select = f'<label>Perspective <select name="perspective"><option value="">all</option>{options}</select></label>'
    return f'<form id="filters">{boxes}{select}<output></output></form>'


def _findings(report: AuditReport) -> str:
    return "".join(_finding(finding, report) for finding in report.findings)


def _finding(finding: Finding, report: AuditReport) -> str:
    place = f"{finding.path}:{finding.location.line}:{finding.location.column}"
    source = "\n".join(excerpt_of(finding, report))
    quoted = f"<pre><code>{html_escape(source)}</code></pre>" if source else ""
    return (
        f'<article data-severity="{finding.severity}" data-perspective="{finding.code[:4]}">'
        f'<h3><span class="{finding.severity}">{finding.severity}</span> {finding.code} '
        f"<small>{escape(report.rules[finding.code].summary)}</small></h3>"
        f"<p><code>{escape(place)}</code> · confidence {finding.confidence}</p>"
        f"<p>{escape(finding.message)}</p>{quoted}</article>"
    )


def _rows(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    items = "".join(f"<li><code>{escape(name)}</code> {escape(reason)}</li>" for name, reason in rows)
    return f"<section><details><summary><h2>{title} ({len(rows)})</h2></summary><ul>{items}</ul></details></section>"
