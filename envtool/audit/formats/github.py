"""Workflow commands of GitHub Actions: a finding as an annotation of its line."""

from __future__ import annotations

from typing import Literal

from envtool.audit.formats.paths import from_here
from envtool.audit.models import Severity
from envtool.audit.report import AuditReport
from envtool.reports.github import annotation

_LEVELS: dict[Severity, Literal["error", "warning", "notice"]] = {
    "error": "error",
    "warning": "warning",
    "note": "notice",
}


def render_github(report: AuditReport) -> str:
    """One line a finding, errors first: GitHub shows only the first ten of each level in a step."""
    rows = sorted(report.findings, key=lambda finding: list(_LEVELS).index(finding.severity))
    return "".join(
        annotation(
            _LEVELS[finding.severity],
            finding.message,
            title=finding.code,
            file=from_here(report.root, finding.path),
            line=finding.location.line,
            column=finding.location.column,
        )
        + "\n"
        for finding in rows
    )
