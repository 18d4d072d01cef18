"""The command line: one file per command. Imports late, because a command that has nothing to do must be quick."""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    """Entry point of the ``envtool`` console script."""
    arguments = sys.argv[1:]
    from envtool.cli.streams import prepare_streams

    prepare_streams()
    try:
        if arguments[:1] == ["setup"]:
            from envtool.cli.quick import already_satisfied

            if already_satisfied(arguments[1:]):
                return
        _run(arguments)
    except KeyboardInterrupt as error:
        # Before a command had begun: nothing was touched.
        from envtool.errors import interruption

        word, status = interruption(error)
        sys.stderr.write(f"error[{word}]: {word}\n")
        raise SystemExit(int(status)) from None
    except OSError as error:
        # A command tells of its own errors: this is stdout or stderr (a full disk) that took no help text or progress.
        from envtool.cli.envelope import drop_stdout

        with contextlib.suppress(OSError):
            drop_stdout()
        with contextlib.suppress(OSError):
            sys.stderr.write(f"error[output]: cannot write the output: {error.strerror}\n")
        raise SystemExit(2) from None
    finally:
        # CPython (run_eval_code_obj) keeps in mind that a Ctrl-C left the exec of a string, as in a dataclass, and ends
        # the process by SIGINT for it, caught or not. The next such exec makes it forget.
        exec("")  # noqa: S102 - a constant


def _run(arguments: list[str]) -> None:
    from envtool.adapters.process import raise_when_terminated

    # Not before: the quick way out touches nothing, and what it does not import costs no time.
    raise_when_terminated()
    from envtool.cli.app import application

    app = application(arguments[0] if arguments else "")
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
        from envtool.cli.app import is_command

        command = arguments[0] if not arguments[0].startswith("-") else ""
        see = f"envtool {command} --help" if is_command(command) else "envtool --help"
        write_out(envelope(command, {}, error.exit_code, ("usage", error.format_message(), f"See: {see}")))
        raise SystemExit(error.exit_code) from None
    raise SystemExit(status or 0)
