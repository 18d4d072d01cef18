"""An audit and the evidence beside it, made into a risk report. Pure: the same values give the same report."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from envtool import __version__
from envtool.audit.excerpt import excerpt_of
from envtool.audit.explain import page_of
from envtool.audit.models import Finding, Project, Skipped, SourceKind
from envtool.audit.report import SEVERITIES, AuditReport
from envtool.audit.risk.advice import MITIGATIONS, advice
from envtool.audit.risk.checklist import checklist, deselected, unread_models
from envtool.audit.risk.evidence import Evidence
from envtool.audit.risk.fine import fine_lines
from envtool.audit.risk.model import (
    Code,
    Entry,
    Fine,
    Group,
    Level,
    Likelihood,
    Perspective,
    RiskReport,
    Spot,
    Sure,
    Unread,
    Words,
    words,
)
from envtool.audit.risk.way_back import sizes, way_back
from envtool.reports.tables import plural

PERSPECTIVES: tuple[tuple[str, str, tuple[SourceKind, ...]], ...] = (
    ("CPU1", "Code", ("python", "notebook", "config")),
    ("CPU2", "Frozen app", ("spec",)),
    ("CPU3", "Packaging", ("requirements", "pyproject", "setup-py", "setup-cfg", "conda", "pipfile", "lock")),
    ("CPU4", "Containers and CI", ("dockerfile", "compose", "ci", "makefile", "shell")),
    ("CPU5", "Models", ("model",)),
)
"""Prefix of the codes, name, and the kinds of files that it is about."""

_LEGEND = words(
    "Level: high is an error (it raises, cannot be installed, or brings the GPU stack), medium a warning, low a note. "
    "Likelihood: certain is an error of high confidence, likely any other error, possible what depends on more than "
    "the files say."
)
_COSTLY = frozenset({"CPU301", "CPU305", "CPU402", "CPU403"})
"""What works on a CPU too, at the price of gigabytes."""
_EITHER = frozenset({"CPU304", "CPU401"})
_NOT_THE_PROJECT = ("version control", "environments made by envtool")
_MANY = 10
_FIXES = ("--fix", "--fix --unsafe-fixes")
_ORDER = {"error": 0, "warning": 1, "note": 2, "high": 0, "medium": 1, "low": 2}


def assess(report: AuditReport) -> RiskReport:
    """The risk report of an audit, with the evidence that the audit carries."""
    evidence = report.evidence
    perspectives = tuple(_perspective(report, *row) for row in PERSPECTIVES)
    groups = _groups(report)
    sure = _sure(groups)
    there = frozenset(row.prefix for row in perspectives if row.files)
    do, dont = advice(there)
    return RiskReport(
        project=report.root.name or "project",
        version=__version__,
        verdict=_verdict(report, sure),
        scope=_scope(report, evidence),
        legend=_LEGEND,
        perspectives=perspectives,
        hot_spots=_hot_spots(report),
        sure=sure,
        groups=groups,
        fine=_fine(report),
        unread=_unread(report),
        phases=checklist(report, perspectives),
        do=tuple(words(line) for line in do),
        dont=tuple(words(line) for line in dont),
        way_back=way_back(evidence),
        sizes=sizes(evidence),
    )


def _verdict(report: AuditReport, sure: Sequence[Sure]) -> Words:
    errors, warnings = report.count("error"), report.count("warning")
    also = f" {plural(warnings, 'warning')} to decide on." if warnings else ""
    if not report.files:
        return ("Nothing was read: there is no file here that the audit knows.",)
    if sure:
        places = sum(len(row.spots) for row in sure)
        at = f", at {places} places" if places > len(sure) else ""
        more = f"; {plural(errors - places, 'error')} less certain" if errors > places else ""
        things = "thing will" if len(sure) == 1 else "things will"
        return (f"Not ready to move: {len(sure)} {things} surely {_outcome(sure)}{at}{more}.{also}",)
    if errors:
        return (f"Not ready to move: {plural(errors, 'error')} to look at, none of them certain.{also}",)
    if warnings:
        return (f"Nothing is known to break; {plural(warnings, 'warning')} to decide on before the move.",)
    return ("Nothing is known to break. The proof is an environment that was verified: see the checklist.",)


def _outcome(sure: Iterable[Sure]) -> str:
    codes = {row.code for row in sure}
    if codes <= _COSTLY:
        return "bring the GPU stack"
    return "break or bring the GPU stack" if codes & (_COSTLY | _EITHER) else "break"


def _hot_spots(report: AuditReport) -> Words:
    """Errors by the first part of their path, where there are enough of them to say where to begin."""
    counted = Counter(finding.path.partition("/")[0] for finding in report.findings if finding.severity == "error")
    if len(counted) < 2 or counted.total() < _MANY:
        return ()
    line: list[str | Code] = ["Errors by folder: "]
    for number, (name, count) in enumerate(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:6]):
        line += [", " if number else "", Code(name), f" {count}"]
    return (*line, ".")


def _scope(report: AuditReport, evidence: Evidence) -> tuple[Words, ...]:
    lines: list[Words] = []
    counts = ", ".join(plural(report.count(severity), severity) for severity in SEVERITIES)
    lines.append((f"{plural(report.files, 'file')} read, none run: {counts}.",))
    mended = [sum(_fix_options(finding) == options for finding in report.findings) for options in _FIXES]
    if mended[0]:
        lines.append((Code("envtool audit --fix"), f" mends {mended[0]} of them by itself."))
    if mended[1]:
        lines.append((f"{mended[1]}{' more' if mended[0] else ''} with ", Code("--unsafe-fixes"), ", to be looked at."))
    if report.since:
        lines.append(("Only files changed since ", Code(report.since), " are reported."))
    if left_out := deselected(report):
        lines.append((f"Rules that were not run: {', '.join(left_out)}.",))
    if report.suppressed:
        lines.append((f"{plural(report.suppressed, 'finding')} suppressed by comments or settings.",))
    if report.known:
        lines.append((f"{plural(report.known, 'finding')} in the baseline, not shown.",))
    if number := len(_skipped(report)):
        lines.append(
            (f"{number} {'file or folder' if number == 1 else 'files or folders'} not read, listed at the end.",)
        )
    lines += [(note,) for note in evidence.notes]
    return tuple(lines)


# --- the summary ------------------------------------------------------------------------------------------------------


def _perspective(report: AuditReport, prefix: str, name: str, kinds: Sequence[SourceKind]) -> Perspective:
    found = [finding for finding in report.findings if finding.code.startswith(prefix)]
    files = sum(source.kind in kinds for source in report.sources.values())
    checked = any(code.startswith(prefix) for code in report.rules)
    return Perspective(
        prefix=prefix,
        name=name,
        files=files,
        checked=checked,
        level=level_of(found),
        likelihood=likelihood_of(found),
        errors=sum(finding.severity == "error" for finding in found),
        warnings=sum(finding.severity == "warning" for finding in found),
        notes=sum(finding.severity == "note" for finding in found),
        mitigation=_not_read(report, prefix, files) or _mitigation(found, files, checked),
    )


def level_of(findings: Iterable[Finding]) -> Level:
    """How bad it is: high (an error), medium (a warning), low (a note), none."""
    severities = {finding.severity for finding in findings}
    if "error" in severities:
        return "high"
    return "medium" if "warning" in severities else "low" if severities else "none"


def likelihood_of(findings: Sequence[Finding]) -> Likelihood:
    """How sure it is: certain (an error of high confidence), likely (any other error), possible (the rest), none."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if any(finding.confidence == "high" for finding in errors):
        return "certain"
    return "likely" if errors else "possible" if findings else "none"


def _not_read(report: AuditReport, prefix: str, files: int) -> Words:
    """Models that are kept out of git are the rule, and no reason to say that there are none."""
    left = unread_models(report) if prefix == "CPU5" and not files else []
    if not left:
        return ()
    return ("not read: ", Code(left[0]), "; look at it by ", Code(f"envtool model {shlex.quote(left[0])}"))


def _mitigation(findings: Sequence[Finding], files: int, checked: bool) -> Words:
    if not checked:
        return ("not checked (rules deselected)",)
    if not files and not findings:
        return ("no such files here",)
    if not findings:
        return ("nothing to do",)
    worst = min(_ORDER[finding.severity] for finding in findings)
    counted: dict[str, int] = {}
    for finding in findings:
        if _ORDER[finding.severity] == worst:
            counted[finding.code] = counted.get(finding.code, 0) + 1
    codes = sorted(counted, key=lambda code: (-counted[code], code))
    told = list(dict.fromkeys(MITIGATIONS[code] for code in codes if code in MITIGATIONS))
    text = "; ".join(told[:2]) or "see the findings"
    return words(text + (f"; and {len(told) - 2} more" if len(told) > 2 else ""))


# --- findings ---------------------------------------------------------------------------------------------------------


def _groups(report: AuditReport) -> tuple[Group, ...]:
    groups = []
    for code, findings in groupby(sorted(report.findings, key=lambda row: row.code), key=lambda row: row.code):
        entries = _entries(list(findings), report)
        groups.append(Group(code=code, summary=report.rules[code].summary, instead=_instead(code), entries=entries))
    return tuple(sorted(groups, key=lambda group: (_ORDER[group.severity], group.code)))


def _entries(findings: Sequence[Finding], report: AuditReport) -> tuple[Entry, ...]:
    """Findings of one rule that differ in nothing but their place are one entry."""
    rows: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.severity, finding.confidence, finding.message, _fix_options(finding))
        rows.setdefault(key, []).append(finding)
    entries = [
        Entry(
            severity=found[0].severity,
            confidence=found[0].confidence,
            message=message,
            fix=fix,
            spots=tuple(_spot(finding, report) for finding in found),
        )
        for (_, _, message, fix), found in rows.items()
    ]
    return tuple(sorted(entries, key=lambda row: (_ORDER[row.severity], _ORDER[row.confidence])))


def _fix_options(finding: Finding) -> str:
    if finding.fix is None:
        return ""
    return "--fix" if finding.fix.safe else "--fix --unsafe-fixes"


def _spot(finding: Finding, report: AuditReport) -> Spot:
    place = finding.location
    excerpt = tuple(excerpt_of(finding, report))
    return Spot(path=finding.path, line=place.line, column=place.column, excerpt=excerpt)


def _instead(code: str) -> str:
    found = re.search(r"^## Use instead\n\n(.*?)(?=^## |\Z)", page_of(code) or "", re.MULTILINE | re.DOTALL)
    return found.group(1).strip() if found else ""


def _sure(groups: Iterable[Group]) -> tuple[Sure, ...]:
    rows = [
        Sure(
            code=group.code,
            message=entry.message,
            mitigation=words(MITIGATIONS.get(group.code, "")),
            spots=entry.spots,
        )
        for group in groups
        for entry in group.entries
        if entry.severity == "error" and entry.confidence == "high"
    ]
    return tuple(sorted(rows, key=lambda row: row.code))


def _fine(report: AuditReport) -> tuple[Fine, ...]:
    troubled = {(row.path, row.location.line) for row in report.findings if row.severity != "note"}
    project = Project(root=report.root, sources=report.sources, cache=dict(report.cache))
    rows: dict[str, set[tuple[str, int]]] = {}
    for safe in (*report.safe, *fine_lines(project)):
        if (safe.path, safe.line) not in troubled:
            rows.setdefault(_reason(safe.reason, report), set()).add((safe.path, safe.line))
    found = [
        Fine(reason=reason, spots=tuple(Spot(path=path, line=line, column=1) for path, line in sorted(places)))
        for reason, places in rows.items()
    ]
    return tuple(sorted(found, key=lambda row: (row.spots[0].path, row.spots[0].line, row.reason)))


def _reason(reason: str, report: AuditReport) -> str:
    """``cuda-query: not reached without CUDA`` in words: a rule's name says little to who does not know it."""
    reason = re.sub(r"\bline \d+ chooses the GPU", "reached only where the GPU is chosen", reason)
    name, _, rest = reason.partition(": ")
    rule = next((rule for rule in report.rules.values() if rule.name == name), None)
    return f"{rest} (else {rule.code}: {rule.summary[0].lower()}{rule.summary[1:]})" if rule is not None else reason


def _skipped(report: AuditReport) -> list[Skipped]:
    """What was not read, without what is no part of the project: its history, and the environments made by envtool."""
    return [row for row in report.skipped if row.reason not in _NOT_THE_PROJECT]


def _unread(report: AuditReport) -> tuple[Unread, ...]:
    rows: dict[str, list[str]] = {}
    for skipped in _skipped(report):
        rows.setdefault(skipped.reason, []).append(skipped.path)
    return tuple(Unread(reason=reason, paths=tuple(paths)) for reason, paths in rows.items())
