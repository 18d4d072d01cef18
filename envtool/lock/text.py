"""Lock to text and back. Location-free: names, versions, markers and digests; no URL, no option line, no time.

The texts are requirements files that plain pip and uv install; ``lock.toml`` holds what such a file cannot say.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import tomli
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envtool.adapters import files
from envtool.adapters.requirements import parse_requirements
from envtool.errors import LockError
from envtool.lock.shape import lock_misfit
from envtool.models import LocalProject, Lock, LockFile, Pin, Route

FORMAT = 1
"""Version of the lock format. A reader refuses a newer one."""

LOCK_TOML = "lock.toml"
REST = "requirements.txt"


def torch_filename(backend: str) -> str:
    """The name of a backend's torch file."""
    return f"torch-{backend}.txt"


def _sort_key(pin: Pin) -> tuple[str, Version, str]:
    return (pin.name, pin.version, pin.marker or "")


def render_file(file: LockFile) -> str:
    """The text of one lock file: sorted, LF, digests one a line."""
    if file.backend is None:
        about = "everything but the torch family; install it from the default index"
    elif file.backend == "full":
        about = "the torch family and its GPU packages; install it from the default index"
    else:
        about = f"the torch family; install it from the {file.backend} index of PyTorch"
    lines = [
        f"# Written by envtool lock; do not edit. Holds {about},",
        "# without dependencies and with hashes required.",
    ]
    for pin in sorted(file.pins, key=_sort_key):
        marker = f" ; {pin.marker}" if pin.marker else ""
        words = [f"{pin.name}=={pin.version}{marker}", *(f"--hash=sha256:{digest}" for digest in pin.hashes)]
        lines.append(" \\\n    ".join(words))
    return "\n".join(lines) + "\n"


def _digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def render_lock(lock: Lock) -> dict[str, str]:
    """All files of a lock, by name, in a fixed order."""
    import tomli_w

    parts = [*(lock.torch[name] for name in sorted(lock.torch)), lock.rest]
    texts = {file.filename: render_file(file) for file in parts}
    table: dict[str, Any] = {
        "version": FORMAT,
        "inputs": lock.inputs,
        "requirements": list(lock.requirements),
        "constraints": list(lock.constraints),
        "gpu-packages": lock.gpu_packages,
        "python": lock.python,
        "pythons": list(lock.pythons),
        "targets": list(lock.targets),
        "resolver": lock.resolver,
    }
    if lock.overrides:
        table["overrides"] = list(lock.overrides)
    if lock.narrowed:
        table["narrowed"] = True
    if lock.gaps:
        table["gaps"] = list(lock.gaps)
    if lock.routes:
        table["routes"] = [_route_table(route) for route in lock.routes]
    if lock.projects:
        table["projects"] = [_project_table(project) for project in lock.projects]
    table["files"] = {
        file.filename: {"digest": _digest(texts[file.filename]), **({"backend": file.backend} if file.backend else {})}
        for file in parts
    }
    table["tools"] = dict(sorted(lock.tools.items()))
    texts[LOCK_TOML] = "# Written by envtool lock; do not edit.\n" + tomli_w.dumps(table)
    return texts


def _route_table(route: Route) -> dict[str, Any]:
    table: dict[str, Any] = {"name": route.name, "kind": route.kind, "url": route.url}
    if route.index:
        table["index"] = route.index
    if route.yields:
        table["yields"] = True
    if route.packages:
        table["packages"] = list(route.packages)
    return table


def _project_table(project: LocalProject) -> dict[str, Any]:
    table: dict[str, Any] = {"path": project.path, "editable": project.editable}
    if project.name:
        table["name"] = project.name
    if project.extras:
        table["extras"] = list(project.extras)
    if project.marker:
        table["marker"] = project.marker
    return table


def lock_digest(texts: Iterable[str]) -> str:
    """One digest over the texts of a lock."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


@lru_cache(maxsize=16)  # one setup reads the same texts as the inputs, as the lock before, and to install
def parse_pins(text: str, filename: str) -> tuple[Pin, ...]:
    """The pins of a lock text. Raises LockError (``lock.malformed``) with the line."""
    parsed = parse_requirements(text)
    for line in [*parsed.invalid_lines, *(option.requirement_line for option in parsed.options)]:
        raise _malformed(filename, line.line_number, "is not a pin")
    pins = []
    for item in parsed.requirements:
        number = item.requirement_line.line_number
        specifiers = list(item.specifier or ())
        if item.link is not None or len(specifiers) != 1 or specifiers[0].operator not in ("==", "==="):
            raise _malformed(filename, number, f"{item.name or 'a line'} is not pinned to one version")
        try:
            version = Version(specifiers[0].version)
        except InvalidVersion:
            raise _malformed(filename, number, f"{item.name} has no version that can be read") from None
        digests = [value.partition(":")[2] for value in item.hash_options or () if value.startswith("sha256:")]
        if not digests:
            raise _malformed(filename, number, f"{item.name} has no sha256")
        pins.append(
            Pin(
                name=canonicalize_name(item.name),
                version=version,
                marker=str(item.marker) if item.marker else None,
                hashes=tuple(sorted(digests)),
            )
        )
    return tuple(pins)


def _malformed(filename: str, number: int, what: str) -> LockError:
    hint = "Restore it from version control, or write it again: envtool lock"
    return LockError("lock.malformed", f"{filename}:{number}: {what}", hint)


def read_texts(directory: Path) -> dict[str, str]:
    """The texts of a lock folder, ``lock.toml`` last.

    Raises LockError: ``lock.missing`` without a lock.toml, ``lock.malformed`` when a file is missing or no text.
    """
    try:
        table_text = (directory / LOCK_TOML).read_bytes().decode("utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        raise LockError(
            "lock.missing", f"there is no {directory.name}/{LOCK_TOML}", "Write one: envtool lock"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        hint = "Restore it from version control, or write it again: envtool lock"
        raise LockError("lock.malformed", f"{directory.name}/{LOCK_TOML} cannot be read: {error}", hint) from None
    table = parse_table(table_text, f"{directory.name}/{LOCK_TOML}")
    texts = {}
    for name in table["files"]:
        try:
            texts[name] = (directory / name).read_bytes().decode("utf-8").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError):
            message = f"{directory.name}/{name} is named in {LOCK_TOML} and cannot be read"
            raise LockError("lock.malformed", message, "Write the lock again: envtool lock") from None
    return {**texts, LOCK_TOML: table_text}


def parse_table(text: str, where: str) -> dict[str, Any]:
    """lock.toml as a table, checked for what every reader needs.

    Raises LockError (``lock.malformed``, ``lock.newer``).
    """
    try:
        table = tomli.loads(text)
        wrong = None
    except tomli.TOMLDecodeError as error:
        table, wrong = {}, str(error)
    version = table.get("version")
    if isinstance(version, int) and version > FORMAT:  # first: a newer format may have another shape
        message = f"{where} has format {version}; this envtool reads up to {FORMAT}"
        raise LockError("lock.newer", message, "Update envtool.")
    wrong = wrong or lock_misfit(table)
    if wrong is not None:
        hint = "Restore it from version control, or write it again: envtool lock"
        raise LockError("lock.malformed", f"{where} is not a lock: {wrong}", hint)
    if any("/" in name or "\\" in name or name.startswith(".") for name in table["files"]):
        raise LockError("lock.malformed", f"{where} names a file outside its folder", "Write it again: envtool lock")
    return table


def read_lock(directory: Path) -> Lock:
    """Read ``lockfiles/``.

    Raises LockError (``lock.missing``, ``lock.malformed``, ``lock.edited``, ``lock.interrupted``, ``lock.newer``).
    """
    try:
        return parse_lock(read_texts(directory), directory.name)
    except LockError as error:
        if error.code != "lock.edited" or interrupted_texts(directory) is None:
            raise
        message = (
            f"envtool lock was interrupted while it wrote {directory.name}/: a part of it is new, and a part is old"
        )
        hint = "Finish it: envtool lock. Or restore the folder from version control."
        raise LockError("lock.interrupted", message, hint) from None


def interrupted_texts(directory: Path) -> dict[str, str] | None:
    """The lock that an envtool that was killed was about to put in place, ``lock.toml`` last: its files are there, each
    in its place or beside it. None where it is not whole."""
    for path in files.waiting(directory / LOCK_TOML):
        with contextlib.suppress(OSError, UnicodeDecodeError, LockError):
            text = path.read_bytes().decode("utf-8")
            entries = parse_table(text, path.name)["files"]
            texts = {name: _with_digest(directory / name, entry["digest"]) for name, entry in entries.items()}
            whole = {name: found for name, found in texts.items() if found is not None}
            if len(whole) == len(entries):
                return {**whole, LOCK_TOML: text}
    return None


def _with_digest(path: Path, digest: str) -> str | None:
    for place in (path, *files.waiting(path)):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = place.read_bytes().decode("utf-8").replace("\r\n", "\n")
            if _digest(text) == digest:
                return text
    return None


def read_existing(folder: Path) -> Lock | None:
    """The lock in a folder, or None if there is none. Raises LockError for a malformed one."""
    return read_lock(folder) if (folder / LOCK_TOML).is_file() else None


def parse_lock(texts: Mapping[str, str], where: str) -> Lock:
    """A lock from its texts; see :func:`read_lock`."""
    table = parse_table(texts[LOCK_TOML], f"{where}/{LOCK_TOML}")
    parts: dict[str, LockFile] = {}
    for name, entry in table["files"].items():
        if _digest(texts[name]) != entry["digest"]:
            message = f"{where}/{name} is not what envtool wrote: its digest differs from the one in {LOCK_TOML}"
            hint = (
                "It was edited, or is of another lock. Restore it from version control, or write it again: envtool lock"
            )
            raise LockError("lock.edited", message, hint)
        pins = parse_pins(texts[name], f"{where}/{name}")
        parts[name] = LockFile(filename=name, backend=entry.get("backend"), pins=pins)
    if REST not in parts:
        raise LockError("lock.malformed", f"{where}/{LOCK_TOML} names no {REST}", "Write it again: envtool lock")
    return Lock(
        torch={file.backend: file for file in parts.values() if file.backend is not None},
        rest=parts[REST],
        inputs=table["inputs"],
        requirements=tuple(table.get("requirements", ())),
        constraints=tuple(table.get("constraints", ())),
        overrides=tuple(table.get("overrides", ())),
        gpu_packages=str(table.get("gpu-packages", "default")),
        python=str(table.get("python", "")),
        pythons=tuple(table["pythons"]),
        targets=tuple(table["targets"]),
        routes=tuple(_route(item) for item in table.get("routes", [])),
        projects=tuple(_project(item) for item in table.get("projects", [])),
        gaps=tuple(table.get("gaps", [])),
        narrowed=table.get("narrowed", False),
        resolver=str(table.get("resolver", "uv")),
        tools=table.get("tools", {}),
    )


def _route(table: Mapping[str, Any]) -> Route:
    return Route(
        name=table["name"],
        url=table["url"],
        kind=table["kind"],
        packages=tuple(table.get("packages", ())),
        index=table.get("index", ""),
        yields=table.get("yields", False),
    )


def _project(table: Mapping[str, Any]) -> LocalProject:
    return LocalProject(
        path=table["path"],
        name=table.get("name"),
        editable=bool(table.get("editable", True)),
        extras=tuple(table.get("extras", ())),
        marker=table.get("marker"),
    )
