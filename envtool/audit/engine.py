"""Run rules over a project: suppression, selection, fingerprints. A rule that raises costs a row, not the audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pathspec

from envtool.audit.discover import Discovery
from envtool.audit.embedded import as_written, embedded
from envtool.audit.models import Finding, Project, Rule, Safe, Skipped, Source
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport, RuleInfo
from envtool.audit.suppress import Suppressions, suppressions_of
from envtool.audit.syntax import lines_of


def run_audit(discovery: Discovery, rules: Sequence[Rule], options: AuditOptions) -> AuditReport:
    """Check every source with every selected rule of its kind. Never raises for any input."""
    project = discovery.project
    chosen = [rule for rule in rules if options.selects(rule.code)]
    findings: set[Finding] = set()
    safe: set[Safe] = set()
    failed: list[Skipped] = []
    for rule in chosen:
        for source in (*project.of_kind(*rule.kinds), *embedded(project, rule.kinds)):
            try:
                rows = [as_written(row, source, project) for row in rule.check(source, project)]
            except Exception as error:  # one broken rule must not hide what the others find
                reason = (
                    f"rule {rule.code} failed with {type(error).__name__}: {error} (a bug in envtool, please report)"
                )
                failed.append(Skipped(path=source.path, reason=reason, amiss=True))
                continue
            for row in rows:
                if isinstance(row, Finding):
                    findings.add(row)
                else:
                    safe.add(row)
    marked = _fingerprinted(findings, project)
    visible, suppressed = _without_suppressed(marked, project, options)
    fresh = [finding for finding in visible if finding.fingerprint not in options.baseline]
    skipped = {*discovery.skipped, *failed, *(row for row in project.cache.values() if isinstance(row, Skipped))}
    return AuditReport(
        root=project.root,
        findings=tuple(fresh),
        safe=tuple(sorted(safe, key=lambda row: (row.path, row.line, row.reason))),
        skipped=tuple(sorted(skipped, key=lambda row: (row.path, row.reason))),
        rules={rule.code: RuleInfo(code=rule.code, name=rule.name, summary=rule.summary) for rule in chosen},
        files=len(project.sources),
        suppressed=suppressed,
        known=len(visible) - len(fresh),
        sources=project.sources,
        cache=project.cache,
    )


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    return (finding.path, finding.location.line, finding.location.column, finding.code, finding.message)


def _fingerprinted(findings: Iterable[Finding], project: Project) -> list[Finding]:
    """Fingerprints that survive moved lines: code, path, the line's text, and its number among equal lines."""
    seen: Counter[tuple[str, str, str]] = Counter()
    result = []
    for finding in sorted(findings, key=_order):
        source = project.sources.get(finding.path)
        key = (finding.code, finding.path, _line(finding, source, project))
        data = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        digest = hashlib.sha256(data.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        result.append(replace(finding, fingerprint=digest))
    return result


def _line(finding: Finding, source: Source | None, project: Project) -> str:
    if source is None or not source.text:
        return finding.message
    lines = lines_of(source, project)
    number = finding.location.line
    return " ".join(lines[number - 1].split()) if 0 < number <= len(lines) else ""


def _without_suppressed(
    findings: Sequence[Finding], project: Project, options: AuditOptions
) -> tuple[list[Finding], int]:
    comments: dict[str, Suppressions] = {}
    per_file = [
        (pathspec.GitIgnoreSpec.from_lines([pattern]), codes) for pattern, codes in options.per_file_ignores.items()
    ]
    visible: list[Finding] = []
    suppressed = 0
    for finding in findings:
        if options.only is not None and finding.path not in options.only:
            continue
        if any(finding.code.startswith(codes) and spec.match_file(finding.path) for spec, codes in per_file):
            suppressed += 1
            continue
        source = project.sources.get(finding.path)
        if source is not None:
            if source.path not in comments:
                comments[source.path] = suppressions_of(source, project)
            if comments[source.path].covers(finding):
                suppressed += 1
                continue
        visible.append(finding)
    return visible, suppressed
