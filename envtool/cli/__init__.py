"""The command line: one file per command. Imports late, because a command that has nothing to do must be quick."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``envtool`` console script."""
    if sys.argv[1:2] == ["setup"]:
        from envtool.cli.quick import already_satisfied

        if already_satisfied(sys.argv[2:]):
            return
    from envtool.cli.app import app

    app(prog_name="envtool")
