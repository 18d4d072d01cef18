"""How every command ends: results on stdout, progress and errors on stderr, one JSON envelope, one exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from envtool.cli.envelope import envelope
from envtool.errors import EnvtoolError, ExitCode
from envtool.models import Outcome, Reporter

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]


def _print_error(code: str, message: str, hint: str) -> None:
    from rich.console import Console
    from rich.text import Text

    # soft_wrap: an error is often pasted into an issue or matched by a script; no break inside a path.
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    line = (
        Text("error", style="bold red").append(f"[{code}]", style="red").append(": ", style="default").append(message)
    )
    console.print(line)
    if hint:
        console.print(Text("  hint: ", style="bold cyan").append(hint, style="default"))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from envtool.reports.github import annotation

        typer.echo(annotation("error", message, title=code), err=True)


def finish(command: str, outcome: Outcome, *, as_json: bool) -> None:
    """Print an outcome and leave with its exit code."""
    if as_json:
        sys.stdout.write(envelope(command, outcome.result, outcome.exit_code, outcome.error) + "\n")
    else:
        if outcome.text:
            sys.stdout.write(outcome.text.rstrip("\n") + "\n")
        sys.stdout.flush()
        if outcome.error is not None:
            _print_error(*outcome.error)
    raise typer.Exit(outcome.exit_code)


def run_command(command: str, stage: Callable[[Reporter], Outcome], *, as_json: bool, quiet: bool = False) -> None:
    """Run a stage and finish: the only place where an exception becomes an exit code.

    A stage raises EnvtoolError for what a user can mend. Anything else is a bug of ours and exits with 1 and a line
    that asks for a report; ``ENVTOOL_DEBUG=1`` shows its traceback.
    """
    from envtool.reports.progress import make_reporter

    try:
        outcome = stage(make_reporter(quiet=quiet or as_json))
    except EnvtoolError as error:
        outcome = Outcome(result={}, exit_code=int(error.exit_code), error=(error.code, error.message, error.hint))
    except KeyboardInterrupt:
        outcome = Outcome(
            result={},
            exit_code=int(ExitCode.INTERRUPTED),
            error=("interrupted", "interrupted; the environment is as it was", "Run the same command again to go on."),
        )
    except Exception as error:
        if os.environ.get("ENVTOOL_DEBUG"):
            traceback.print_exc()
        where = f"{type(error).__name__}: {error}"
        hint = "Please report it, with the output of the same command under ENVTOOL_DEBUG=1."
        outcome = Outcome(result={}, exit_code=int(ExitCode.BUG), error=("bug", f"unexpected error: {where}", hint))
    finish(command, outcome, as_json=as_json)
