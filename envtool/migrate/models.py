"""What passes between the phases of a migration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from envtool.errors import InstallError
from envtool.lock.workspace import Project, open_project
from envtool.migrate.transaction import Transaction
from envtool.models import Layout, Reporter

Status = Literal["pass", "fail", "skip", "todo"]
PHASES: tuple[str, ...] = ("audit", "fix", "lock", "setup", "models", "bundle", "docs")
"""The names of the phases, in their order."""

LEFT_OUT = ("left out",)
"""The evidence of a phase that the options left out."""

_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a migration was asked for; ``--resume`` takes it from the record.

    ``spec``: a spec or a script, relative to the project. ``fail_on``: as for the audit; None: the project's setting.
    """

    fix: bool = False
    upgrade_torch: bool = False
    checks: tuple[str, ...] = ()
    spec: str | None = None
    fail_on: str | None = None
    python: str | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def runs(self, phase: str) -> bool:
        """Whether a phase is to run."""
        return phase not in self.skip and (not self.only or phase in self.only)

    def with_given(self, given: Options) -> Options:
        """These options with those of a later command line on top; what that one leaves out stays."""
        said = {name: value for name in Options.__dataclass_fields__ if (value := getattr(given, name))}
        return replace(self, **said)


@dataclass(frozen=True, kw_only=True, slots=True)
class Before:
    """An environment as it was found. ``torch``, ``python``: versions as found; ``size`` in bytes."""

    torch: str | None = None
    backend: str | None = None
    python: str | None = None
    installed: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """What a phase found: its evidence, a line each, and ``facts`` for later phases and the record."""

    evidence: tuple[str, ...]
    status: Status = "pass"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the checklist. ``next``: what to do where the phase did not pass; ``seconds`` it took."""

    name: str
    status: Status
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0
    next: str = ""

    @property
    def left_out(self) -> bool:
        """Whether the options left the phase out; one with nothing to do in this project is not."""
        return self.status == "skip" and self.evidence == LEFT_OUT

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        row: dict[str, Any] = {name: getattr(self, name) for name in Row.__dataclass_fields__}
        return {**row, "evidence": list(self.evidence)}


@dataclass(kw_only=True)
class Migration:
    """The migration at hand. ``found``: what stands at ``.venv`` as it begins. ``transaction`` is None on a dry run;
    ``facts`` is what the phases have found so far, and ``python``: the one to keep, where envtool would take another
    one."""

    layout: Layout
    options: Options
    found: Before
    reporter: Reporter
    transaction: Transaction | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.layout.root

    def project(self) -> Project:
        """The project as its files say now: a fix may have changed them. Raises UsageError."""
        return open_project(self.root, {"python": self.options.python or self.facts.get("python")})

    def name(self, path: Path) -> str:
        """A path for people and JSON: relative to the project where it lies inside, POSIX."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    def expect(self, path: Path, content: bytes | None) -> None:
        """Save a file of the project before it becomes ``content`` (None: nothing).

        Raises InstallError (``migrate.save``, ``migrate.outside``).
        """
        if self.transaction is None:
            return
        root, real = self.root.resolve(), path.parent.resolve() / path.name
        if not real.is_relative_to(root):
            message = f"{self.name(path)} leads out of the project: it could not be put back from here"
            raise InstallError("migrate.outside", message, "Make it a file of the project, or leave that phase out.")
        self.transaction.expect(self.root / real.relative_to(root), content)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One step of the move: ``run`` does it, ``plan`` says what it would do. Both raise EnvtoolError for a gate that
    does not hold; ``promise`` says in a few words what the gate asks."""

    name: str
    promise: str
    run: Callable[[Migration], Gate]
    plan: Callable[[Migration], Gate]


def listed(items: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
