"""Read lock files: what torch they hold, from where, and how much GPU payload beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tomli
from packaging.utils import canonicalize_name

from envtool.audit.models import Project, Skipped, Source
from envtool.audit.yaml_nodes import get, scalar, sequence, span, yaml_of
from envtool.torch.family import is_gpu_payload


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """One package of a lock. ``url`` is the index or file it comes from, empty for the default one."""

    name: str
    version: str
    url: str
    start: int
    end: int
    markers: tuple[str, ...] = ()
    default: bool = True
    """Whether an install without any extra brings it; true where the lock does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockContent:
    """What matters of a lock: its torch entries, and the names of GPU packages."""

    torch: tuple[Locked, ...] = ()
    gpu: tuple[str, ...] = ()


def read_lock(source: Source, project: Project) -> LockContent:
    """The content of a uv, poetry, PDM, Pipfile, pylock, pixi or conda lock; empty if it cannot be read."""
    name = source.path.rsplit("/", 1)[-1].lower()
    try:
        if name == "pipfile.lock":
            packages = list(_pipfile(source.text))
        elif name.endswith((".yml", ".yaml")) or name == "pixi.lock":
            packages = list(_conda(source, project))
        else:
            packages = list(_toml(source.text))
    except (tomli.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        reason = f"cannot be parsed: {error or type(error).__name__}"
        project.cache["skipped", source.path] = Skipped(path=source.path, reason=reason, amiss=True)
        return LockContent()
    gpu = sorted({package.name for package in packages if is_gpu_payload(package.name)})
    return LockContent(torch=tuple(package for package in packages if package.name == "torch"), gpu=tuple(gpu))


def _toml(text: str) -> Iterator[Locked]:
    """``[[package]]`` (uv, poetry, PDM) and ``[[packages]]`` (PEP 751)."""
    if not re.search(r"name\s*=\s*\"torch\"", text):
        return
    data: Mapping[str, Any] = tomli.loads(text)
    starts = [match.span(1) for match in re.finditer(r"^\[\[packages?\]\]\s*\n(name\s*=.*)$", text, re.M)]
    found = data.get("package") or data.get("packages") or []
    entries = found if isinstance(found, list) else []
    reached = _reached_by_default(entries)
    for number, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            continue
        origin = entry.get("source")
        index = entry.get("index")
        url = index if isinstance(index, str) else ""
        if isinstance(origin, Mapping):
            url = str(origin.get("registry") or origin.get("url") or "")
        markers = entry.get("resolution-markers")
        at = starts[number] if len(starts) == len(entries) else (0, 0)
        yield Locked(
            name=canonicalize_name(entry["name"]),
            version=str(entry.get("version", "")),
            url=url,
            start=at[0],
            end=at[1],
            markers=tuple(str(marker) for marker in markers) if isinstance(markers, list) else (),
            default=_by_default(entry) and (reached is None or entry["name"] in reached),
        )


def _by_default(entry: Mapping[str, Any]) -> bool:
    """Poetry marks a package that only an extra brings as optional; Poetry 2 and PDM name its groups."""
    groups = entry.get("groups")
    named = not isinstance(groups, list) or bool({"main", "default"} & {str(group) for group in groups})
    return entry.get("optional") is not True and named


def _reached_by_default(entries: list[Any]) -> frozenset[str] | None:
    """The packages of a uv.lock that ``uv sync`` installs: what its root asks for without extras, with the group
    ``dev``. None if this is no uv.lock with a root."""
    packages = [entry for entry in entries if isinstance(entry, Mapping)]
    sources = [(entry, _table(entry, "source")) for entry in packages]
    roots = [entry for entry, source in sources if "." in (source.get("editable"), source.get("virtual"))]
    if not roots:
        return None
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for entry in packages:
        by_name.setdefault(str(entry.get("name")), []).append(entry)
    seen: set[tuple[str, str]] = set()
    pending = [(str(root.get("name")), "") for root in roots]
    # The group that uv installs unless it is told not to.
    pending += [edge for root in roots for edge in _edges(_table(root, "dev-dependencies").get("dev"))]
    while pending:
        step = pending.pop()
        if step in seen:
            continue
        seen.add(step)
        for entry in by_name.get(step[0], []):
            extra = _table(entry, "optional-dependencies").get(step[1])
            pending += _edges(extra if step[1] else entry.get("dependencies"))
    return frozenset(name for name, _ in seen)


def _table(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, Mapping) else {}


def _edges(dependencies: object) -> list[tuple[str, str]]:
    """The packages of a list of dependencies, each once for itself and once for each of its extras."""
    found: list[tuple[str, str]] = []
    for entry in dependencies if isinstance(dependencies, list) else []:
        if isinstance(entry, Mapping):
            extras = entry.get("extra")
            name = str(entry.get("name"))
            found += [(name, ""), *((name, str(extra)) for extra in (extras if isinstance(extras, list) else []))]
    return found


def _pipfile(text: str) -> Iterator[Locked]:
    data = json.loads(text)
    urls = {
        str(source.get("name")): str(source.get("url", ""))
        for source in data.get("_meta", {}).get("sources", [])
        if isinstance(source, dict)
    }
    for section in ("default", "develop"):
        for name, entry in (data.get(section) or {}).items():
            if isinstance(entry, dict):
                match = re.search(rf'^\s*("{re.escape(name)}")\s*:', text, re.M)
                at = match.span(1) if match else (0, 0)
                version = str(entry.get("version", "")).lstrip("=")
                url = urls.get(str(entry.get("index", "")), "")
                yield Locked(name=canonicalize_name(name), version=version, url=url, start=at[0], end=at[1])


def _conda(source: Source, project: Project) -> Iterator[Locked]:
    """PyPI packages of a pixi or conda lock; conda's own solver picks a CPU build where there is no GPU."""
    if "pypi" not in source.text and "pip" not in source.text:
        return
    root = yaml_of(source, project)
    for entry in [*sequence(get(root, "packages")), *sequence(get(root, "package"))]:
        name, url = scalar(get(entry, "name")), scalar(get(entry, "pypi")) or scalar(get(entry, "url"))
        pip = get(entry, "pypi") is not None or scalar(get(entry, "manager")) == "pip"
        if pip and name:
            at = span(entry)
            yield Locked(
                name=canonicalize_name(name),
                version=scalar(get(entry, "version")),
                url=url if "://" in url else "",
                start=at[0],
                end=at[0] + 1,
            )
