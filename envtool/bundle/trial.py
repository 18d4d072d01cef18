"""Run a built app where nothing but itself is there: no PATH, no HOME, another folder."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envtool.adapters import platform
from envtool.adapters.command_words import command_words, shell_operator
from envtool.adapters.process import run
from envtool.errors import EnvtoolError, UsageError
from envtool.models import Completed
from envtool.reports.escape import printable

# Windows cannot load a system library without these; everything else has to work without.
_WINDOWS = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TEMP", "TMP")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One run: how it ended (None: not at all), what it said last, and seconds."""

    returncode: int | None
    said: str
    seconds: float


def smoke_arguments(command: str, name: str) -> list[str]:
    """The arguments of a smoke command; its first word is ``app`` or the app's own name.

    Raises UsageError (``bundle.smoke``).
    """
    try:
        words = command_words(command)
    except ValueError as error:
        raise UsageError("bundle.smoke", f"--smoke {command!r}: {error}", 'Such as --smoke "app --selftest"') from error
    if not words or Path(words[0]).stem not in ("app", name):
        hint = f'Begin with app or {name}, which stand for the executable: --smoke "app --selftest"'
        raise UsageError("bundle.smoke", f"--smoke {command!r} does not begin with the app", hint)
    operator = shell_operator(command)
    if operator is not None:
        hint = "Give the app alone an option that tests it, or quote what is meant as it stands."
        raise UsageError("bundle.smoke", f"--smoke {command!r} has {operator}, and no shell runs it", hint)
    return words[1:]


def empty_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """As good as nothing: what a user's machine without Python, without a shell profile, gives."""
    kept = {key: os.environ[key] for key in _WINDOWS if key in os.environ} if platform.is_windows() else {}
    return {**kept, **(extra or {})}


def attempt(executable: Path, arguments: list[str], *, extra: Mapping[str, str] | None, timeout: float) -> Trial:
    """Run the app once in an empty environment, in an empty folder."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="envtool-smoke-") as folder:
        try:
            done = run(
                [executable.absolute(), *arguments], env=empty_environment(extra), cwd=Path(folder), timeout=timeout
            )
        except EnvtoolError as error:
            return Trial(returncode=None, said=error.message, seconds=time.perf_counter() - started)
    return Trial(returncode=done.returncode, said=_last_line(done), seconds=time.perf_counter() - started)


def _last_line(done: Completed) -> str:
    for text in (done.stderr, done.stdout) if done.returncode else (done.stdout, done.stderr):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return printable(lines[-1][:400])
    return "it said nothing"
