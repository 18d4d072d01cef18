"""The risk report, as a team would file it: what will break, how surely, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from envtool.audit.explain import page_of
from envtool.audit.formats.text import plain
from envtool.audit.models import Finding
from envtool.audit.report import AuditReport

PERSPECTIVES: tuple[tuple[str, str, str], ...] = (
    ("CPU1", "Code", "guard the line, or choose the device once"),
    ("CPU2", "Frozen app", "mend the spec and the runtime hooks, then build and smoke-test"),
    ("CPU3", "Requirements and packaging", "take index lines out, lock with envtool"),
    ("CPU4", "Containers and CI", "a CPU base image, and the CPU index for the install"),
    ("CPU5", "Model files", "load with map_location, or export again on a CPU"),
)
"""Prefix of the codes, name, and what is done about it in general."""

_PHASES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Local",
        (
            ("no error in code", "CPU1"),
            ("no error in requirements and packaging", "CPU3"),
            ("no error in model files", "CPU5"),
        ),
    ),
    ("Bundle and delivery", (("no error in the frozen app", "CPU2"), ("no error in containers and CI", "CPU4"))),
)


def escape(text: str) -> str:
    """Untrusted text in a Markdown paragraph or table cell."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", plain(text))


def render_markdown(report: AuditReport) -> str:
    """The whole report. Boxes of the checklist are ticked by what the audit saw, and by nothing else."""
    parts = [
        "# Moving to CPU-only PyTorch: risk report",
        _summary(report),
        _surely(report),
        _findings(report),
        _fine(report),
        _checklist(report),
        _advice(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def of_perspective(report: AuditReport, prefix: str) -> list[Finding]:
    """The findings of one perspective."""
    return [finding for finding in report.findings if finding.code.startswith(prefix)]


def level_of(findings: Sequence[Finding]) -> str:
    """How bad it is: high (errors), medium (warnings), low (notes), none."""
    severities = {finding.severity for finding in findings}
    return next(
        (level for name, level in (("error", "high"), ("warning", "medium"), ("note", "low")) if name in severities),
        "none",
    )


def likelihood_of(findings: Sequence[Finding]) -> str:
    """How sure it is: certain (an error of high confidence), likely (of less), possible (a warning), none."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if any(finding.confidence == "high" for finding in errors):
        return "certain"
    if errors:
        return "likely"
    return "possible" if any(finding.severity == "warning" for finding in findings) else "none"


def _summary(report: AuditReport) -> str:
    counts = ", ".join(f"{report.count(severity)} {severity}s" for severity in ("error", "warning", "note"))
    rows = [f"{report.files} files were read: {counts}.", ""]
    rows += ["| perspective | level | likelihood | findings | mitigation |", "|---|---|---|---|---|"]
    for prefix, name, mitigation in PERSPECTIVES:
        found = of_perspective(report, prefix)
        checked = any(code.startswith(prefix) for code in report.rules)
        level = level_of(found) if checked else "not checked"
        shown = mitigation if found else "nothing to do" if checked else "–"
        rows.append(f"| {name} | {level} | {likelihood_of(found) if checked else '–'} | {len(found)} | {shown} |")
    return "## Summary\n\n" + "\n".join(rows)


def _surely(report: AuditReport) -> str:
    sure = [row for row in report.findings if row.severity == "error" and row.confidence == "high"]
    if not sure:
        return "## What will surely break\n\nNothing that the audit is sure of."
    rows = [f"- `{_code(row.path)}:{row.location.line}` {escape(row.message)} ({row.code})" for row in sure]
    return "## What will surely break\n\n" + "\n".join(rows)


def _code(text: str) -> str:
    return plain(text).replace("`", "'")


def _findings(report: AuditReport) -> str:
    if not report.findings:
        return ""
    parts = ["## Findings, and what to write instead"]
    ordered = sorted(report.findings, key=lambda row: (row.code, row.path, row.location.line))
    for code, group in groupby(ordered, key=lambda row: row.code):
        info = report.rules[code]
        parts.append(f"### {code}: {escape(info.summary)}")
        rows = ["| place | severity | confidence | what happens |", "|---|---|---|---|"]
        for row in group:
            place = f"{_code(row.path)}:{row.location.line}:{row.location.column}".replace("|", "\\|")
            rows.append(f"| `{place}` | {row.severity} | {row.confidence} | {escape(row.message)} |")
        parts.append("\n".join(rows))
        instead = re.search(r"^## Use instead\n\n(.*?)(?=^## |\Z)", page_of(code) or "", re.MULTILINE | re.DOTALL)
        if instead:
            parts.append("Instead:\n\n" + instead.group(1).strip())
    return "\n\n".join(parts)


def _fine(report: AuditReport) -> str:
    if not report.safe and not report.skipped:
        return ""
    parts = []
    if report.safe:
        parts.append("## Checked and found fine")
        parts.append("\n".join(f"- `{_code(row.path)}:{row.line}` {escape(row.reason)}" for row in report.safe))
    if report.skipped:
        parts.append("## Not read")
        parts.append("\n".join(f"- `{_code(row.path)}`: {escape(row.reason)}" for row in report.skipped))
    return "\n\n".join(parts)


def _checklist(report: AuditReport) -> str:
    parts = ["## Checklist"]
    for phase, boxes in _PHASES:
        rows = []
        for text, prefix in boxes:
            checked = any(code.startswith(prefix) for code in report.rules)
            clean = checked and not any(row.severity == "error" for row in of_perspective(report, prefix))
            rows.append(f"- [{'x' if clean else ' '}] {text}{'' if checked else ' (not checked)'}")
        if phase == "Local":
            rows += ["- [ ] `envtool setup --cpu` with the project's own `--check`", "- [ ] `envtool verify` passes"]
        parts.append(f"### {phase}\n\n" + "\n".join(rows))
    parts.append("### Documentation\n\n- [ ] the README says how to install, and how to go back")
    return "\n\n".join(parts)


def _advice() -> str:
    return """## Do and don't

- Do choose the device once, by `torch.cuda.is_available()`, and pass it on.
- Do load every file with `map_location`.
- Don't catch `RuntimeError` around `.cuda()`: a CPU-only build raises `AssertionError`.
- Don't exclude `torch.backends.cuda` or `torch.cuda` from a bundle: torch imports them on every build.

## The way back

`envtool rollback` makes the environment before the move current again. `envtool status` lists what there is."""
