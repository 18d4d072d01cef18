"""The audit before a bundle is built: its findings, and whether they stop the build."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envtool.errors import ExitCode
from envtool.models import CheckResult, Outcome, Reporter

if TYPE_CHECKING:
    from envtool.audit.models import Finding
    from envtool.audit.report import AuditReport


@dataclass(frozen=True, slots=True)
class AppAudit:
    """The report of a frozen app, and the check that came of it."""

    report: AuditReport
    check: CheckResult

    @property
    def data(self) -> list[dict[str, Any]]:
        """The findings as JSON, as ``envtool audit`` writes them."""
        rows: list[dict[str, Any]] = self.report.as_dict()["findings"]
        return rows

    def stopped(self) -> Outcome:
        """What the command ends with when the check failed: the findings that stop it, and what mends them."""
        from envtool.audit.formats.text import render_text
        from envtool.bundle.checks import MENDED

        stops = [row for row in self.report.findings if row.severity == "error" and row.code not in MENDED]
        text = render_text(replace(self.report, findings=tuple(stops)))
        fixes = [row.fix for row in stops if row.fix is not None]
        hint = "envtool audit --explain CODE says what to write instead."
        if fixes:
            unsafe = "" if all(fix.safe for fix in fixes) else " --unsafe-fixes"
            hint = f"envtool audit --fix{unsafe} mends {len(fixes)} of them."
        hint += " --no-audit builds all the same."
        result = {"audit": self.data, "checks": [self.check.as_dict()]}
        return Outcome(
            result=result,
            text=text,
            brief="",
            exit_code=int(ExitCode.FINDINGS),
            error=("bundle.audit", f"nothing was built: {self.check.found}", hint),
        )


def audit_before(spec: Path, root: Path, reporter: Reporter) -> AppAudit:
    """Audit what the spec bundles."""
    from envtool.audit.app import audit_app
    from envtool.bundle.checks import judge_audit

    reporter.phase("audit", "the spec, its code and its models")
    report = audit_app(spec, root)
    errors = [(row.code, _place(row, report)) for row in report.findings if row.severity == "error"]
    return AppAudit(report, judge_audit(errors))


def _place(finding: Finding, report: AuditReport) -> str:
    """A model file has no lines."""
    is_model = report.sources[finding.path].kind == "model"
    return finding.path if is_model else f"{finding.path}:{finding.location.line}"
