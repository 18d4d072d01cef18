"""A migration as text: the checklist for a terminal, and the summary for the team."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from envtool.reports.escape import printable
from envtool.reports.tables import size

_SIGNS = {"pass": "ok", "fail": "FAIL", "skip": "-", "todo": "todo"}
_BOXES = {"pass": "[x]", "fail": "[ ] **failed**", "skip": "[ ] *left out*", "todo": "[ ]"}
_WIDTH = 80
_INDENT = 14
_SHOWN = 5

GET = (
    "- Get envtool: `uv tool install .` or `pipx install .` in a checkout of it, not into `.venv`. "
    "**Not by `pip install envtool` or `uvx envtool`**: on the default index that name is another project's package."
)
"""For whoever is to use envtool and has it not yet: a name that is another project's is one command away."""


def render_checklist(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line or more a phase, within 80 columns; paths and commands are not broken."""
    lines = []
    for row in rows:
        evidence = list(row["evidence"]) or [""]
        head = f"{_SIGNS[row['status']]:>4}  {row['name']:<8}"
        lines += _wrapped(head, evidence[0])
        for line in evidence[1:]:
            lines += _wrapped(" " * _INDENT, line)
    return "\n".join(line.rstrip() for line in lines)


def render_failed(result: Mapping[str, Any]) -> str:
    """The gate that did not hold, with all that it found; empty where all did."""
    rows = [row for row in result["phases"] if row["status"] == "fail"]
    return f"{render_checklist(rows)}\n" if rows else ""


def _wrapped(head: str, text: str) -> list[str]:
    shown = [printable(line) for line in text.splitlines()] or [""]
    out: list[str] = []
    for line in shown:
        inner = len(line) - len(line.lstrip())
        out += textwrap.wrap(
            line.strip(),
            width=_WIDTH,
            initial_indent=(head if not out else " " * _INDENT) + " " * inner,
            subsequent_indent=" " * (_INDENT + inner),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [head]
    return out


def render_result(result: Mapping[str, Any]) -> str:
    """The checklist and the last lines of the command. ``result`` is the JSON result of ``envtool migrate``."""
    lines = [render_checklist(result["phases"]), ""]
    lines += [f"{name:<9}{text}" for name, text in _last_lines(result)]
    return "\n".join(lines).rstrip()


def _last_lines(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    torch, back = result["torch"], result["way_back"]
    lines: list[tuple[str, str]] = []
    if result["state"] == "dry-run":
        lines.append(("dry run", "nothing was written"))
    if result["state"] in ("done", "partial"):
        if torch["after"]:
            lines.append(("torch", f"{torch['before'] or 'none'} before, {torch['after']} now"))
        for name, sizes in result["sizes"].items():
            if sizes["after"]:
                before = f"{size(sizes['before'])} before, " if sizes["before"] else ""
                lines.append(("size", f"{name}: {before}{size(sizes['after'])} now"))
        seconds = f" ({back['seconds']:.2f} s, measured)" if back else ""
        lines.append(("back", f"envtool rollback{seconds}"))
        lines.append(("record", f"{result['record']}, for the team {result['summary']}"))
        for text in result["notes"]:
            wrapped = textwrap.wrap(text, width=_WIDTH - 9, break_long_words=False, break_on_hyphens=False)
            lines += [("" if number else "note", line) for number, line in enumerate(wrapped)]
        lines += _by_hand(result["remaining"])
    elif result["restored"]:
        but = " but for what is named below" if result["left"] else ""
        as_it_was = f"the environment and all files are as they were{but}"
        if result.get("stands"):
            as_it_was += " before this run"
            lines.append(("stands", f"the move of {result['stands']}, with its fixes"))
        lines.append(("undone", as_it_was) if result.get("touched", True) else ("stopped", "nothing was changed yet"))
    lines += [("left", text) for text in result["left"]]
    return lines


def _by_hand(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What is left for a person, as ``file:line CODE message``, within 80 columns; a path is not broken."""
    lines = []
    for row in rows[:_SHOWN]:
        text = f"{printable(row['path'])}:{row['line']} {row['code']} {printable(row['message'])}"
        lines += textwrap.wrap(
            text, width=_WIDTH - 9, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    if any(row["fixable"] for row in rows):
        lines.append("envtool audit --fix mends some of it")
    if len(rows) > _SHOWN:
        lines.append(f"and {len(rows) - _SHOWN} more, in the summary")
    return [("" if number else "by hand", line) for number, line in enumerate(lines)]


def render_summary(record: Mapping[str, Any]) -> str:
    """The record as Markdown, for people: checklist, sizes, the way back, what to tell the team."""
    but = " (but for what is left alone)" if record["left"] else ""
    lines = ["# Move to CPU-only torch", "", f"{_state(record, but)} Started {record['started']}"]
    lines[-1] += f", ended {record['finished']} (UTC), by envtool {record['envtool']}." if record["finished"] else "."
    lines += ["", "## Checklist", ""]
    for row in record["phases"]:
        evidence = list(row["evidence"])
        first = f": {_escaped(evidence[0])}" if evidence else ""
        seconds = f" ({row['seconds']:.1f} s)" if row["seconds"] else ""
        lines.append(f"- {_BOXES[row['status']]} {row['name']}{first}{seconds}")
        lines += [f"  - {_escaped(line)}" for line in evidence[1:]]
    error = record["error"]
    if error:
        lines += ["", "## What stopped it", "", *(f"    {printable(line)}" for line in error["message"].splitlines())]
        lines += ["", _escaped(error["hint"])] if error["hint"] else []
    if record["left"]:
        lines += ["", "## Left alone", "", *(f"- {_escaped(text)}" for text in record["left"])]
    lines += _sizes(record)
    if record["state"] in ("done", "partial"):
        lines += _left_to_do(record["remaining"])
        lines += _team(record)
    return "\n".join(lines) + "\n"


def _state(record: Mapping[str, Any], but: str) -> str:
    return {
        "running": "**Under way.**",
        "done": "**Done.**",
        "partial": "**Done in part**: some phases were left out.",
        "failed": f"**Stopped by a gate.** The environment and all files are as they were{but}.",
        "interrupted": f"**Interrupted.** The environment and all files are as they were{but}.",
        "undone": f"**Undone.** The environment and all files are as they were{but}.",
    }[record["state"]]


def _sizes(record: Mapping[str, Any]) -> list[str]:
    rows = [
        (name, sizes["before"], sizes["after"])
        for name, sizes in record["sizes"].items()
        if sizes["before"] or sizes["after"]
    ]
    if not rows or record["state"] not in ("done", "partial"):
        return []
    cells = [f"| {name} | {_size(before)} | {_size(after)} |" for name, before, after in rows]
    return ["", "## Sizes", "", "| what | before | now |", "| --- | --- | --- |", *cells]


def _size(count: int | None) -> str:
    return size(count) if count else "–"


def _left_to_do(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    lines = [
        f"- [ ] {_escaped(row['path'])}:{row['line']} {row['code']} {_escaped(row['message'])}"
        + (" (`envtool audit --fix` mends it)" if row["fixable"] else "")
        for row in rows
    ]
    return ["", "## By hand", "", "The move is done without it; it is worth a look:", "", *lines]


def _team(record: Mapping[str, Any]) -> list[str]:
    back, torch = record["way_back"], record["torch"]["after"]
    lines = ["", "## The way back", ""]
    if back:
        lines.append(
            f"`envtool rollback`: torch {back['torch']} again. Tried during the move: {back['seconds']:.2f} s."
        )
    else:
        lines.append(
            "No full torch is kept here: `envtool rollback` builds it from `lockfiles/torch-full.txt`, on the "
            "platforms that this file covers."
        )
    lines += ["", "## For the team", ""]
    lines.append(GET)
    lines.append(f"- After pulling: `envtool setup --cpu`{f' (torch {torch})' if torch else ''}.")
    lines.append("- In CI: `envtool setup --cpu --frozen`, and `envtool audit` for new code.")
    lines.append("- Commit `lockfiles/` and the files that were changed, but not `.venv` and `.envtool/`.")
    if record["facts"].get("spec"):
        lines.append(f"- The app: `envtool bundle {shlex.quote(record['facts']['spec'])}`.")
    lines += [f"- {_escaped(text)}." for text in record["notes"]]
    lines.append("- A problem on CPU-only torch: `envtool rollback` first, then look for the cause.")
    return lines


def _escaped(text: str) -> str:
    r"""Text for Markdown: on one line, without what would be markup."""
    return "".join(f"\\{char}" if char in "\\`*<>[]|" else char for char in printable(" ".join(text.split())))
