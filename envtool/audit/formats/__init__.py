"""Renderers of an audit: one file each, and the registry of their names."""

from __future__ import annotations

from collections.abc import Callable

from envtool.audit.formats.github import render_github
from envtool.audit.formats.html import render_html
from envtool.audit.formats.json import render_json
from envtool.audit.formats.junit import render_junit
from envtool.audit.formats.markdown import render_markdown
from envtool.audit.formats.sarif import render_sarif
from envtool.audit.formats.text import render_text
from envtool.audit.report import AuditReport

FORMATS: dict[str, Callable[[AuditReport], str]] = {
    "text": render_text,
    "json": render_json,
    "sarif": render_sarif,
    "markdown": render_markdown,
    "html": render_html,
    "junit": render_junit,
    "github": render_github,
}
"""Every format of ``envtool audit --format``; a renderer gives the whole text, with a newline at its end."""

RISK_FORMATS = frozenset({"markdown", "html"})
"""The formats that are risk reports: they also say what the project's own records hold."""

SUFFIXES: dict[str, str] = {
    ".txt": "text",
    ".json": "json",
    ".sarif": "sarif",
    ".md": "markdown",
    ".html": "html",
    ".xml": "junit",
}
"""Which format ``-o FILE`` means when ``--format`` does not say."""
