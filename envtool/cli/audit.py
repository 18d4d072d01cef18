"""``envtool audit``: what CPU-only torch will break in a project, found by reading and never by running."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from envtool.cli import completion
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.errors import NoInputsError, UsageError
from envtool.models import Outcome, Reporter

if TYPE_CHECKING:
    from envtool.audit.options import AuditOptions
    from envtool.audit.report import AuditReport

_REPORT = "Report"
_FIXES = "Fixes"


def audit(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Folders and files. Default: the current folder.")
    ] = None,
    *,
    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES", help="Only these codes or prefixes (CPU1,CPU301).", autocompletion=completion.rules
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODES", help="Not these codes or prefixes.", autocompletion=completion.rules),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="error (default), warning, note or never: what gives exit 10.",
            autocompletion=completion.fail_levels,
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="text (default), markdown, html, json, sarif, junit or github; one for each -o, in order.",
            rich_help_panel=_REPORT,
            autocompletion=completion.formats,
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the report to a file; the suffix names the format. Repeatable.",
            rich_help_panel=_REPORT,
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Explain a rule, and audit nothing.", autocompletion=completion.rules),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A JSON report; what it holds is not reported again.", rich_help_panel=_REPORT
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Report only files changed since a commit.", rich_help_panel=_REPORT),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Apply the safe fixes, then report what is left.", rich_help_panel=_FIXES)
    ] = False,
    unsafe_fixes: Annotated[
        bool,
        typer.Option(
            "--unsafe-fixes",
            help="With --fix or --diff: also those that may change what runs.",
            rich_help_panel=_FIXES,
        ),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what --fix would change; write nothing.", rich_help_panel=_FIXES)
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find what CPU-only torch will break, before you switch.

    Reads code, notebooks, requirements, Dockerfiles, CI files, model files and
    PyInstaller specs. It runs none of them and needs no network.

    \b
    Examples:
      envtool audit                           the current folder
      envtool audit src app.spec              some folders and files
      envtool audit --explain CPU101          what a code means
      envtool audit --diff                    what --fix would change
      envtool audit --since origin/main       only what changed
      envtool audit -o known.json             then: --baseline known.json
      envtool audit -o risk.md -o risk.html   the risk report, for the team

    A finding is silenced on its line: # envtool: ignore[CPU101] the reason

    Exit codes: 0 nothing at or above --fail-on, 10 findings, 3 nothing to
    read, 2 wrong usage, 9 another envtool is at work (--fix).
    """

    def stage(_: Reporter) -> Outcome:
        from envtool.audit.formats import FORMATS
        from envtool.audit.formats.text import render_findings
        from envtool.audit.rules import RULES

        if explain is not None:
            from envtool.audit.explain import explain as explain_rule
            from envtool.reports.page import render_page

            page = explain_rule(explain, RULES)
            return Outcome(result={"code": explain.upper(), "page": page}, text=render_page(page))
        names, stdout_format = _formats(formats or [], output or [])
        if unsafe_fixes and not (fix or diff):
            raise UsageError("audit.unsafe-fixes", "--unsafe-fixes alone changes nothing", "Add --fix or --diff.")
        choices = _Choices(select or [], ignore or [], fail_on, baseline, since)

        def again() -> tuple[AuditReport, AuditOptions]:
            return _audit(paths or [Path()], choices)

        report, options = again()
        mended = None
        if fix or diff:
            from envtool.cli.audit_fix import fix_rounds, show_diff

            mended = show_diff(report, unsafe=unsafe_fixes) if diff else fix_rounds(report, again, unsafe=unsafe_fixes)
            report = mended.report
        report = _with_evidence(report, {*names, stdout_format})
        for file, name in zip(output or [], names, strict=True):
            _write(file, FORMATS[name](report))
        text, brief = FORMATS[stdout_format](report), None
        if stdout_format == "text":
            # Findings that stand in a file are not printed beside it.
            brief = "" if output else render_findings(report)
            text += "".join(f"Wrote {file}.\n" for file in output or [])
        result = report.as_dict()
        if mended is not None:
            text = mended.diff if diff else text + mended.text
            # What was not fixed is told by --quiet too.
            brief = mended.changes if diff else None if brief is None else brief + mended.changes
            result = {**result, **mended.result}
        if not report.fails(options.fail_on):
            return Outcome(result=result, text=text, brief=brief)
        error = ("audit.findings", f"{_counts(report)} (--fail-on {options.fail_on})", _hint(report))
        told = stdout_format == "text" and not diff
        return Outcome(result=result, text=text, brief=brief, exit_code=10, error=error, told=told)

    run_command("audit", stage, as_json=json, quiet=quiet)


class _Choices:
    """The options that choose what is reported."""

    def __init__(
        self, select: list[str], ignore: list[str], fail_on: str | None, baseline: Path | None, since: str | None
    ) -> None:
        self.select = select
        self.ignore = ignore
        self.fail_on = fail_on
        self.baseline = baseline
        self.since = since


def _audit(paths: list[Path], choices: _Choices) -> tuple[AuditReport, AuditOptions]:
    import gc
    from dataclasses import replace

    from envtool.audit.changed import changed_since
    from envtool.audit.discover import common_root, discover
    from envtool.audit.engine import run_audit
    from envtool.audit.options import check_fail_level, code_prefixes, read_baseline, read_settings
    from envtool.audit.rules import RULES
    from envtool.reports.escape import printable

    codes = [rule.code for rule in RULES]
    check_fail_level(choices.fail_on)
    cwd = Path.cwd()
    for path in paths:
        if not path.exists():
            message = f"no such file or folder: {path}"
            raise UsageError("audit.no-path", message, "Give a folder or a file that exists.")
    root = common_root(paths, cwd)
    options = read_settings(root, codes)
    options = replace(
        options,
        select=code_prefixes(choices.select, codes, "--select") or options.select,
        ignore=(*options.ignore, *code_prefixes(choices.ignore, codes, "--ignore")),
        fail_on=choices.fail_on or options.fail_on,
        baseline=read_baseline(choices.baseline) if choices.baseline is not None else frozenset(),
        only=changed_since(root, choices.since) if choices.since is not None else None,
    )
    # Nothing of a short-lived process is garbage; the collector would look at every syntax tree again and again.
    gc.disable()
    report = run_audit(discover(paths, cwd=cwd, exclude=options.exclude), RULES, options)
    if not report.files and not report.skipped:
        # A wrong path in CI must not be green.
        where = ", ".join(printable(str(path)) for path in paths)
        hint = "Name the project's folder. What is read: code, notebooks, requirements, containers, CI files, models."
        raise NoInputsError("audit.nothing", f"nothing to read in {where}", hint)
    return replace(report, since=choices.since or ""), options


def _with_evidence(report: AuditReport, formats: set[str]) -> AuditReport:
    """The report with what the project's own records say, if one of the formats is a risk report."""
    from dataclasses import replace

    from envtool.audit.formats import RISK_FORMATS
    from envtool.cli.audit_evidence import gather, project_root

    if not RISK_FORMATS & formats:
        return report
    return replace(report, evidence=gather(project_root(report.root, Path.cwd().resolve())))


def _formats(names: list[str], files: list[Path]) -> tuple[list[str], str]:
    """The format of each file, and the one for stdout.

    ``--format`` is for stdout without ``-o``; with as many ``--format`` as ``-o`` they pair up in order, one more is
    for stdout, and a file without one goes by its suffix.
    """
    from envtool.audit.formats import FORMATS, SUFFIXES

    for name in names:
        if name not in FORMATS:
            raise UsageError("audit.format", f"no format {name!r}", f"Formats are {', '.join(FORMATS)}.")
    if len(names) > len(files) + 1:
        raise UsageError("audit.format", "more --format than -o", "Give each --format a file with -o.")
    stdout_format = names[-1] if len(names) == len(files) + 1 else "text"
    chosen = names[: len(files)]
    for file in files[len(chosen) :]:
        if file.suffix.lower() not in SUFFIXES:
            hint = f"Add --format, or use one of {', '.join(SUFFIXES)}."
            raise UsageError("audit.format", f"which format is {file.name}?", hint)
        chosen.append(SUFFIXES[file.suffix.lower()])
    return chosen, stdout_format


def _write(file: Path, text: str) -> None:
    try:
        # A file name that is no UTF-8 becomes an escape, which JSON reads as one.
        with file.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        hint = "Check that the folder exists and can be written to."
        raise UsageError("audit.output", f"cannot write {file}: {error.strerror}", hint) from None


def _counts(report: AuditReport) -> str:
    from envtool.audit.report import SEVERITIES

    counts = {level: report.count(level) for level in SEVERITIES}
    return ", ".join(f"{number} {level}{'s' * (number != 1)}" for level, number in counts.items())


def _hint(report: AuditReport) -> str:
    return f"envtool audit --explain {report.findings[0].code} says what to write instead."
