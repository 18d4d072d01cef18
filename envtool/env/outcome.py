"""What became of a setup or a rollback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envtool.models import CheckResult, Generation, Note

if TYPE_CHECKING:
    from envtool.env.plan import Plan

LASTING = ("lock.narrow", "git.venv", "env.read-only")
"""Codes of notes that are said at the end, where they are not missed: what they speak of is about to be committed."""


@dataclass(frozen=True, kw_only=True)
class InPlace:
    """The environment of an interpreter that was set up in place."""

    path: Path
    torch: str | None
    backend: str
    python: str


@dataclass(frozen=True, kw_only=True)
class SetupResult:
    """What became of it. ``generation`` is the current one afterwards; None on a dry run without any, and in place."""

    generation: Generation | None
    changed: bool
    plan: Plan | None
    checks: tuple[CheckResult, ...]
    notes: tuple[Note, ...]
    phases: Mapping[str, float]
    lock_changed: bool = False
    place: InPlace | None = None
