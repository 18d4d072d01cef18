"""The dataclasses that pass between stages. No I/O here, and no imports from other rooms but errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

SUPPORTED_PYTHONS: tuple[str, ...] = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Minor versions of Python that envtool and its environments support."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Something a user should know, which changed what envtool did. ``code`` is stable and dotted."""

    code: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """The note as JSON."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a command gives back to the CLI: data for ``--json``, text for a person, and how it ends.

    ``error`` is set when ``exit_code`` is not 0: ``(code, message, hint)``. ``brief`` is the text under ``--quiet``:
    findings and failures, in place of the error line; empty when there are none; None where the text is the result
    itself. ``told``: the text says what the error says, which is then for programs alone.
    """

    result: Mapping[str, Any]
    text: str = ""
    brief: str | None = None
    exit_code: int = 0
    error: tuple[str, str, str] | None = None
    told: bool = False


class Reporter(Protocol):
    """Progress and remarks of a running stage; always on stderr, never on stdout."""

    def phase(self, name: str, detail: str = "") -> None:
        """A new phase begins: lock, plan, stage, probe, verify, check, activate."""

    def note(self, message: str) -> None:
        """Worth knowing; nothing went wrong."""

    def warn(self, message: str) -> None:
        """Something a user should look at; work goes on."""

    def busy(self, name: str) -> AbstractContextManager[Callable[[str], None]]:
        """While a step takes minutes, show that it goes on. What is given is called with each line that it prints, in
        any thread."""

    @property
    def passthrough(self) -> bool:
        """True when a child's own progress (uv's bars) may go straight to the terminal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requested:
    """One requirement and where it was written (``requirements.txt:3``, ``pyproject.toml``, ``command line``).

    ``extra`` or ``group``: the one that lists it, normalised.
    """

    requirement: Requirement
    origin: str
    extra: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Another index that the project's own files name. ``url`` never holds credentials."""

    name: str
    url: str
    kind: Literal["index", "default-index", "find-links"] = "index"
    packages: tuple[str, ...] = ()
    """The packages that come from this index alone, and nothing else from it; empty: it is for all."""
    index: str = ""
    """Its name under ``[tool.uv]``, by which uv's variables for credentials go."""
    yields: bool = False
    """Whether it gives way to UV_DEFAULT_INDEX, as the default index of ``[tool.uv]`` does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalProject:
    """A local folder with a build system that is part of the environment. ``path`` is relative to the project root.

    It is installed only where its ``marker`` holds.
    """

    path: str
    name: str | None
    editable: bool
    extras: tuple[str, ...] = ()
    marker: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamicProject:
    """A local folder whose build backend must be asked what it needs.

    ``line`` is its line in a requirements file (a file URL, with extras); ``digest`` is over the files that decide.
    """

    line: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the project asks for, read and normalised; the input of the lock."""

    requirements: tuple[Requested, ...]
    constraints: tuple[Requested, ...]
    python: SpecifierSet
    source: str
    files: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    projects: tuple[LocalProject, ...] = ()
    dynamic: tuple[DynamicProject, ...] = ()
    notes: tuple[Note, ...] = ()
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    python_given: bool = True
    """Whether the project itself says its requires-python; otherwise ``python`` is the one in use and later ones."""
    elsewhere: tuple[str, ...] = ()
    """Options that would add what the project lists apart and that names torch: ``--extra train``."""
    beside: str = ""
    """A requirements file that is not read and names torch."""
    linked: Mapping[str, str] = field(default_factory=dict)
    """Packages that must not come in, with a reason in words: an override or a constraint links to somewhere."""
    local_names: tuple[str, ...] = ()
    """The names of the local projects, installed or not: who asks for one of these means the project."""
    overrides: tuple[Requested, ...] = ()
    """What takes the place of all that other packages ask of the same names (uv's override-dependencies)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One locked requirement: a name, an exact version, an optional marker, and its sha256 digests (hex, sorted)."""

    name: str
    version: Version
    marker: str | None = None
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFile:
    """One lock text: which backend it belongs to (None: all) and its pins, sorted by name."""

    filename: str
    backend: str | None
    pins: tuple[Pin, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """All of ``lockfiles/``: the torch file of each backend, the shared rest, and what lock.toml says."""

    torch: Mapping[str, LockFile]
    rest: LockFile
    inputs: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    gpu_packages: str
    python: str
    pythons: tuple[str, ...]
    targets: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    projects: tuple[LocalProject, ...] = ()
    gaps: tuple[str, ...] = ()
    narrowed: bool = False
    """Whether it covers this machine only because the PyTorch index could not be reached."""
    notes: tuple[Note, ...] = ()
    resolver: str = "uv"
    tools: Mapping[str, str] = field(default_factory=dict)


# --- environments -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One installed distribution, as its metadata says. ``name`` is normalised (PEP 503)."""

    name: str
    version: str
    editable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """One check over the evidence. ``found``, ``why`` and ``fix`` are sentences; ``fix`` is empty on pass."""

    id: str
    status: Literal["pass", "fail", "skip"]
    found: str
    why: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """The check as JSON."""
        return {"id": self.id, "status": self.status, "found": self.found, "why": self.why, "fix": self.fix}


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyReport:
    """All checks over one environment. ``torch`` is the installed version, ``backend`` what the build is."""

    torch: str | None
    backend: str | None
    python: str | None
    checks: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """True when no check failed."""
        return all(check.status != "fail" for check in self.checks)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "fail")


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """The record of one generation (``.envtool/generations/N.json``), written last: the commit marker.

    ``kind``: ``built`` by envtool, ``adopted`` (the user's own ``.venv``) or ``plain`` (a real directory at ``.venv``).
    ``installed`` is the sorted tuple of ``(name, version)`` found in the environment when it was recorded.
    """

    id: int
    backend: str
    torch: str | None
    python: str
    created: str
    kind: Literal["built", "adopted", "plain"]
    healthy: bool
    checks: tuple[CheckResult, ...] = ()
    installed: tuple[tuple[str, str], ...] = ()
    lock_digest: str | None = None
    satisfied: Mapping[str, str] = field(default_factory=dict)
    python_path: str = ""

    @property
    def about(self) -> str:
        """Its torch in words: ``torch 2.13.0+cpu (cpu)``, or ``no torch``."""
        return f"torch {self.torch} ({self.backend})" if self.torch else "no torch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where the environment and its generations live. All paths absolute."""

    root: Path
    venv: Path

    @property
    def state(self) -> Path:
        """The ``.envtool`` folder."""
        return self.root / ".envtool"

    @property
    def generations(self) -> Path:
        """The folder of all generations."""
        return self.state / "generations"

    @property
    def migration(self) -> Path:
        """The folder of a migration under way."""
        return self.state / "migration"

    @property
    def migration_journal(self) -> Path:
        """A migration's journal: it is there until all of the move holds, or is undone."""
        return self.migration / "journal.json"

    @property
    def kept(self) -> Path:
        """What a migration had saved of files that somebody else has changed since."""
        return self.state / "kept"

    def generation(self, number: int) -> Path:
        """The folder of generation ``number``."""
        return self.generations / str(number)


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A child process that ended: exit status, and what it printed where that was captured (else empty)."""

    args: Sequence[str]
    returncode: int
    stdout: str
    stderr: str
    repeated: str = ""
    """The package whose build needs an older setuptools, so that the command ran once more with that."""


# --- resolution -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedIndex:
    """A further index, for all packages or for those named. The URL may hold credentials."""

    name: str
    url: str = field(repr=False)
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexAccess:
    """Where everything but the torch family comes from. URLs may hold credentials: never print, never write them.

    ``default_index`` None means the default index of the installer. ``routes`` are further indexes.
    """

    default_index: str | None = field(default=None, repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    routes: tuple[NamedIndex, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What a resolver is asked: requirement texts, which names live on the family's index, and what is given.

    ``projects`` are lines of local folders whose build backend says what they need.
    ``family_index`` is a URL, or a folder when ``family_is_flat``; where its wheels lie in several folders,
    ``family_wheels`` are their paths instead. ``environments`` are markers, one a target.
    ``stand_ins`` are names that an empty wheel stands in for: they stay visible, and bring nothing. ``overrides`` are
    requirement texts that replace what anybody asks of the same names. ``family_metadata`` is (name, version, core
    metadata) of pinned builds, where the resolver cannot be told to look for them on the family's index.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    python: str
    python_version: str
    projects: tuple[str, ...]
    environments: tuple[str, ...]
    access: IndexAccess
    interpreter: str
    family: tuple[str, ...] = ()
    family_index: str | None = field(default=None, repr=False)
    family_is_flat: bool = False
    family_wheels: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    preferences: tuple[tuple[str, str], ...] = ()
    family_metadata: tuple[tuple[str, str, bytes], ...] = ()
    old_setuptools: str = ""
    """A package that an earlier resolution had to build with an older setuptools (``name==version``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One file of a resolved package."""

    filename: str
    url: str
    sha256: str | None
    size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """One resolved package: exact version, marker (None: everywhere), and its files."""

    name: str
    version: Version
    marker: str | None
    artifacts: tuple[Artifact, ...]
    stand_in: bool = False
    via: tuple[str, ...] = ()
    old_setuptools: bool = False
    """Whether its source was built with an older setuptools, since the newest has no pkg_resources."""
