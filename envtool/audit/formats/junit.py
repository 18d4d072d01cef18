"""JUnit XML: a suite for each file, a failed case for each error and warning."""

from __future__ import annotations

import re
from itertools import groupby
from xml.etree import ElementTree

from envtool.audit.report import AuditReport

# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def render_junit(report: AuditReport) -> str:
    """The report for a CI system. Notes are passed cases, files that were not read are skipped ones."""
    root = ElementTree.Element("testsuites", name="envtool audit")
    for path, group in groupby(report.findings, key=lambda finding: finding.path):
        findings = list(group)
        suite = ElementTree.SubElement(root, "testsuite", name=_clean(path), tests=str(len(findings)))
        failures = 0
        for finding in findings:
            place = f"{finding.path}:{finding.location.line}:{finding.location.column}"
            name = _clean(f"{finding.code} {place}")
            case = ElementTree.SubElement(suite, "testcase", name=name, classname=_clean(path))
            if finding.severity != "note":
                failures += 1
                failure = ElementTree.SubElement(case, "failure", type=finding.code, message=_clean(finding.message))
                failure.text = _clean(f"{place}: {finding.severity}: {finding.message}")
        suite.set("failures", str(failures))
    if report.skipped:
        count = str(len(report.skipped))
        suite = ElementTree.SubElement(root, "testsuite", name="not read", tests=count, failures="0", skipped=count)
        for row in report.skipped:
            case = ElementTree.SubElement(suite, "testcase", name=_clean(row.path), classname="not read")
            ElementTree.SubElement(case, "skipped", message=_clean(row.reason))
    if not report.findings:
        suite = ElementTree.SubElement(root, "testsuite", name="envtool audit", tests="1", failures="0")
        ElementTree.SubElement(suite, "testcase", name=f"{report.files} files without findings", classname="envtool")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
