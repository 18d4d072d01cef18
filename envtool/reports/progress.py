"""Progress on stderr: colours on a terminal, plain lines elsewhere, annotations on GitHub Actions."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from envtool.reports.escape import printable
from envtool.reports.github import annotation

if TYPE_CHECKING:
    from rich.console import Console

PULSE = 15.0
"""Seconds between two signs of life where there is no terminal."""


class ConsoleReporter:
    """A Reporter that writes a line per phase; rich obeys TERM and whether stderr is a terminal."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._github = os.environ.get("GITHUB_ACTIONS") == "true"

    @cached_property
    def _console(self) -> Console:
        """Made with the first line: a command that has none to print does not wait for rich."""
        from rich.console import Console

        from envtool.reports.styles import color_system

        return Console(stderr=True, highlight=False, soft_wrap=True, color_system=color_system())

    def _print(self, word: str, style: str, detail: str, after: str = "") -> None:
        from rich.text import Text

        self._console.print(Text.assemble((f"{word:>9}", style), f"  {detail}", (after, "dim")))

    @property
    def passthrough(self) -> bool:
        """A child's bars are shown on a terminal only."""
        return sys.stderr.isatty()

    @contextmanager
    def busy(self, name: str) -> Iterator[Callable[[str], None]]:
        """On a terminal a line with the time and what was said last, gone at the end; elsewhere a line now and then."""
        if self.passthrough and not self._console.is_dumb_terminal:
            with self._bar(name) as heard:
                yield heard
            return
        said, ended = [""], threading.Event()

        def pulse() -> None:
            while not ended.wait(PULSE):
                self.phase(name, f"at work{said[0] and ': '}{said[0]}")

        def heard_line(line: str) -> None:
            said[0] = printable(line.strip())[:200] or said[0]

        thread = threading.Thread(target=pulse, daemon=True)
        thread.start()
        try:
            yield heard_line
        finally:
            ended.set()
            thread.join()

    @contextmanager
    def _bar(self, name: str) -> Iterator[Callable[[str], None]]:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        # No markup: what a program says is not ours. On one line, in the room that the time leaves.
        rest = Column(no_wrap=True, overflow="crop", ratio=1)
        said = TextColumn("{task.description}", markup=False, table_column=rest)
        columns = (TextColumn(f"{name:>9}", style="bold green"), SpinnerColumn("line"), TimeElapsedColumn(), said)
        with Progress(*columns, console=self._console, transient=True, expand=True) as progress:
            task = progress.add_task("", total=None)

            def heard(line: str) -> None:
                if line.strip():
                    progress.update(task, description=printable(line.strip()))

            yield heard

    def phase(self, name: str, detail: str = "") -> None:
        """Print the phase and the seconds since the command began."""
        seconds = time.monotonic() - self._start
        self._print(name, "bold green", detail, f"  ({seconds:.1f} s)")

    def note(self, message: str) -> None:
        """Print a note."""
        self._print("note", "bold cyan", message)

    def warn(self, message: str) -> None:
        """Print a warning, and annotate it on GitHub."""
        self._print("warning", "bold yellow", message)
        if self._github:
            self._console.file.write(annotation("warning", message) + "\n")


class SilentReporter:
    """A Reporter that says nothing, for ``--quiet`` and ``--json``."""

    passthrough = False

    @contextmanager
    def busy(self, name: str) -> Iterator[Callable[[str], None]]:
        """Say nothing."""
        yield lambda line: None

    def phase(self, name: str, detail: str = "") -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""


def make_reporter(*, quiet: bool) -> ConsoleReporter | SilentReporter:
    """The reporter for a command."""
    return SilentReporter() if quiet else ConsoleReporter()
