"""``envtool rollback``: the way back."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from envtool.cli import completion
from envtool.cli import options as o
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.models import Outcome, Reporter


def rollback(
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="N|previous", help="This generation instead.", autocompletion=completion.generations
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say where it would go, and stop.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go back to full torch.

    Switches .venv to the newest healthy environment with full torch, the one
    that was there before envtool first of all: a flip, well under a second. If
    there is none, one is built from lockfiles/torch-full.txt.

    \b
    Examples:
      envtool rollback
      envtool rollback --to previous
      envtool rollback --to 3 --dry-run

    Exit codes: 8 there is no way back, or it failed; 9 another envtool at work.
    The environment is then as it was.
    """
    start = time.monotonic()

    def stage(reporter: Reporter) -> Outcome:
        from envtool.cli.results import setup_outcome
        from envtool.env.generations import layout_for
        from envtool.env.rollback import RollbackRequest
        from envtool.env.rollback import rollback as run_rollback

        project = o.open_here()
        layout = layout_for(project.root, project.settings.venv)
        result = run_rollback(project, layout, RollbackRequest(to=to, dry_run=dry_run), reporter)
        return setup_outcome(result, layout, time.monotonic() - start, dry_run=dry_run)

    run_command("rollback", stage, as_json=json, quiet=quiet)
