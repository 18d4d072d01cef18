"""A VerifyReport as JUnit XML, in the form that Jenkins, GitLab, Azure and GitHub actions read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from envtool.models import VerifyReport
from envtool.reports.escape import printable


def render_junit(report: VerifyReport, environment: str, *, seconds: float) -> bytes:
    """One test suite, one test case per check, as UTF-8 with an XML declaration.

    The schema has no word for a check that is neither passed, failed nor skipped; there is none here either.
    """
    failures = len(report.failures)
    skipped = sum(check.status == "skip" for check in report.checks)
    counts = {"tests": str(len(report.checks)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    root = ET.Element("testsuites", {"name": "envtool", **counts, "time": f"{seconds:.3f}"})
    suite = ET.SubElement(root, "testsuite", {"name": "envtool verify", **counts, "time": f"{seconds:.3f}"})
    properties = ET.SubElement(suite, "properties")
    values = {"environment": environment, "torch": report.torch, "backend": report.backend, "python": report.python}
    for name, value in values.items():
        ET.SubElement(properties, "property", {"name": name, "value": _text(value or "")})
    for check in report.checks:
        case = ET.SubElement(suite, "testcase", {"classname": "envtool.verify", "name": check.id, "time": "0"})
        if check.status == "fail":
            failure = ET.SubElement(case, "failure", {"message": _text(check.found), "type": f"verify.{check.id}"})
            failure.text = "\n".join(_text(line) for line in (check.found, f"why: {check.why}", f"fix: {check.fix}"))
        elif check.status == "skip":
            ET.SubElement(case, "skipped", {"message": _text(check.found)})
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(text: str) -> str:
    # XML 1.0 has no way to write most control characters, and the two non-characters, at all.
    return printable(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
