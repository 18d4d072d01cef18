"""The command line: one file per command. Imports late, because a command that has nothing to do must be quick."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def main() -> None:
    """Entry point of the ``envtool`` console script."""
    arguments = sys.argv[1:]
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for as long as the process lives
    # As stderr does: what the console cannot show, and a file name that is no UTF-8, becomes an escape; in JSON, too.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if arguments[:1] == ["setup"]:
            from envtool.cli.quick import already_satisfied

            if already_satisfied(arguments[1:]):
                return
        _run(arguments)
    except KeyboardInterrupt:
        # Before a command had begun: nothing was touched.
        sys.stderr.write("error[interrupted]: interrupted\n")
        raise SystemExit(130) from None
    except OSError as error:
        # A command tells of its own errors: this is stdout or stderr (a full disk) that took no help text or progress.
        with contextlib.suppress(OSError):
            sys.stderr.write(f"error[output]: cannot write the output: {error.strerror}\n")
        raise SystemExit(2) from None


def _run(arguments: list[str]) -> None:
    from envtool.cli.app import app

    if os.environ.get("NO_COLOR"):
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None  # help and usage errors, as our own output

    if "--json" not in arguments or "run" in arguments[:1]:
        app(prog_name="envtool")
        return
    import typer

    from envtool.cli.envelope import envelope, write_out

    # Whoever asked for JSON gets the one object also for a word that no command knows.
    try:
        status = app(prog_name="envtool", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        # click's own, which typer brings with it under another name since 0.29: told by what it can do.
        if not (hasattr(error, "format_message") and hasattr(error, "exit_code")):
            raise
        command = arguments[0] if not arguments[0].startswith("-") else ""
        told = ("usage", error.format_message(), f"See: envtool {command} --help".replace("  ", " "))
        write_out(envelope(command, {}, error.exit_code, told))
        raise SystemExit(error.exit_code) from None
    raise SystemExit(status or 0)
