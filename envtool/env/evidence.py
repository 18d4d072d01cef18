"""What the probe found, as typed data. The one door for text from a foreign environment: it is escaped here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envtool.models import Distribution
from envtool.reports.escape import printable


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """One file that is not what RECORD says; ``what`` continues a sentence that begins with the path."""

    path: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A RECORD against its files. The counts are of all, the tuples hold the first ones."""

    files: int
    missing: tuple[str, ...] = ()
    missing_count: int = 0
    changed: tuple[Changed, ...] = ()
    changed_count: int = 0
    certificates: tuple[str, ...] = ()
    outside: int = 0
    hashed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """One installed distribution. ``requires`` and ``tags`` are filled for torch and its companions only."""

    distribution: Distribution
    folder: str
    place: str
    installer: str = ""
    requires: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    gpu_libraries: tuple[str, ...] = ()
    record: Record | None = None

    @property
    def name(self) -> str:
        """The normalised name."""
        return self.distribution.name

    @property
    def version(self) -> Version | None:
        """The version, or None if the metadata holds none that PEP 440 knows."""
        return parse_version(self.distribution.version)

    def __str__(self) -> str:
        return f"{self.name} {self.distribution.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What a package's own ``version.py`` says; ``error`` if it could not be read."""

    path: str
    init: bool
    version: str | None = None
    cuda: str | None = None
    hip: str | None = None
    xpu: str | None = None
    gpu_libraries: tuple[str, ...] = ()
    error: str = ""

    @property
    def local(self) -> str | None:
        """The local version, ``cpu`` or ``cu130``; None without one."""
        version = parse_version(self.version or "")
        return version.local if version is not None else None

    @property
    def identity(self) -> str:
        """What the build is: ``cpu``, ``cu130``, ``rocm6.4``, ``xpu``."""
        if self.cuda is not None:
            return f"cu{self.cuda.replace('.', '')}"
        if self.hip is not None:
            return f"rocm{'.'.join(self.hip.split('.')[:2])}"
        return "xpu" if self.xpu is not None else "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that the probe tried with an imported package: its values, or what was raised."""

    ok: bool
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """The interpreter that ran the probe. ``markers`` is its PEP 508 environment."""

    executable: str
    markers: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """All that is known about one environment.

    ``python`` is the version that the environment was made with, as its files say (``3.11.7``); not each does.
    ``steps`` is None when nothing was run (``--static``). ``failure`` says in a sentence why the interpreter gave no
    evidence, or not all of it.
    """

    paths: tuple[str, ...] = ()
    python: str | None = None
    distributions: tuple[Installed, ...] = ()
    unreadable: tuple[Changed, ...] = ()
    builds: Mapping[str, Build] = field(default_factory=dict)
    interpreter: Interpreter | None = None
    steps: Mapping[str, Step] | None = None
    failure: str = ""

    def find(self, name: str) -> Installed | None:
        """The distribution of this normalised name that an import would see: the first on the path."""
        return next((item for item in self.distributions if item.name == name), None)

    @property
    def torch(self) -> Build | None:
        """The build of torch, if there is one."""
        return self.builds.get("torch")


def parse_version(text: str) -> Version | None:
    """A PEP 440 version, or None."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def parse_evidence(data: Mapping[str, Any], *, failure: str = "") -> Evidence:
    """The probe's JSON as Evidence, with every text made printable.

    Raises ValueError, TypeError or LookupError for what no probe prints.
    """
    clean = _clean(data)
    if clean.get("schema", 1) != 1:
        raise ValueError(f"evidence of schema {clean['schema']}")
    steps = {name: _step(item) for name, item in clean.get("steps", {}).items()}
    interpreter = clean.get("interpreter")
    return Evidence(
        paths=tuple(clean.get("paths", ())),
        python=clean.get("python"),
        distributions=tuple(_installed(item) for item in clean.get("distributions", ())),
        unreadable=tuple(Changed(path=item["path"], what=item["error"]) for item in clean.get("unreadable", ())),
        builds={name: _build(item) for name, item in clean.get("builds", {}).items()},
        interpreter=_interpreter(interpreter) if interpreter else None,
        steps=steps if interpreter else None,
        failure=printable(failure),
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _installed(item: Mapping[str, Any]) -> Installed:
    record = item["record"]
    return Installed(
        distribution=Distribution(
            name=canonicalize_name(item["name"]), version=item["version"], editable=item["editable"]
        ),
        folder=item["folder"],
        place=item["place"],
        installer=item["installer"],
        requires=tuple(item["requires"]),
        tags=tuple(item["tags"]),
        gpu_libraries=tuple(item["gpu_libraries"]),
        record=None if record is None else _record(record),
    )


def _record(item: Mapping[str, Any]) -> Record:
    return Record(
        files=item["files"],
        missing=tuple(item["missing"]),
        missing_count=item["missing_count"],
        changed=tuple(Changed(path=entry["path"], what=entry["what"]) for entry in item["changed"]),
        changed_count=item["changed_count"],
        certificates=tuple(item["certificates"]),
        outside=item["outside"],
        hashed=item["hashed"],
    )


def _build(item: Mapping[str, Any]) -> Build:
    values = item["values"]
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    return Build(
        path=item["path"],
        init=item["init"],
        version=texts.get("__version__"),
        cuda=texts.get("cuda"),
        hip=texts.get("hip"),
        xpu=texts.get("xpu"),
        gpu_libraries=tuple(item["gpu_libraries"]),
        error=item["error"],
    )


def _step(item: Mapping[str, Any]) -> Step:
    if item["ok"]:
        return Step(ok=True, values=item["values"])
    error = item["error"]
    # An exception's text can be pages long (a dlopen, a C++ stack): the first line names the cause.
    first = error["message"].split("\\n", 1)[0]
    return Step(ok=False, error=f"{error['type']}: {first}" if first else str(error["type"]))


def _interpreter(item: Mapping[str, Any]) -> Interpreter:
    return Interpreter(executable=item["executable"], markers=item["markers"], environment=item["environment"])
