"""``envtool run``: a command in the current environment."""

from __future__ import annotations

import os
import shlex
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
    that cannot be started 126, as in a shell. A Python program that the
    environment does not have is taken from the machine, with a warning: it
    does not see the environment's packages. A pip is not: it would install
    there. A setup leaves pip out unless the requirements name it.

    \b
    Examples:
      envtool run -- python -c "import torch; print(torch.__version__)"
      envtool run -- pytest -q
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.cli.options import open_here
        from envtool.env.records import layout_for
        from envtool.env.running import NOT_FOUND, is_pip, lacks_pip, program_elsewhere, run_inside
        from envtool.models import Outcome
        from envtool.reports.escape import printable

        project = open_here()
        layout = layout_for(project.root, project.settings.venv)
        where = layout.venv.relative_to(layout.root).as_posix()
        elsewhere = program_elsewhere(layout, command[0], os.environ)
        if (elsewhere is not None and is_pip(command[0])) or lacks_pip(layout, command, os.environ):
            # The machine's would install into the machine's Python, and say that it went well.
            another = f"; {printable(str(elsewhere))} is another's" if elsewhere is not None else ""
            what = command[0] if elsewhere is not None else "pip"
            hint = "Add the package to the requirements, and run envtool setup. "
            hint += f"To see what is installed: uv pip list --python {shlex.quote(where)}"
            told = ("run.no-pip", f"there is no {what} in {where}{another}", hint)
            return Outcome(result={}, exit_code=NOT_FOUND, error=told)
        if elsewhere is not None:
            name, path = printable(command[0]), printable(str(elsewhere))
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
