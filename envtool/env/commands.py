"""The project's own checks: commands that have to succeed in a new environment before anything is switched."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from envtool.adapters.command_words import command_words, in_a_shell, shell_operator
from envtool.adapters.process import clean_environment, follow
from envtool.env.running import activated
from envtool.errors import EnvtoolError, UsageError, VerifyError
from envtool.models import Completed, Reporter
from envtool.reports.escape import printable

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_SHOWN = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A check as it was written, and as words."""

    text: str
    words: tuple[str, ...]


def read_commands(texts: Iterable[str]) -> tuple[Command, ...]:
    """Checks as words, by the rules of a POSIX shell (on Windows, by its own), without a shell.

    Raises UsageError (``usage.check``) for an open quote, for nothing at all, or for what only a shell can do.
    """
    found = []
    for text in texts:
        try:
            words = command_words(text)
        except ValueError as error:
            message = f"check `{printable(text)}` cannot be read: {str(error).lower()}"
            hint = "Quote the whole command: --check \"python -c 'import torch'\""
            raise UsageError("usage.check", message, hint) from None
        if not words:
            raise UsageError("usage.check", "a check is empty", "Name a command: --check pytest")
        operator = shell_operator(text)
        if operator is not None:
            message = f"check `{printable(text)}` has {operator}, and no shell runs it"
            hint = f"Let one run it: {printable(in_a_shell(text))}. Or quote what is meant as it stands."
            raise UsageError("usage.check", message, hint)
        found.append(Command(text=text, words=tuple(words)))
    return tuple(found)


def run_checks(commands: Sequence[Command], folder: Path, root: Path, reporter: Reporter) -> None:
    """Run the checks in an environment, from the project's root. Raises VerifyError (``check.*``) for the first that
    fails or is not there."""
    # A check leaves no bytecode behind: neither in the new environment nor in a project that is put back afterwards.
    environment = activated(folder, clean_environment({"PYTHONDONTWRITEBYTECODE": "1"}))
    if not (folder / "pyvenv.cfg").is_file():
        del environment["VIRTUAL_ENV"]  # the prefix of an interpreter, set up in place
    if folder.is_relative_to(root):
        # So that an envtool command in a check looks at the new environment: .venv still is the one before.
        environment["ENVTOOL_VENV"] = folder.relative_to(root).as_posix()
    for command in commands:
        text, name = printable(command.text), command.words[0]
        reporter.phase("check", text)
        program = shutil.which(name, path=environment["PATH"])
        if program is None:
            hint = "The new environment's programs come first on PATH, then your own. Nothing was switched."
            raise VerifyError("check.missing", f"check `{text}` cannot run: there is no {printable(name)}", hint)
        try:
            with reporter.busy("check") as heard:
                done = follow([program, *command.words[1:]], heard, env=environment, cwd=root)
        except EnvtoolError as error:
            raise _unstarted(text, error) from error
        if done.returncode != 0:
            hint = "Nothing was switched. Mend the cause, and run the same command again."
            raise VerifyError("check.failed", _failure(text, done), hint)


def _unstarted(text: str, error: EnvtoolError) -> VerifyError:
    """It is there and may be executed, and the system does not start it."""
    cause = error.__cause__
    number, why = (cause.errno, cause.strerror) if isinstance(cause, OSError) else (None, error.message)
    hints = {
        errno.ENOEXEC: "A script needs a first line that names its interpreter, such as #!/bin/sh.",
        errno.ENOENT: "Is the interpreter there that its first line names?",
    }
    hint = f"{hints.get(number or 0, 'Can it be started by hand?')} Nothing was switched."
    return VerifyError("check.unstarted", f"check `{text}` cannot be run: {printable(why or error.message)}", hint)


def _failure(text: str, done: Completed) -> str:
    """What a failed check said last; its colours and control characters would end up in a log."""
    lines = _COLOURS.sub("", done.stdout + done.stderr).rstrip().splitlines()[-_SHOWN:]
    ended = f"status {done.returncode}" if done.returncode >= 0 else f"signal {-done.returncode}"
    message = f"check `{text}` failed with {ended}; the environment is as it was"
    return "\n".join([message, *(f"  {printable(line)}" for line in lines)])
