"""Precision and recall of ``envtool audit`` at severity error, on hand-labelled lines of real projects.

Usage: python scripts/score_audit.py LABELS CORPUS [--show]

LABELS is a table (tab-separated: project, file, line, rule, verdict, class, why), CORPUS a folder with one checkout a
project, ``owner__name``. A ``true-break`` line must be an error, a ``fine`` line must not, ``soft`` is not scored.
A finding is at a line when its own span, or the simple statement that it is in, covers the line.
"""

from __future__ import annotations

import argparse
import ast
import csv
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.models import Finding, Source
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES
from envtool.audit.syntax import tree_of


def statement_lines(report: AuditReport, source: Source | None, line: int) -> range:
    """The lines of the innermost statement around a line; for a compound one, of its header.

    In a spec one call holds unrelated lists, so a line stands for itself there.
    """
    best = range(line, line + 1)
    if source is None or source.kind not in ("python", "notebook", "setup-py"):
        return best
    tree = report.cache.get(("tree", source.path))
    if not isinstance(tree, ast.Module):
        return best
    found: range | None = None
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        end = body[0].lineno - 1 if isinstance(body, list) and body else (node.end_lineno or node.lineno)
        if node.lineno <= line <= max(end, node.lineno) and (found is None or node.lineno >= found.start):
            found = range(node.lineno, max(end, node.lineno) + 1)
    return found or best


def errors_at(report: AuditReport, path: str, line: int) -> list[Finding]:
    """The error findings at a line."""
    lines = statement_lines(report, report.sources.get(path), line)
    return [
        finding
        for finding in report.findings
        if finding.path == path
        and finding.severity == "error"
        and (finding.location.line <= line <= finding.location.end_line or finding.location.line in lines)
    ]


class Score:
    """What was counted, and what was wrong."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.misses: list[str] = []
        self.labelled: set[tuple[str, str, int]] = set()

    def add(self, row: dict[str, str], report: AuditReport) -> None:
        """Compare one label with the findings."""
        line = int(row["line"])
        found = errors_at(report, row["file"], line)
        self.labelled.update((row["project"], finding.path, finding.location.line) for finding in found)
        verdict = row["verdict"]
        if verdict == "soft":
            self.counts[row["rule"]]["soft"] += 1
            return
        broken = verdict == "true-break"
        outcome = ("tp" if found else "fn") if broken else ("fp" if found else "tn")
        self.counts[row["rule"]][outcome] += 1
        if outcome in ("fn", "fp"):
            what = "missed" if outcome == "fn" else f"false {found[0].code}"
            place = f"{row['project']}/{row['file']}:{line}"
            self.misses.append(f"{what:12} {place} [{row['rule']}/{row['class']}] {row['why']}")


def audit(folder: Path) -> AuditReport:
    """The report of one checkout, with every Python file parsed (labels need the spans of statements)."""
    start = time.perf_counter()
    discovery = discover([folder], cwd=folder)
    report = run_audit(discovery, RULES, AuditOptions())
    seconds = time.perf_counter() - start
    print(f"{folder.name}: {report.files} files, {len(report.findings)} findings, {seconds:.2f} s")
    for source in discovery.project.of_kind("python", "setup-py", "spec"):
        tree_of(source, discovery.project)
    return report


def main() -> int:
    """Print the table and the misses; exit 1 below the target."""
    parser = argparse.ArgumentParser(description="Precision and recall of envtool audit on labelled lines.")
    parser.add_argument("labels", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--show", action="store_true", help="also print the errors at lines without a label")
    arguments = parser.parse_args()
    with arguments.labels.open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    folders = {row["project"]: arguments.corpus / row["project"].replace("/", "__") for row in labels}
    for project, folder in folders.items():
        if not folder.is_dir():
            print(f"no checkout of {project} at {folder}", file=sys.stderr)
            return 2
    reports = {project: audit(folder) for project, folder in folders.items()}
    score = Score()
    for row in labels:
        score.add(row, reports[row["project"]])
    print_table(score.counts)
    print("\n".join(score.misses))
    if arguments.show:
        print_unlabelled(reports, score)
    total = sum(score.counts.values(), Counter())
    return 0 if ratio(total, "fp") >= 0.95 and ratio(total, "fn") >= 0.90 else 1


def print_unlabelled(reports: dict[str, AuditReport], score: Score) -> None:
    """Errors at lines that nobody labelled, to be looked at by hand."""
    for project, report in reports.items():
        for finding in report.findings:
            place = (project, finding.path, finding.location.line)
            if finding.severity == "error" and place not in score.labelled:
                print(f"unlabelled   {project}/{place[1]}:{place[2]} {finding.code} {finding.message}")


def ratio(count: Counter[str], wrong: str) -> float:
    """Precision (``wrong="fp"``) or recall (``"fn"``); 1.0 of nothing."""
    total = count["tp"] + count[wrong]
    return count["tp"] / total if total else 1.0


def print_table(counts: dict[str, Counter[str]]) -> None:
    """One line for each rule of the labels, and their sum."""
    print(f"\n{'rule':18} {'tp':>3} {'fp':>3} {'fn':>3} {'tn':>3} {'soft':>4}  precision recall")
    for rule in sorted(counts):
        print_row(rule, counts[rule])
    print_row("all", sum(counts.values(), Counter()))
    print()


def print_row(name: str, count: Counter[str]) -> None:
    """One line of the table."""
    numbers = " ".join(f"{count[key]:>3}" for key in ("tp", "fp", "fn", "tn"))
    print(f"{name:18} {numbers} {count['soft']:>4}  {ratio(count, 'fp'):9.2f} {ratio(count, 'fn'):6.2f}")


if __name__ == "__main__":
    raise SystemExit(main())
