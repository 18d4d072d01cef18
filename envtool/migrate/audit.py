"""The phases audit and fix: what will break, what a fix mends, what a later phase settles, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.fixes import plan_fixes
from envtool.audit.mend import foresee, mend
from envtool.audit.models import Finding
from envtool.audit.options import AuditOptions, read_settings
from envtool.audit.report import SEVERITIES, AuditReport
from envtool.audit.rules import RULES
from envtool.bundle.checks import MENDED
from envtool.errors import FindingsError
from envtool.migrate.models import Gate, Migration, listed
from envtool.reports.escape import printable
from envtool.reports.tables import plural

SETTLED: Mapping[str, str] = {
    "CPU301": "lock",
    "CPU302": "lock",
    "CPU304": "lock",
    **dict.fromkeys(MENDED, "bundle"),
}
"""Findings that a later phase answers: the lock routes torch whatever the requirements say, and envtool's bundle ships
the source that TorchScript reads."""

MODELS = "CPU5"
"""The rules about model files: those are the gate of a phase of their own, which also sees what git ignores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Triage:
    """The findings that fail an audit: the safe fixes mend them, a later phase settles them, or nothing does. ``other``
    is how many are below the level."""

    fixable: tuple[Finding, ...]
    settled: tuple[Finding, ...]
    left: tuple[Finding, ...]
    other: int


def triage(report: AuditReport, after: AuditReport, fail_on: str, phases: Iterable[str]) -> Triage:
    """Sort the findings. ``after``: the report as the safe fixes would leave it, which decides: a fix in one file may
    mend a finding in another, or uncover one. ``phases``: those that will run. Pure.
    """
    failing = [finding for finding in report.findings if _fails(finding, fail_on)]
    # Places move with the fixes; what stays is told with the place that it has now.
    now: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in sorted(report.findings, key=lambda row: row.fix is not None and row.fix.safe):
        now.setdefault((finding.path, finding.code, finding.message), []).append(finding)
    # A fix elsewhere may change what a line is found to do, and not that it is found: it is the same finding.
    lines = {finding.fingerprint: finding for finding in report.findings if finding.fingerprint}
    gone, stays = set(report.findings), []
    for finding in after.findings:
        same = [one for one in now.get((finding.path, finding.code, finding.message), []) if one in gone]
        known = same[0] if same else lines.get(finding.fingerprint, finding)
        stays.append((finding, known if known in gone else finding))
        gone.discard(known)
    rest = [told for finding, told in stays if _fails(finding, fail_on)]
    settled = [finding for finding in rest if SETTLED.get(finding.code, "") in phases]
    return Triage(
        fixable=tuple(finding for finding in failing if finding in gone),
        settled=tuple(settled),
        left=tuple(finding for finding in rest if finding not in settled),
        other=len(report.findings) - len(failing),
    )


def _fails(finding: Finding, fail_on: str) -> bool:
    return finding.severity in SEVERITIES[: {"error": 1, "warning": 2, "note": 3}.get(fail_on, 0)]


def look(
    migration: Migration, *, paths: Iterable[Path] = (), select: tuple[str, ...] = ()
) -> tuple[AuditReport, AuditOptions]:
    """The audit of the project as its settings say, and these, with the level at which it fails. Raises UsageError.

    ``paths`` are read although git ignores them. Without ``select`` the rules about model files are left out.
    """
    options = read_settings(migration.root, [rule.code for rule in RULES])
    found = discover([migration.root, *paths], cwd=migration.root, exclude=options.exclude)
    options = replace(options, fail_on=migration.options.fail_on or options.fail_on)
    options = replace(options, select=select) if select else replace(options, ignore=(*options.ignore, MODELS))
    return run_audit(found, RULES, options), options


def audit(migration: Migration) -> Gate:
    """The gate: nothing that fails the audit is left without a fix or a phase that settles it.

    Raises FindingsError (``migrate.audit``).
    """
    report, options = look(migration)
    sorted_out, fail_on = _triage(migration, report, options), options.fail_on
    if sorted_out.left:
        number = plural(len(sorted_out.left), "finding")
        message = f"{number} that no safe fix mends (--fail-on {fail_on})"
        hint = f"Mend them by hand (envtool audit --explain {sorted_out.left[0].code}), or silence one on its line: "
        hint += "# envtool: ignore[CODE] why"
        raise FindingsError("migrate.audit", "\n".join([message, *map(_line, sorted_out.left[:10])]), hint)
    evidence = [f"{plural(report.files, 'file')} read; nothing to mend by hand"]
    if sorted_out.fixable:
        evidence.append(f"mended by fixes: {_codes(sorted_out.fixable)}")
    for phase in ("lock", "bundle"):
        settled = [finding for finding in sorted_out.settled if SETTLED[finding.code] == phase]
        if settled:
            evidence.append(f"settled by the {phase}: {_codes(settled)}")
    if sorted_out.other:
        evidence.append(f"{sorted_out.other} below {fail_on}; see: envtool audit")
    return Gate(evidence=tuple(evidence))


def fix(migration: Migration) -> Gate:
    """The gate: no finding that a fix mends fails the audit any more.

    Raises FindingsError (``migrate.fix``) without ``--fix``, or where a file cannot be fixed.
    """
    report, options = look(migration)
    if not migration.options.fix:
        return _without_fixes(migration, _triage(migration, report, options))
    done = mend(report, lambda: look(migration)[0], before=migration.expect)
    after = _triage(migration, done.report, options)
    failing = [*after.fixable, *after.left]
    if failing:
        message = f"{plural(len(failing), 'finding')} left after the fixes"
        lines = [*map(_line, failing[:10]), *(f"  {printable(reason)}" for reason in done.left[:5])]
        raise FindingsError("migrate.fix", "\n".join([message, *lines]), "Mend them by hand.")
    if not done.fixed:
        return Gate(evidence=("nothing to fix",))
    number = sum(done.fixed.values())
    names = [f"{printable(path)} ({fixes})" for path, fixes in sorted(done.fixed.items())]
    evidence = (f"{number} {'fix' if number == 1 else 'fixes'} in {listed(names)}",)
    return Gate(evidence=evidence, facts={"fixed": dict(done.fixed)})


def plan_fix(migration: Migration) -> Gate:
    """What ``--fix`` would change. Raises FindingsError without it, as :func:`fix` does."""
    report, options = look(migration)
    if not migration.options.fix:
        return _without_fixes(migration, _triage(migration, report, options))
    plan = plan_fixes(report.sources, report.findings)
    if not plan.texts:
        return Gate(evidence=("nothing to fix",))
    return Gate(evidence=(f"would change {listed([printable(path) for path in plan.texts])}",), status="todo")


def _triage(migration: Migration, report: AuditReport, options: AuditOptions) -> Triage:
    phases = [name for name in ("lock", "bundle") if migration.options.runs(name)]
    after = foresee(report, RULES, options)
    found = triage(report, after, options.fail_on, phases)
    if not (migration.options.fix and migration.options.runs("fix")):
        return found
    # What is said to be left is what the fixes of this move leave.
    return replace(found, other=sum(not _fails(finding, options.fail_on) for finding in after.findings))


def _without_fixes(migration: Migration, found: Triage) -> Gate:
    if found.fixable:
        message = f"{plural(len(found.fixable), 'finding')} can be mended by a fix, and --fix was not given"
        go_on = "envtool migrate --fix" if migration.transaction is None else "envtool migrate --resume --fix"
        hint = f"What a fix changes: envtool audit --diff. Then: {go_on}"
        raise FindingsError("migrate.fix", "\n".join([message, *map(_line, found.fixable[:10])]), hint)
    return Gate(evidence=("nothing needs a fix",))


def _line(finding: Finding) -> str:
    return f"  {printable(finding.path)}:{finding.location.line} {finding.code} {printable(finding.message)}"


def _codes(findings: Iterable[Finding]) -> str:
    return listed(list(dict.fromkeys(f"{finding.code} in {printable(finding.path)}" for finding in findings)))
