"""How every command ends: results on stdout, progress and errors on stderr, one JSON envelope, one exit code."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from envtool.cli.envelope import envelope, write_out
from envtool.errors import AS_IT_WAS, EnvtoolError, ExitCode, interruption
from envtool.models import Outcome, Reporter

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print what was asked for and what fails, no progress.")
]


def _print_error(code: str, message: str, hint: str) -> None:
    from rich.console import Console
    from rich.text import Text

    from envtool.reports.styles import color_system

    # soft_wrap: an error is often pasted into an issue or matched by a script; no break inside a path.
    console = Console(stderr=True, highlight=False, soft_wrap=True, color_system=color_system())
    console.print(Text.assemble(("error", "bold red"), (f"[{code}]", "red"), ": ", message))
    if hint:
        console.print(Text.assemble(("  hint: ", "bold cyan"), hint))


def _annotate_error(code: str, message: str) -> None:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from envtool.reports.github import annotation

        typer.echo(annotation("error", message, title=code), err=True)


def _summarize_error(command: str, code: str, message: str, hint: str) -> None:
    """Into the job summary, where one looks when a job has failed."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path and os.environ.get("GITHUB_ACTIONS") == "true":
        from envtool.reports.github import append_summary

        text = f"error[{code}]: {message}" + (f"\n  hint: {hint}" if hint else "")
        append_summary(path, f"envtool {command}".rstrip(), text, [])


def finish(command: str, outcome: Outcome, *, as_json: bool, quiet: bool = False) -> None:
    """Print an outcome and leave with its exit code.

    As with ruff: a command that prints its findings and how many they are does not say so in one more line, and a quiet
    one prints the findings alone.
    """
    if outcome.error is not None:
        _summarize_error(command, *outcome.error)
    if as_json:
        write_out(envelope(command, outcome.result, outcome.exit_code, outcome.error))
    else:
        brief = outcome.brief if quiet else None
        text = outcome.text if brief is None else brief
        if text:
            write_out(text.rstrip("\n"))
        if outcome.error is not None:
            if not brief and (quiet or not outcome.told):
                _print_error(*outcome.error)
            _annotate_error(*outcome.error[:2])
    raise typer.Exit(outcome.exit_code)


_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def _unforeseen(error: Exception) -> Outcome:
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        message = f"{error.strerror}: {error.filename or 'a temporary file'}; {AS_IT_WAS}"
        hint = "Mend the rights, or free some space, and run the same command again."
        return Outcome(result={}, exit_code=int(ExitCode.INSTALL), error=("system", message, hint))
    hint = "Please report it, with the output of the same command under ENVTOOL_DEBUG=1."
    told = ("bug", f"unexpected error: {type(error).__name__}: {error}", hint)
    return Outcome(result={}, exit_code=int(ExitCode.BUG), error=told)


def run_command(command: str, stage: Callable[[Reporter], Outcome], *, as_json: bool, quiet: bool = False) -> None:
    """Run a stage and finish: the only place where an exception becomes an exit code.

    A stage raises EnvtoolError for what a user can mend, and the system refuses for want of rights or room. Anything
    else is a bug of ours and exits with 1 and a line that asks for a report; ``ENVTOOL_DEBUG=1`` shows its traceback.
    """
    from envtool.reports.progress import make_reporter

    try:
        outcome = stage(make_reporter(quiet=quiet or as_json))
    except EnvtoolError as error:
        outcome = Outcome(result={}, exit_code=int(error.exit_code), error=(error.code, error.message, error.hint))
    except KeyboardInterrupt as error:
        word, status = interruption(error)
        told = "; ".join([word, AS_IT_WAS, *map(str, error.args)])
        outcome = Outcome(result={}, exit_code=int(status), error=(word, told, "Run the same command again to go on."))
    except Exception as error:
        if os.environ.get("ENVTOOL_DEBUG"):
            traceback.print_exc()
        outcome = _unforeseen(error)
    finish(command, outcome, as_json=as_json, quiet=quiet)
