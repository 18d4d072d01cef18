"""Where CI, an image or a script runs a command of envtool: by its words, not by a line that looks alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from envtool.audit.install.lex import Command
from envtool.audit.install.steps import commands_of
from envtool.audit.install.variables import ASSIGNMENT, base_name
from envtool.audit.models import Project, Source, SourceKind
from envtool.audit.report import AuditReport

_KINDS: frozenset[SourceKind] = frozenset({"dockerfile", "compose", "ci", "makefile", "shell"})
_RUNNERS = frozenset(
    {"sudo", "env", "exec", "command", "time", "nice", "uv", "uvx", "pipx", "tool", "run", "poetry", "pdm", "hatch"}
)
"""Words that may stand before the program and run it all the same."""
_IGNORED = re.compile(r"[ \t]*(?:(?:\|\||;)[ \t]*(?:(?:true|echo|exit 0)\b|:)|\|&?(?!\|))")
"""What follows a command whose failure is to count for nothing; a pipe ends as its last command does."""


def installs_cpu_from_lock(words: Sequence[str]) -> bool:
    """Whether ``envtool setup`` with these options installs the CPU build as locked, or fails."""
    return "--frozen" in words and "--dry-run" not in words and backend_of(words) == "cpu"


def proves_cpu(words: Sequence[str]) -> bool:
    """Whether ``envtool verify`` with these options fails for another build (without any: than setup made)."""
    return backend_of(words) in ("cpu", "") and "--help" not in words


def backend_of(words: Sequence[str]) -> str:
    """The backend that the options of a command name, or an empty string."""
    for word, after in pairwise((*words, "")):
        if word in ("--cpu", "--full"):
            return word[2:]
        if word.startswith("--backend"):
            return word.partition("=")[2] or after
    return ""


def first_run(report: AuditReport, command: str, fits: Callable[[Sequence[str]], bool]) -> tuple[str, int] | None:
    """Path and line of the first run of ``envtool COMMAND`` whose options fit, and whose failure counts."""
    project = Project(root=report.root, sources=report.sources, cache=dict(report.cache))
    for source in project.of_kind(*_KINDS):
        for found, options in _runs(source, project, command):
            if fits(options) and not _IGNORED.match(source.text, found.words[-1].end):
                return source.path, source.text.count("\n", 0, found.words[0].start) + 1
    return None


def _runs(source: Source, project: Project, command: str) -> Iterator[tuple[Command, list[str]]]:
    for _, _, commands in commands_of(source, project):
        for found in commands:
            texts = [word.text for word in found.words]
            for at, text in enumerate(texts[:-1]):
                if base_name(text.lstrip("@+")) == "envtool" and texts[at + 1] == command and _leads(texts[:at]):
                    yield found, texts[at + 2 :]
                    break


def _leads(before: Sequence[str]) -> bool:
    """Whether words before a program run it: ``sudo``, ``uv run``, ``python -m``; ``echo`` does not."""
    if before and before[-1] == "-m":
        return base_name(before[0].lstrip("@+")) not in ("echo", "printf")
    return all(
        text.startswith("-") or ASSIGNMENT.match(text) or base_name(text.lstrip("@+")) in _RUNNERS for text in before
    )
