"""Fix and audit again, in rounds, until nothing is left to fix; or in memory, to see what would be left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envtool.adapters.text_files import encoded, replace_text
from envtool.audit.discover import Discovery
from envtool.audit.engine import run_audit
from envtool.audit.fixes import FixPlan, plan_fixes
from envtool.audit.models import Project, Rule
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport

ROUNDS = 3
"""A fix may make room for another one on the same line; more rounds than this were never needed."""

Before = Callable[[Path, bytes], None]
"""Is told the file and the bytes that it is about to get, before it is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mended:
    """The report afterwards, the number of fixes by path, and what was left alone, with the reason."""

    report: AuditReport
    fixed: Mapping[str, int]
    left: tuple[str, ...]


def mend(
    report: AuditReport, again: Callable[[], AuditReport], *, unsafe: bool = False, before: Before = lambda *_: None
) -> Mended:
    """Apply the fixes of a report and of the audits after it. A file that cannot be written is named in ``left``."""
    fixed: dict[str, int] = {}
    left: list[str] = []
    for _ in range(ROUNDS):
        plan = plan_fixes(report.sources, report.findings, unsafe=unsafe)
        left += [line for line in not_fixed(plan) if line not in left]
        written = 0
        for path, text in plan.texts.items():
            source = report.sources[path]
            encoding = str(report.cache.get(("encoding", path), "utf-8"))
            reason = _write(source.absolute, (source.text, text), encoding, before)
            if reason:
                left.append(f"{path}: not fixed: {reason}")
            else:
                written += 1
                fixed[path] = fixed.get(path, 0) + sum(1 for finding in plan.applied if finding.path == path)
        if not written:
            break
        report = again()
    return Mended(report=report, fixed=fixed, left=tuple(left))


_OF_THE_FILE = ("encoding", "cells")
"""What the walk has put into the cache about a file; the rest is derived from the text, which changes here."""


def foresee(report: AuditReport, rules: Sequence[Rule], options: AuditOptions) -> AuditReport:
    """The report as it would be after the safe fixes: a fix in one file may mend a finding in another. Pure."""
    for _ in range(ROUNDS):
        texts = plan_fixes(report.sources, report.findings).texts
        if not texts:
            break
        sources = {path: replace(row, text=texts.get(path, row.text)) for path, row in report.sources.items()}
        cache = {key: value for key, value in report.cache.items() if key[0] in _OF_THE_FILE}
        project = Project(root=report.root, sources=sources, cache=cache)
        report = run_audit(Discovery(project=project, skipped=report.skipped), rules, options)
    return report


def not_fixed(plan: FixPlan) -> list[str]:
    """What a plan leaves alone, a line a file."""
    return [f"{row.path}: {row.reason}" for row in plan.left]


def _write(path: Path, texts: tuple[str, str], encoding: str, before: Before) -> str:
    try:
        data = encoded(path.read_bytes(), texts[1], encoding)
    except UnicodeError:
        return f"its text does not fit {encoding}"
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    before(path, data)
    return replace_text(path, *texts, encoding)
