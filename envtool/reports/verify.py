"""A VerifyReport as text for a person: one aligned line per check, and what to do about those that fail."""

from __future__ import annotations

import io
import sys
import textwrap
from collections import Counter

from rich.console import Console
from rich.text import Text

from envtool.models import CheckResult, VerifyReport
from envtool.reports.styles import color_system

_STYLES = {"pass": "green", "fail": "bold red", "skip": "dim"}


def summary(report: VerifyReport) -> dict[str, int]:
    """How many checks passed, failed, and were skipped."""
    counts = Counter(check.status for check in report.checks)
    return {"pass": counts["pass"], "fail": counts["fail"], "skip": counts["skip"]}


def render_text(report: VerifyReport, environment: str, *, seconds: float, quiet: bool = False) -> str:
    """The report for stdout: with colours on a terminal (but for NO_COLOR and TERM), plain elsewhere.

    ``environment`` names what was verified. With ``quiet``: the failing checks.
    """
    terminal = sys.stdout.isatty()
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, highlight=False, soft_wrap=True, color_system=color_system())
    # A pipe gets one line per check, for grep; a terminal gets lines that fit.
    columns = Console().width if terminal else 10_000
    if not quiet:
        about = f"torch {report.torch}" if report.torch else "no torch"
        about += f" ({report.backend})" if report.backend else ""
        python = f", Python {report.python}" if report.python else ""
        console.print(Text(f"{environment}: {about}{python}", style="bold"))
        console.print()
    width = max((len(check.id) for check in report.checks), default=0)
    for check in report.checks:
        if not quiet or check.status == "fail":
            for line in _lines(check, width, columns):
                console.print(line)
    if quiet:
        return out.getvalue()
    console.print()
    counts = summary(report)
    parts = [f"{counts['pass']} passed", f"{counts['fail']} failed", f"{counts['skip']} skipped"]
    style = "bold green" if report.ok else "bold red"
    console.print(Text(f"{', '.join(parts)} in {seconds:.1f} s", style=style))
    return out.getvalue()


def _lines(check: CheckResult, width: int, columns: int) -> list[Text]:
    label = "FAIL" if check.status == "fail" else check.status
    indent = 2 + 4 + 2 + width + 2
    found = _wrap(check.found, columns - indent)
    first = Text("  ").append(label, style=_STYLES[check.status]).append(f"  {check.id:<{width}}  ")
    dim = "dim" if check.status == "skip" else ""
    lines = [first.append(found[0], style=dim), *(Text(" " * indent + more, style=dim) for more in found[1:])]
    for name, text in (("why", check.why), ("fix", check.fix)):
        if check.status == "fail" and text:
            head, *rest = _wrap(text, columns - 13)
            lines.append(Text("        ").append(f"{name}  ", style="bold cyan").append(head))
            lines += [Text(" " * 13 + more) for more in rest]
    return lines


def _wrap(text: str, columns: int) -> list[str]:
    # A path is pasted into a shell: never broken in two.
    return textwrap.wrap(text, max(columns, 20), break_long_words=False, break_on_hyphens=False) or [""]
