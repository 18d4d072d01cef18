"""The Typer application: every command is registered here, each from a file of its own."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import typer

from envtool import __version__
from envtool.cli.help import Command, Group

_PANELS: dict[str, tuple[str, ...]] = {
    "Environment": ("setup", "rollback", "status", "verify", "run", "prune"),
    "Move a project": ("audit", "model", "migrate"),
    "Lock and ship": ("lock", "versions", "bundle"),
}
"""The commands, as help shows them; each is the function of that name in the module of that name."""

_EPILOG = """\b
Start with:
  envtool audit        what CPU-only torch will break here
  envtool setup --cpu  the switch, proven first
  envtool rollback     the way back

\b
envtool COMMAND --help has examples, options and exit codes.
"""


def is_command(word: str) -> bool:
    """Whether a command has this name."""
    return any(word in names for names in _PANELS.values())


def _version(value: bool) -> None:
    if value:
        typer.echo(f"envtool {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", "-V", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Reproducible CPU-only PyTorch environments: lock, prove, switch, and roll back."""


@cache
def application(word: str = "") -> typer.Typer:
    """The application with all commands; with the one alone that ``word`` names, which then waits for no other."""
    app = typer.Typer(
        name="envtool",
        help="Reproducible CPU-only PyTorch environments: lock, prove, switch, and roll back.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        cls=Group,
        epilog=_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    alone = is_command(word)
    for panel, names in _PANELS.items():
        for name in names:
            if not alone or name == word:
                command = getattr(import_module(f"envtool.cli.{name}"), name)
                settings = {"allow_interspersed_args": False} if name == "run" else None
                app.command(cls=Command, rich_help_panel=panel, context_settings=settings)(command)
    return app
