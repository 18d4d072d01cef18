"""The risk report as data: pure values that the Markdown and the HTML renderer read, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from envtool.audit.models import Confidence, Severity

Level = Literal["high", "medium", "low", "none"]
Likelihood = Literal["certain", "likely", "possible", "none"]
State = Literal["done", "open", "not-applicable"]

LEVELS: tuple[Level, ...] = ("low", "medium", "high")
LIKELIHOODS: tuple[Likelihood, ...] = ("possible", "likely", "certain")


@dataclass(frozen=True, slots=True)
class Code:
    """A word in a sentence that is code: a path, a command. Untrusted, as all text here is."""

    text: str


Words = tuple[str | Code, ...]
"""A sentence."""


def words(template: str) -> Words:
    """A sentence of our own: what stands in backticks is code. Never for text from outside, which is a plain str."""
    parts = template.split("`")
    return tuple(Code(part) if index % 2 else part for index, part in enumerate(parts) if part)


@dataclass(frozen=True, kw_only=True, slots=True)
class Perspective:
    """One row of the summary. ``files``: how many files of its kinds were read; ``checked``: whether rules looked."""

    prefix: str
    name: str
    files: int
    checked: bool
    level: Level
    likelihood: Likelihood
    errors: int
    warnings: int
    notes: int
    mitigation: Words

    @property
    def findings(self) -> int:
        """All of them."""
        return self.errors + self.warnings + self.notes

    @property
    def looked(self) -> bool:
        """Whether there was anything to look at."""
        return self.checked and bool(self.files or self.findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """A place: 1-based line and column, and the source line with carets below it, where there is one."""

    path: str
    line: int
    column: int
    excerpt: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing that was found, at one place or at many. ``fix``: the options of ``envtool audit`` that mend it."""

    severity: Severity
    confidence: Confidence
    message: str
    fix: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The findings of one rule, worst first; ``instead`` is Markdown of the rule's page."""

    code: str
    summary: str
    instead: str
    entries: tuple[Entry, ...]

    @property
    def severity(self) -> Severity:
        """The worst of its entries."""
        return self.entries[0].severity

    @property
    def count(self) -> int:
        """How many findings it has."""
        return sum(len(entry.spots) for entry in self.entries)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sure:
    """Something that will break or bring the GPU stack, what to do, and every place where it will."""

    code: str
    message: str
    mitigation: Words
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fine:
    """Why some lines are fine although they look like trouble, and where they are."""

    reason: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unread:
    """Why some files were not read, and which."""

    reason: str
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A line of the checklist; ``evidence`` says what ticks it, or what is missing."""

    what: Words
    state: State
    evidence: Words


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A part of the checklist."""

    name: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A size in bytes, and where the number comes from."""

    name: str
    size: int
    source: Words


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Before and after, as bars that can be compared; ``missing`` says how to learn what is not known."""

    bars: tuple[Bar, ...]
    missing: Words = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class WayBack:
    """The rollback plan: steps in order, and what is known of the time it takes."""

    steps: tuple[Words, ...]
    time: Words


@dataclass(frozen=True, kw_only=True)
class RiskReport:
    """The whole report, in the order in which it is read."""

    project: str
    version: str
    verdict: Words
    scope: tuple[Words, ...]
    legend: Words
    perspectives: tuple[Perspective, ...]
    hot_spots: Words
    sure: tuple[Sure, ...]
    groups: tuple[Group, ...]
    fine: tuple[Fine, ...]
    unread: tuple[Unread, ...]
    phases: tuple[Phase, ...]
    do: tuple[Words, ...]
    dont: tuple[Words, ...]
    way_back: WayBack
    sizes: Sizes
