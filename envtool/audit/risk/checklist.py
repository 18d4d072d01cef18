"""The checklist: phases whose boxes are ticked by evidence, each with the evidence in words. Never by a wish."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from envtool.audit.report import AuditReport
from envtool.audit.risk.delivery import first_run, installs_cpu_from_lock, proves_cpu
from envtool.audit.risk.evidence import EnvironmentFacts, Evidence, Mention
from envtool.audit.risk.model import Box, Code, Perspective, Phase, State, Words, words
from envtool.audit.rules import RULES
from envtool.reports.tables import plural

_MODELS = re.compile(r"(^|/)((models?|weights|checkpoints)|[^/]+\.(pt|pth|jit|ts|ckpt|pt2))$", re.IGNORECASE)


def checklist(report: AuditReport, perspectives: Sequence[Perspective]) -> tuple[Phase, ...]:
    """Local, bundle and delivery, documentation."""
    by_prefix = {row.prefix: row for row in perspectives}
    evidence = report.evidence
    local = (
        *(_clean(by_prefix[prefix], report) for prefix in ("CPU1", "CPU3", "CPU5")),
        _locked(evidence),
        _proven(evidence),
        _current(evidence),
        _way_back(evidence),
    )
    delivery = (
        _clean(by_prefix["CPU2"], report),
        _bundled(evidence, by_prefix["CPU2"]),
        _clean(by_prefix["CPU4"], report),
        _delivered(
            by_prefix["CPU4"],
            "installs from the lock",
            first_run(report, "setup", installs_cpu_from_lock),
            "envtool setup --cpu --frozen",
        ),
        _delivered(by_prefix["CPU4"], "proves what it has", first_run(report, "verify", proves_cpu), "envtool verify"),
    )
    documentation = (
        _documented("the README says how to install", evidence.setup_documented, "envtool setup --cpu"),
        _documented("the README says how to go back", evidence.rollback_documented, "envtool rollback"),
    )
    return (
        Phase(name="Local", boxes=local),
        Phase(name="Bundle and delivery", boxes=delivery),
        Phase(name="Documentation", boxes=documentation),
    )


def deselected(report: AuditReport) -> list[str]:
    """The codes of rules that this audit did not run: what they would find is not known."""
    return [rule.code for rule in RULES if rule.code not in report.rules]


def unread_models(report: AuditReport) -> list[str]:
    """Paths that were left out and look like model files or their folder: nobody looked at them yet."""
    return [row.path for row in report.skipped if row.reason.startswith("ignored") and _MODELS.search(row.path)]


def _box(what: str, done: bool, evidence: Words) -> Box:
    return Box(what=words(what), state="done" if done else "open", evidence=evidence)


def _clean(row: Perspective, report: AuditReport) -> Box:
    what = words(f"no error in {row.name[0].lower()}{row.name[1:]}")
    if not row.checked:
        return Box(what=what, state="open", evidence=("not checked: its rules were deselected",))
    if not row.files and not row.findings and row.prefix == "CPU5" and (left := unread_models(report)):
        look = ("not read: ", Code(left[0]), "; look at it: ", Code(f"envtool model {shlex.quote(left[0])}"))
        return Box(what=what, state="open", evidence=look)
    if not row.files and not row.findings:
        return Box(what=what, state="not-applicable", evidence=("no such files were read",))
    if row.errors:
        codes = sorted({f.code for f in report.findings if f.code.startswith(row.prefix) and f.severity == "error"})
        return Box(what=what, state="open", evidence=(f"{_count(row.errors, 'error')}: {', '.join(codes)}",))
    if report.since or report.known:
        return Box(what=what, state="open", evidence=("only a part was looked at: see the scope above",))
    found = f"{_count(row.files, 'file')} read, {_count(row.warnings, 'warning')}"
    left_out = [code for code in deselected(report) if code.startswith(row.prefix)]
    without = f", without {', '.join(left_out)}" if left_out else ""
    return Box(what=what, state="done", evidence=(found + without,))


def _count(number: int, noun: str) -> str:
    return plural(number, noun) if number else f"no {noun}s"


def _locked(evidence: Evidence) -> Box:
    what, lock = "the lock is there and fits its inputs", evidence.lock
    if lock is None:
        return _box(what, False, words("no `lockfiles/`; make it: `envtool lock`"))
    if lock.stale is None:
        return _box(what, False, (Code(lock.path), ", which could not be compared with the project's requirements"))
    if lock.stale:
        return _box(
            what, False, (Code(lock.path), f" is stale: {'; '.join(lock.stale)}. ", *words("Run `envtool lock`"))
        )
    versions = ", ".join(f"torch {version} ({backend})" for backend, version in lock.torch)
    return _box(what, True, (Code(lock.path), f": {versions or 'no torch'}"))


def _describe(one: EnvironmentFacts) -> str:
    return f"generation {one.number}: torch {one.torch}"


def _proven(evidence: Evidence) -> Box:
    what, proven = "a CPU-only environment is built and proven", evidence.proven
    if proven is not None:
        checks = f"{proven.passed} checks passed, {proven.skipped} skipped"
        return _box(what, True, (f"{_describe(proven)}, {checks}",))
    failing = [one for one in evidence.environments if one.backend == "cpu"]
    if failing:
        one = failing[-1]
        reason = (
            f"{one.failed} checks failed"
            if one.failed
            else "its interpreter is gone"
            if not one.healthy
            else "not checked"
        )
        return _box(what, False, (f"{_describe(one)}: {reason}",))
    return _box(what, False, words("none recorded here; build it: `envtool setup --cpu`"))


def _current(evidence: Evidence) -> Box:
    what, current = "the project runs in that environment", evidence.current
    if current is not None and current == evidence.proven:
        return _box(what, True, (Code(".venv"), f" is generation {current.number}"))
    if current is not None:
        return _box(
            what, False, (Code(".venv"), f" is generation {current.number}, torch {current.torch} ({current.backend})")
        )
    return _box(what, False, (Code(".venv"), " is no environment of envtool's"))


def _way_back(evidence: Evidence) -> Box:
    what = "switching back was tried, and timed"
    flip = evidence.flip
    if flip is not None and flip.after not in {one.number for one in evidence.environments if one.backend == "cpu"}:
        return _box(what, True, (f"{flip.seconds:.2f} s to generation {flip.after}, on {flip.day}",))
    return _box(what, False, words("not measured; try `envtool rollback`, then `envtool rollback --to previous`"))


def _bundled(evidence: Evidence, frozen: Perspective) -> Box:
    what, bundle = "the bundle is built and starts without a Python", evidence.bundle
    if bundle is not None and not {"start-check", "smoke"} & {*bundle.passed}:
        return _box(what, False, (Code(bundle.path), " was built and not started: no start check, no smoke test"))
    if bundle is not None:
        return _box(what, True, (Code(bundle.path), f" with torch {bundle.torch}: {', '.join(bundle.passed)} passed"))
    if not frozen.files:
        return Box(what=words(what), state="not-applicable", evidence=("no PyInstaller spec was read",))
    return _box(
        what, False, words('no bundle recorded here; build it: `envtool bundle APP.spec --smoke "app --selftest"`')
    )


def _delivered(row: Perspective, what: str, run: tuple[str, int] | None, hint: str) -> Box:
    what = f"CI or the image {what}"
    if run is not None:
        return _box(what, True, (Code(f"{run[0]}:{run[1]}"),))
    state: State = "open" if row.files else "not-applicable"
    missing = (*words(f"no file of CI or a container runs `{hint}`"),) if row.files else ("no such files were read",)
    return Box(what=words(what), state=state, evidence=missing)


def _documented(what: str, mention: Mention | None, command: str) -> Box:
    if mention is not None:
        return _box(what, True, (Code(f"{mention.path}:{mention.line}"), " names ", Code(command)))
    return _box(what, False, words(f"no README here names `{command}`"))
