"""``envtool run``: a command in the current environment."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from envtool.cli.output import run_command

if TYPE_CHECKING:
    from envtool.models import Outcome, Reporter


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The command, as you type it.")],
) -> None:
    """Run a command in the current environment.

    As after activating it: its programs come first on PATH, VIRTUAL_ENV is
    set and PYTHONHOME is not. The command takes envtool's place, so signals
    and the exit status are its own; a command that is not found is 127, one
    that cannot be started 126, as in a shell. A Python program that the environment does not have is taken from
    the machine, with a warning: it does not see the environment's packages.

    \b
    Examples:
      envtool run -- python -c "import torch; print(torch.__version__)"
      envtool run -- pytest -q
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.cli.options import open_here
        from envtool.env.records import layout_for
        from envtool.env.running import NOT_FOUND, program_elsewhere, run_inside
        from envtool.models import Outcome
        from envtool.reports.escape import printable

        project = open_here()
        layout = layout_for(project.root, project.settings.venv)
        elsewhere = program_elsewhere(layout, command[0], os.environ)
        if elsewhere is not None and re.fullmatch(r"pip[\d.]*", command[0]):
            # It would install into the machine's Python, and say that it went well.
            place = layout.venv.relative_to(layout.root).as_posix()
            hint = "Add the package to the requirements, and run envtool setup."
            told = (
                "run.no-pip",
                f"there is no {command[0]} in {place}; {printable(str(elsewhere))} is another's",
                hint,
            )
            return Outcome(result={}, exit_code=NOT_FOUND, error=told)
        if elsewhere is not None:
            name, path = printable(command[0]), printable(str(elsewhere))
            where = layout.venv.relative_to(layout.root).as_posix()
            reporter.warn(
                f"{name} is not in {where}: this is {path}, which has other packages. Add {name} to the project"
            )
        status, started = run_inside(layout, command, os.environ)
        error = None
        if not started:
            name = printable(command[0])
            if status == NOT_FOUND:
                error = ("run.not-found", f"command not found: {name}", "Is it installed in this environment?")
            else:
                refused = Path(command[0]).is_file() and not os.access(command[0], os.X_OK)
                hint = f"It may not be executed: chmod +x {name}" if refused else "Is it a program for this machine?"
                error = ("run.not-executable", f"cannot execute {name}", hint)
        return Outcome(result={}, exit_code=status, error=error)

    run_command("run", stage, as_json=False)
