"""What passes through the audit: sources in, findings out. Pure data.

Lines and columns are 1-based, columns count characters, ends are exclusive in columns; offsets are 0-based characters
of ``Source.text``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Severity = Literal["error", "warning", "note"]
Confidence = Literal["high", "medium", "low"]
SourceKind = Literal[
    "python",
    "notebook",
    "spec",
    "requirements",
    "pyproject",
    "setup-py",
    "setup-cfg",
    "conda",
    "pipfile",
    "lock",
    "dockerfile",
    "compose",
    "ci",
    "makefile",
    "shell",
    "config",
    "model",
]

DECLARATIONS: tuple[SourceKind, ...] = ("requirements", "pyproject", "setup-py", "setup-cfg", "conda", "pipfile")
"""The kinds of files that declare requirements."""
COMMANDS: tuple[SourceKind, ...] = ("dockerfile", "ci", "makefile", "shell")
"""The kinds of files that hold shell commands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A span of a source. A finding about a whole file points at 1:1."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """Replace ``text[start:end]`` by ``replacement``. Edits of one fix never overlap."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """A mechanical mend of one finding in its own file. Only a safe one is applied without ``--unsafe-fixes``."""

    message: str
    edits: tuple[Edit, ...]
    safe: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One problem (or remark) at one place. ``context`` feeds the fingerprint: the stripped source line by default."""

    code: str
    severity: Severity
    confidence: Confidence
    path: str
    location: Location
    message: str
    fix: Fix | None = None
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Safe:
    """A line that looks like trouble and is fine, with the reason; reports list it as checked."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A file that was not read, and why. ``amiss``: nobody meant it to be left out, so that people are told of it."""

    path: str
    reason: str
    amiss: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One file, read and decoded. ``path`` is relative to the audited root, POSIX. A model has no text."""

    path: str
    absolute: Path
    kind: SourceKind
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Project:
    """Everything the audit has read; what cross-file rules look things up in.

    ``cache`` holds what several rules derive from one source (an AST, a data flow), keyed by (what, path).
    """

    root: Path
    sources: Mapping[str, Source]
    cache: dict[tuple[str, str], object] = field(default_factory=dict, compare=False)

    def of_kind(self, *kinds: SourceKind) -> Iterable[Source]:
        """All sources of these kinds, in path order."""
        return (source for _, source in sorted(self.sources.items()) if source.kind in kinds)


class Rule(Protocol):
    """One rule, in a file of its own under ``rules/``; registered in the explicit tuple ``RULES``.

    ``name`` is kebab-case, ``summary`` one line. ``check`` is called once for each source of its kinds and must not
    raise for any input.
    """

    code: str
    name: str
    summary: str
    kinds: Sequence[SourceKind]

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Findings (and remarkable safe lines) of one source."""
