"""What a reader gives: requirements, index options, sources. Offsets are 0-based characters of the source's text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

Scope = Literal["default", "extra", "dev"]
"""How one gets it: always, by naming an extra (a feature), or as a developer (a dependency group)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """One requirement. ``name`` is normalised; ``url`` is a direct reference; ``group`` names the extra or group."""

    name: str
    start: int
    end: int
    specifier: str = ""
    marker: str | None = None
    url: str | None = None
    extras: frozenset[str] = frozenset()
    scope: Scope = "default"
    group: str = ""
    hashed: bool = False
    """Whether ``--hash`` follows: only the files that it names can be installed."""

    @property
    def pin(self) -> Version | None:
        """The version of an exact pin (``==``), or None."""
        try:
            clauses = list(SpecifierSet(self.specifier))
        except InvalidSpecifier:
            return None
        for clause in clauses:
            if clause.operator in ("==", "===") and not clause.version.endswith(".*"):
                try:
                    return Version(clause.version)
                except InvalidVersion:
                    return None
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOption:
    """An index option of a requirements file, or a source of another tool that applies to every package."""

    kind: Literal["index", "extra", "find-links"]
    url: str
    start: int
    end: int
    inline: str = ""
    """The requirement on whose line the option stands, where pip ignores it; empty for a line of its own."""
    line: tuple[int, int] | None = None
    """The logical line of a requirements file, which a backslash goes on with; None in other files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Include:
    """``-r FILE`` or ``-c FILE``: a path as written."""

    path: str
    constraint: bool
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Routed:
    """One package bound to one source (``tool.uv.sources``, poetry's ``source``). ``url`` is None if unknown."""

    name: str
    url: str | None
    start: int
    end: int
    marker: str | None = None
    choice: str = ""
    """The extra or group that this source is for; empty when it applies always."""
    direct_only: bool = False
    """A source of uv: for what the project itself requires or limits, not for what a package of it requires."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedIndex:
    """An index that a pyproject.toml defines. ``explicit``: used only by packages that name it."""

    name: str
    url: str
    explicit: bool
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Declarations:
    """Everything that one file declares."""

    requirements: tuple[Declared, ...] = ()
    builds: tuple[Declared, ...] = ()
    """``[build-system] requires``: what an isolated build installs first."""
    options: tuple[IndexOption, ...] = ()
    includes: tuple[Include, ...] = ()
    routed: tuple[Routed, ...] = ()
    indexes: tuple[NamedIndex, ...] = ()
    backend: str = ""
    """``torch-backend`` of uv, when it is set."""
    limited: frozenset[str] = field(default_factory=frozenset)
    """Names in uv's ``constraint-dependencies`` and ``override-dependencies``, for which its sources hold, too."""
    reads: frozenset[str] = field(default_factory=frozenset)
    """Requirements files that a setup.py or pyproject.toml reads as its metadata."""


NOTHING = Declarations()
