"""The Typer application: every command is registered here, each from a file of its own."""

from __future__ import annotations

import typer

from envtool import __version__

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


def _register() -> None:
    from envtool.cli.audit import audit
    from envtool.cli.model import model

    app.command()(audit)
    app.command()(model)


_register()
