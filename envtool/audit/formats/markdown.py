"""The risk report in Markdown, as a team would file it (GitHub's dialect: tables, task lists, folded parts)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from envtool.audit.excerpt import plain
from envtool.audit.report import AuditReport
from envtool.audit.risk.assess import assess
from envtool.audit.risk.model import Box, Code, Entry, Fine, Group, RiskReport, Spot, Words
from envtool.reports.tables import plural, size

SHOWN = 8
"""How many of one kind are shown before the rest is folded away."""


def render_markdown(report: AuditReport) -> str:
    """The risk report of an audit."""
    return markdown(assess(report))


def markdown(risk: RiskReport) -> str:
    """The whole report."""
    parts = [
        f"# Moving {escape(risk.project)} to CPU-only PyTorch: risk report",
        f"**{say(risk.verdict)}**",
        " ".join(say(line) for line in risk.scope),
        _summary(risk),
        _sure(risk),
        _findings(risk),
        _fine(risk.fine),
        _checklist(risk),
        _advice(risk),
        _way_back(risk),
        _sizes(risk),
        _unread(risk),
        "## Sign-off\n\n| decision | name | date |\n|---|---|---|\n| move / not yet | | |",
        f"Written by envtool {risk.version} from the files alone: nothing of the project was run.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# --- untrusted text ---------------------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Untrusted text inside a paragraph, list or cell. An underscore inside a word marks nothing up."""
    text = re.sub(r"([\\`*\[\]<>|~])", r"\\\1", plain(text))
    text = re.sub(r"(?<![^\W_])_+|_+(?![^\W_])", lambda found: "\\_" * len(found.group()), text)
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    # On GitHub, @name in a text calls the person of that name.
    return re.sub(r"@(?=\w)", "@<!-- -->", text)


def code(text: str) -> str:
    """Untrusted text as code: with more backticks around it than it has in a row."""
    shown = plain(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def say(words: Words) -> str:
    """A sentence."""
    return "".join(code(part.text) if isinstance(part, Code) else escape(part) for part in words)


def _cell(words: Words) -> str:
    """A sentence in a cell of a table, where a pipe is escaped even in code."""
    return "".join(code(part.text).replace("|", "\\|") if isinstance(part, Code) else escape(part) for part in words)


def _places(spots: Iterable[Spot]) -> list[str]:
    """Places as code, the lines of one file together."""
    lines: dict[str, list[int]] = {}
    for spot in spots:
        lines.setdefault(spot.path, []).append(spot.line)
    return [code(f"{path}:{','.join(str(line) for line in numbers)}") for path, numbers in lines.items()]


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _list(items: Sequence[str], noun: str) -> str:
    """A list whose tail is folded away."""
    body = "\n".join(items[:SHOWN])
    rest = items[SHOWN:]
    return f"{body}\n\n{_folded(f'{plural(len(rest), noun)} more', rest)}" if rest else body


def _folded(title: str, rows: Sequence[str]) -> str:
    return "<details>\n<summary>{}</summary>\n\n{}\n\n</details>".format(title, "\n".join(rows))


# --- the parts --------------------------------------------------------------------------------------------------------


def _summary(risk: RiskReport) -> str:
    rows = [
        "| perspective | level | likelihood | errors | warnings | notes | mitigation |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for row in risk.perspectives:
        level, likelihood = (row.level, row.likelihood) if row.looked else ("–", "–")
        counts = f"{row.errors} | {row.warnings} | {row.notes}" if row.looked else "– | – | –"
        shown = f"**{level}**" if level == "high" else level
        rows.append(f"| {row.name} | {shown} | {likelihood} | {counts} | {_cell(row.mitigation)} |")
    hot = f"{say(risk.hot_spots)}\n\n" if risk.hot_spots else ""
    return "## Summary\n\n" + "\n".join(rows) + f"\n\n{hot}{say(risk.legend)}"


def _sure(risk: RiskReport) -> str:
    title = "## What will surely break or bring the GPU stack"
    if not risk.sure:
        return f"{title}\n\nNothing that the audit is sure of."
    rows = []
    for number, row in enumerate(risk.sure, 1):
        mitigation = f" Mitigation: {say(row.mitigation)}." if row.mitigation else ""
        rows.append(f"{number}. {_some(_places(row.spots))}: {escape(row.message)} ({row.code}).{mitigation}")
    # A folded part would start the numbers again: a long list is shown whole.
    return f"{title}\n\n" + "\n".join(rows)


def _findings(risk: RiskReport) -> str:
    if not risk.groups:
        return ""
    loud = [group for group in risk.groups if group.severity != "note"]
    quiet = [group for group in risk.groups if group.severity == "note"]
    parts = ["## Findings, and what to write instead", *(_group(group) for group in loud)]
    if quiet:
        count = sum(group.count for group in quiet)
        parts.append(
            _folded(f"{plural(count, 'note')}: worth knowing, nothing to mend", ["\n\n".join(map(_group, quiet))])
        )
    return "\n\n".join(parts)


def _group(group: Group) -> str:
    parts = [f"### {group.code}: {escape(group.summary)}"]
    parts += [_entry(entry) for entry in group.entries]
    if group.instead:
        parts.append(f"Instead:\n\n{group.instead}")
    return "\n\n".join(parts)


def _entry(entry: Entry) -> str:
    confidence = "" if entry.confidence == "high" else f", {entry.confidence} confidence"
    head = f"**{entry.severity}**{confidence}: {escape(entry.message)}."
    if entry.severity != "note":
        head += f" Fix: {code(f'envtool audit {entry.fix}') if entry.fix else 'by hand'}."
    return f"{head}\n\n{_list([_spot(spot) for spot in entry.spots], 'place')}"


def _spot(spot: Spot) -> str:
    place = code(f"{spot.path}:{spot.line}")
    source = spot.excerpt[0].partition(" | ")[2].strip() if spot.excerpt else ""
    return f"- {place} {code(source)}" if source else f"- {place}"


def _fine(fine: Sequence[Fine]) -> str:
    if not fine:
        return ""
    rows = [f"- {_some(_places(row.spots))}: {escape(row.reason)}" for row in fine]
    return f"## Checked and found fine\n\n{_list(rows, 'reason')}"


_SIGNS = {"done": "[x] ", "open": "[ ] ", "not-applicable": ""}


def _checklist(risk: RiskReport) -> str:
    parts = ["## Checklist", "A box is ticked by the evidence beside it, and by nothing else."]
    for phase in risk.phases:
        parts.append(f"### {phase.name}\n\n" + "\n".join(_box(box) for box in phase.boxes))
    return "\n\n".join(parts)


def _box(box: Box) -> str:
    text = say(box.what) if box.state != "not-applicable" else f"(not applicable) {say(box.what)}"
    return f"- {_SIGNS[box.state]}{text} – {say(box.evidence)}"


def _advice(risk: RiskReport) -> str:
    do = "\n".join(f"- {say(line)}" for line in risk.do)
    dont = "\n".join(f"- {say(line)}" for line in risk.dont)
    return f"## Do and don't\n\nDo:\n\n{do}\n\nDon't:\n\n{dont}"


def _way_back(risk: RiskReport) -> str:
    steps = "\n".join(f"{number}. {say(step)}" for number, step in enumerate(risk.way_back.steps, 1))
    return f"## The way back\n\n{steps}\n\n**Time it takes:** {say(risk.way_back.time)}"


def _sizes(risk: RiskReport) -> str:
    parts = ["## Size before and after"]
    if risk.sizes.bars:
        rows = ["| | size | known from |", "|---|--:|---|"]
        rows += [f"| {bar.name} | {size(bar.size)} | {_cell(bar.source)} |" for bar in risk.sizes.bars]
        parts.append("\n".join(rows))
    if risk.sizes.missing:
        parts.append(say(risk.sizes.missing))
    return "\n\n".join(parts)


def _unread(risk: RiskReport) -> str:
    if not risk.unread:
        return ""
    rows = [f"- {code(path)}: {escape(row.reason)}" for row in risk.unread for path in row.paths]
    return f"## Not read\n\n{_list(rows, 'path')}"
