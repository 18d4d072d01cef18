"""What an audit gives: findings, what was looked at and is fine, what was not read; and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envtool.audit.models import Finding, Safe, Severity, Skipped, Source
from envtool.audit.risk.evidence import NONE, Evidence

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleInfo:
    """What a report says of a rule."""

    code: str
    name: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """One audit, complete. All tuples are in the order of path, line and code; nothing depends on the time.

    ``since`` names the commit when only files changed since are reported. ``evidence`` is what is known of the project
    beside its sources, for the risk report.
    """

    root: Path
    findings: tuple[Finding, ...]
    safe: tuple[Safe, ...]
    skipped: tuple[Skipped, ...]
    rules: Mapping[str, RuleInfo]
    files: int
    suppressed: int = 0
    known: int = 0
    since: str = ""
    evidence: Evidence = field(default=NONE, repr=False)
    sources: Mapping[str, Source] = field(default_factory=dict, repr=False)
    cache: Mapping[tuple[str, str], object] = field(default_factory=dict, repr=False, compare=False)

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def fails(self, fail_on: str) -> bool:
        """Whether a finding is at or above a level (``error``, ``warning``, ``note``; ``never``)."""
        levels = {"error": 1, "warning": 2, "note": 3}.get(fail_on, 0)
        return any(self.count(severity) for severity in SEVERITIES[:levels])

    def summary(self) -> dict[str, Any]:
        """Counts, as JSON: files, findings by severity and by code, skipped, safe, suppressed, known (baseline)."""
        return {
            "files": self.files,
            **{severity: self.count(severity) for severity in SEVERITIES},
            "codes": dict(sorted(Counter(finding.code for finding in self.findings).items())),
            "skipped": len(self.skipped),
            "safe": len(self.safe),
            "suppressed": self.suppressed,
            "known": self.known,
        }

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON (the ``result`` of ``envtool audit --json``)."""
        return {
            "findings": [_finding(finding) for finding in self.findings],
            "skipped": [{"path": row.path, "reason": row.reason} for row in self.skipped],
            "safe": [{"path": row.path, "line": row.line, "reason": row.reason} for row in self.safe],
            "summary": self.summary(),
        }


def _finding(finding: Finding) -> dict[str, Any]:
    place = finding.location
    return {
        "code": finding.code,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "path": finding.path,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "message": finding.message,
        "fixable": finding.fix is not None,
        "fingerprint": finding.fingerprint,
    }
