"""GitHub Actions: workflow commands (annotations, groups) and the job summary."""

from __future__ import annotations

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
