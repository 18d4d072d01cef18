"""The Typer application: every command is registered here, each from a file of its own."""

from __future__ import annotations

import typer

from envtool import __version__
from envtool.cli.audit import audit
from envtool.cli.bundle import bundle
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

app = typer.Typer(
    name="envtool",
    help="Reproducible CPU-only PyTorch environments: lock, prove, switch, and roll back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


app.command()(setup)
app.command()(rollback)
app.command()(lock)
app.command()(status)
app.command()(prune)
app.command(context_settings={"allow_interspersed_args": False})(run)
app.command()(verify)
app.command()(versions)
app.command()(audit)
app.command()(model)
app.command()(bundle)
app.command()(migrate)
