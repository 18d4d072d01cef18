"""A page of Markdown for a person: rendered on a terminal; as it is elsewhere, for a pager or a file."""

from __future__ import annotations

import io
import sys

from rich.console import Console
from rich.markdown import Markdown

from envtool.reports.styles import color_system

_WIDTH = 100
"""Longer lines are hard to read, however wide the terminal is."""


def render_page(text: str) -> str:
    """The page as it goes to stdout."""
    if not sys.stdout.isatty():
        return text
    out = io.StringIO()
    width = min(Console().width, _WIDTH)
    Console(file=out, force_terminal=True, width=width, color_system=color_system()).print(
        Markdown(text, code_theme="ansi_dark")
    )
    return out.getvalue()
