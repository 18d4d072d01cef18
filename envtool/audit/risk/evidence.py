"""What is known of a project beside its sources: its lock, environments, last bundle. Data, gathered by the CLI.

The audit itself runs nothing and reads no ``.envtool``; whoever has these facts hands them in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFacts:
    """A lock: the torch versions of each backend, and why it is stale (empty: fresh; None: not compared).

    ``way_back``: whether full torch can be built from it on this machine; else it may be locked for others.
    """

    path: str
    torch: tuple[tuple[str, str], ...] = ()
    stale: tuple[str, ...] | None = ()
    way_back: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentFacts:
    """One recorded environment. ``size`` in bytes; the checks are those that ran when it was made."""

    number: int
    backend: str
    torch: str
    current: bool
    healthy: bool
    size: int
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it holds torch for something else than the CPU alone."""
        return self.backend not in ("cpu", "none", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipFacts:
    """The last flip back here: seconds, from which generation to which, the day (UTC)."""

    seconds: float
    before: int | None
    after: int
    day: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleFacts:
    """The last bundle that passed its checks and is still there. Sizes in bytes."""

    path: str
    torch: str
    size: int
    passed: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    default_size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanFacts:
    """Bytes to download for the locked packages of each backend, from sizes that were learned before."""

    cpu: int
    full: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """A line of a document that names a command."""

    path: str
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Everything that is known; what is not known is None or empty.

    ``own_size``: bytes of a ``.venv`` that envtool did not make. ``notes``: what could not be read, and why.
    """

    lock: LockFacts | None = None
    environments: tuple[EnvironmentFacts, ...] = ()
    own_size: int | None = None
    way_back: int | None = None
    flip: FlipFacts | None = None
    bundle: BundleFacts | None = None
    plan: PlanFacts | None = None
    setup_documented: Mention | None = None
    rollback_documented: Mention | None = None
    notes: tuple[str, ...] = ()

    @property
    def current(self) -> EnvironmentFacts | None:
        """The environment that ``.venv`` is."""
        return next((one for one in self.environments if one.current), None)

    @property
    def proven(self) -> EnvironmentFacts | None:
        """A CPU-only environment that is healthy and whose checks passed: the current one, else the newest."""
        good = [
            one for one in self.environments if one.backend == "cpu" and one.healthy and one.passed and not one.failed
        ]
        return max(good, key=lambda one: (one.current, one.number), default=None)


NONE = Evidence()
