"""``envtool migrate``: the whole move as one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envtool.cli import completion
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.errors import NoInputsError, UsageError
from envtool.models import Outcome, Reporter

_PHASES = "Phases"
_UNFINISHED = "An unfinished migration"

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PHASES",
        help="These only: audit,lock.",
        rich_help_panel=_PHASES,
        autocompletion=completion.phases,
    ),
]
Skip = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="PHASES",
        help="All but these.",
        rich_help_panel=_PHASES,
        autocompletion=completion.phases,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on, with the options of before.", rich_help_panel=_UNFINISHED)
]
Undo = Annotated[
    bool, typer.Option("--undo", help="Put everything back as it was before.", rich_help_panel=_UNFINISHED)
]


def migrate(
    fix: Annotated[bool, typer.Option("--fix", help="Make the audit's safe fixes.")] = False,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="CMD", help="Run this in the new environment before the switch. Repeatable."),
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option("--spec", metavar="SPEC|SCRIPT", help="The app to bundle. Default: the one spec here."),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="error (default), warning, note or never: what stops the audit.",
            autocompletion=completion.fail_levels,
        ),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            "-p",
            metavar="VERSION|PATH",
            help="Python to use. Default: the one that .venv has.",
            autocompletion=completion.pythons,
        ),
    ] = None,
    upgrade_torch: Annotated[
        bool, typer.Option("--upgrade-torch", help="Let the version of torch change in the same move.")
    ] = False,
    only: Only = None,
    skip: Skip = None,
    resume: Resume = False,
    undo: Undo = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what each phase would do; write nothing.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Move the project to CPU-only torch, all of it or nothing.

    Audit, fix, lock, set up with your checks, models, bundle, docs: one gate
    after the other. If one does not hold, the environment and every file are
    put back as they were, byte for byte, also after a kill -9 (by the next
    envtool migrate). torch keeps its version. Nothing is asked.

    \b
    Phases:
      audit   what breaks is mended by a fix or a later phase
      fix     make the safe fixes (only with --fix)
      lock    lockfiles/, with the version of torch that is there
      setup   build, prove, run your checks, switch, try the way back
      models  every model file loads on a CPU
      bundle  if there is a PyInstaller spec: build it, start it, test it
      docs    a section in README.md, if there is one; .venv in .gitignore

    \b
    Examples:
      envtool migrate --dry-run
      envtool migrate --fix --check "pytest -q tests/smoke"
      envtool migrate --only audit,lock
      envtool migrate --skip bundle,docs
      envtool migrate --resume

    Exit codes: 10 the audit or a model, 3 nothing needs torch, 4 lock, 6
    install or build, 7 a check, 9 another envtool, 2 usage, 130 interrupted,
    143 terminated. All is then as it was; 8 if that could not be done.
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.audit.options import check_fail_level
        from envtool.cli.options import open_here
        from envtool.env.records import layout_for
        from envtool.lock.above import files_under_other_names, listed_files, project_above
        from envtool.lock.request import refuse_unread
        from envtool.lock.stage import has_sources
        from envtool.lock.text import LOCK_TOML
        from envtool.migrate.models import Options
        from envtool.migrate.record import check_names
        from envtool.migrate.workflow import Wanted
        from envtool.migrate.workflow import migrate as run
        from envtool.reports.migration import render_failed, render_result

        check_fail_level(fail_on)
        if undo and (resume or dry_run):
            message = "--undo goes with neither --resume nor --dry-run"
            raise UsageError("usage.migrate", message, "envtool migrate --help")
        options = Options(
            fix=fix,
            upgrade_torch=upgrade_torch,
            checks=tuple(check or ()),
            spec=None if spec is None else spec.as_posix(),
            fail_on=fail_on,
            python=python,
            only=check_names(only or (), "--only"),
            skip=check_names(skip or (), "--skip"),
        )
        project = open_here()
        if not (undo or resume or has_sources(project) or (project.lockfiles / LOCK_TOML).is_file()):
            refuse_unread(project.root, project.pyproject or {})
            files = files_under_other_names(project.root)
            hint = project_above(project.root) or "Go to the project's folder."
            if files:
                hint = f"Files under other names are not read: write {listed_files(files)} into requirements.in."
            hint += " A new environment with torch alone: envtool setup --cpu"
            raise NoInputsError("migrate.nothing", "there is no project to move in this folder", hint)
        layout = layout_for(project.root, project.settings.venv)
        wanted = Wanted(options=options, resume=resume, undo=undo, dry_run=dry_run)
        ended = run(layout, wanted, reporter)
        text = render_result(ended.result)
        if ended.result["state"] in ("done", "partial") and not ended.result["changed"]:
            text = f"nothing to do: moved on {ended.result['finished']}, and nothing has changed since\n"
            text += "full torch again: envtool rollback"
        # What could not be put back is told even then.
        brief = None if dry_run or ended.result["left"] else render_failed(ended.result)
        return Outcome(result=ended.result, text=text, brief=brief, exit_code=ended.exit_code, error=ended.error)

    run_command("migrate", stage, as_json=json, quiet=quiet)
