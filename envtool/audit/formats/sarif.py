"""SARIF 2.1.0 (OASIS), with the fields that GitHub code scanning reads."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from envtool import __version__
from envtool.audit.explain import page_of
from envtool.audit.formats.paths import from_here
from envtool.audit.models import Finding, Severity
from envtool.audit.report import SEVERITIES, AuditReport, RuleInfo

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PRECISION = {"high": "high", "medium": "medium", "low": "low"}
_PROBLEM = {"error": "error", "warning": "warning", "note": "recommendation"}


def render_sarif(report: AuditReport) -> str:
    """The report as one SARIF run. Paths are relative to the current folder, or, for a folder elsewhere, to the
    audited one; nothing names the machine."""
    codes = sorted({finding.code for finding in report.findings})
    index = {code: position for position, code in enumerate(codes)}
    run = {
        "tool": {
            "driver": {
                "name": "envtool",
                "semanticVersion": __version__,
                "rules": [_rule(report.rules[code], report) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {
                        "level": "note",
                        "message": {"text": f"not read: {row.reason}"},
                        "locations": [{"physicalLocation": {"artifactLocation": _artifact(row.path, report)}}],
                    }
                    for row in report.skipped
                ],
            }
        ],
        "results": [_result(finding, index[finding.code], report) for finding in report.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: RuleInfo, report: AuditReport) -> dict[str, Any]:
    own = [finding for finding in report.findings if finding.code == rule.code]
    level: Severity = next(severity for severity in SEVERITIES if any(row.severity == severity for row in own))
    page = page_of(rule.code) or rule.summary
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["pytorch", "cpu"], "problem.severity": _PROBLEM[level], "precision": "high"},
    }


def _artifact(path: str, report: AuditReport) -> dict[str, str]:
    return {"uri": quote(os.fsencode(from_here(report.root, path))), "uriBaseId": "%SRCROOT%"}


def _result(finding: Finding, index: int, report: AuditReport) -> dict[str, Any]:
    place = finding.location
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(finding.path, report), "region": region}}],
        "partialFingerprints": {"envtoolFinding/v1": finding.fingerprint},
        "properties": {"confidence": _PRECISION[finding.confidence]},
    }
