"""GitHub Actions: annotations (workflow commands) and the job summary."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal


def _escape_data(text: str) -> str:
    # The escapes of GitHub's own toolkit: a percent sign first, or the others would be escaped twice.
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def annotation(
    level: Literal["error", "warning", "notice"],
    message: str,
    *,
    title: str = "",
    file: str = "",
    line: int | None = None,
    column: int | None = None,
) -> str:
    """One workflow command, ``::error file=…,line=…,title=…::message``, without a newline at the end."""
    properties = {"file": file, "line": str(line or ""), "col": str(column or ""), "title": title}
    words = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items() if value)
    return f"::{level}{' ' if words else ''}{words}::{_escape_data(message)}"


def append_summary(path: str, title: str, text: str, rows: list[tuple[str, str, str]]) -> None:
    """Add a section to the job summary (``GITHUB_STEP_SUMMARY``): a code block, and a table of checks.

    A summary that cannot be written is no reason to fail a job.
    """
    lines = [f"### {title}", "", "```", text, "```", ""]
    if rows:
        lines += ["| check | status | found |", "| --- | --- | --- |"]
        lines += [f"| {name} | {status} | {_cell(found)} |" for name, status, found in rows]
        lines.append("")
    with contextlib.suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ")
