"""Progress on stderr: colours on a terminal, plain lines elsewhere, annotations on GitHub Actions."""

from __future__ import annotations

import os
import sys
import time

from rich.console import Console
from rich.text import Text

from envtool.reports.github import annotation


class ConsoleReporter:
    """A Reporter that writes a line per phase; rich obeys NO_COLOR, TERM and whether stderr is a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._start = time.monotonic()
        self._github = os.environ.get("GITHUB_ACTIONS") == "true"

    @property
    def passthrough(self) -> bool:
        """A child's bars are shown on a terminal only."""
        return sys.stderr.isatty()

    def phase(self, name: str, detail: str = "") -> None:
        """Print the phase and the seconds since the command began."""
        seconds = time.monotonic() - self._start
        self._console.print(Text.assemble((f"{name:>9}", "bold green"), f"  {detail}", (f"  ({seconds:.1f} s)", "dim")))

    def note(self, message: str) -> None:
        """Print a note."""
        self._console.print(Text.assemble(("     note", "bold cyan"), f"  {message}"))

    def warn(self, message: str) -> None:
        """Print a warning, and annotate it on GitHub."""
        self._console.print(Text.assemble(("  warning", "bold yellow"), f"  {message}"))
        if self._github:
            self._console.file.write(annotation("warning", message) + "\n")


class SilentReporter:
    """A Reporter that says nothing, for ``--quiet`` and ``--json``."""

    passthrough = False

    def phase(self, name: str, detail: str = "") -> None:
        """Say nothing."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""


def make_reporter(*, quiet: bool) -> ConsoleReporter | SilentReporter:
    """The reporter for a command."""
    return SilentReporter() if quiet else ConsoleReporter()
