"""The command line: one file per command. Imports late, because a command that has nothing to do must be quick."""

from __future__ import annotations


def main() -> None:
    """Entry point of the ``envtool`` console script."""
    from envtool.cli.app import app

    app(prog_name="envtool")
