"""What passes between the steps of a bundle. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envtool.models import CheckResult, IndexAccess

START_FAILED = 78
"""Exit status of a frozen app whose start check failed (EX_CONFIG of sysexits.h)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleSettings:
    """``[tool.envtool.bundle]``. ``max_size`` in bytes; ``keep``: modules that stay in; ``sources``: modules whose
    source TorchScript reads at run time, besides those that are found."""

    smoke: str | None = None
    max_size: int | None = None
    on_failure: Literal["exit", "continue"] = "exit"
    start_check: bool = True
    strip: bool = False
    keep: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecOptions:
    """What a new spec is written from. ``data`` are (source, folder in the bundle)."""

    onefile: bool = False
    windowed: bool = False
    icon: str | None = None
    data: tuple[tuple[str, str], ...] = ()

    @property
    def given(self) -> bool:
        """Whether any of it was asked for."""
        return self != SpecOptions()


@dataclass(frozen=True, kw_only=True)
class BundleRequest:
    """One bundle to build.

    ``spec``: the spec file. ``python`` and ``site_packages``: the app's environment. ``state``: the ``.envtool``
    folder. ``dist``: where the bundle goes. ``full_packages``: the site-packages of an environment with full torch,
    where there is one, to compare with.
    """

    spec: Path
    python: Path
    site_packages: Path
    state: Path
    dist: Path
    settings: BundleSettings
    access: IndexAccess
    compare: bool = False
    full_packages: Path | None = None

    @property
    def name(self) -> str:
        """The name of the spec, which names the work folder."""
        return self.spec.stem

    @property
    def work(self) -> Path:
        """Where the build works; kept after it, for its logs."""
        return self.state / "build" / self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Bytes of a bundle: on disk, and its content by part, largest first. ``packed``: one-file."""

    total: int
    parts: tuple[tuple[str, int], ...] = ()
    packed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleResult:
    """A built bundle and what was found about it. ``path`` is where it lies now: in dist only if all checks passed.

    ``default_size``: bytes of the same app with PyInstaller's own hook; ``full_size``: about that, with full torch.
    """

    path: Path
    executable: Path
    torch: str
    sizes: Sizes
    checks: tuple[CheckResult, ...]
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    default_size: int | None = None
    full_size: int | None = None

    @property
    def ok(self) -> bool:
        """True when no check failed."""
        return all(check.status != "fail" for check in self.checks)

    @property
    def ratio(self) -> float | None:
        """Size against the same app with PyInstaller's default hook, where that was built."""
        return round(self.sizes.total / self.default_size, 3) if self.default_size else None
