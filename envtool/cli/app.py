"""The Typer application: every command is registered here, each from a file of its own."""

from __future__ import annotations

from collections.abc import Callable

import typer

from envtool import __version__
from envtool.cli.audit import audit
from envtool.cli.bundle import bundle
from envtool.cli.help import Command, Group
from envtool.cli.lock import lock
from envtool.cli.migrate import migrate
from envtool.cli.model import model
from envtool.cli.prune import prune
from envtool.cli.rollback import rollback
from envtool.cli.run import run
from envtool.cli.setup import setup
from envtool.cli.status import status
from envtool.cli.verify import verify
from envtool.cli.versions import versions

_EPILOG = """\b
Start with:
  envtool audit        what CPU-only torch will break here
  envtool setup --cpu  the switch, proven first
  envtool rollback     the way back

\b
envtool COMMAND --help has examples, options and exit codes.
"""

app = typer.Typer(
    name="envtool",
    help="Reproducible CPU-only PyTorch environments: lock, prove, switch, and roll back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    cls=Group,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"envtool {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", "-V", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Reproducible CPU-only PyTorch environments: lock, prove, switch, and roll back."""


_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Environment": (setup, rollback, status, verify, run, prune),
    "Move a project": (audit, model, migrate),
    "Lock and ship": (lock, versions, bundle),
}
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _settings = {"allow_interspersed_args": False} if _command is run else None
        app.command(cls=Command, rich_help_panel=_panel, context_settings=_settings)(_command)
