"""A request in the making: lines, options and local projects, normalised one by one as they are read."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from envtool.adapters.files import path_of_url
from envtool.adapters.http import credentials, is_readable, redact, shown
from envtool.adapters.variables import expand
from envtool.errors import ResolutionError, UsageError
from envtool.lock.markers import both, limited
from envtool.lock.paths import is_absolute, relative
from envtool.lock.pyproject import extra_requirements
from envtool.lock.requirements_file import FileContent, Kind, Line, requested
from envtool.lock.uv_sources import Place, places_of, unused_sources
from envtool.lock.uv_table import Index, UvTable, inside, read_uv_table
from envtool.lock.workspace import read_pyproject, workspace_member, workspace_root
from envtool.models import DynamicProject, LocalProject, Note, Requested, Route
from envtool.torch.backends import is_gpu_local, is_pytorch_index
from envtool.torch.family import is_family

_DECIDING = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")


def _check_url(url: str, where: str) -> None:
    """Raise UsageError (``request.url``) for what is no URL and no path. It is not shown: it may be secret."""
    if not is_readable(url):
        raise UsageError("request.url", f"{where}: there is a URL that cannot be read", "Mend it.")


def _is_version(text: str) -> bool:
    with contextlib.suppress(InvalidVersion):
        return bool(Version(text))
    return False


def _uv(pyproject: Mapping[str, Any] | None) -> Mapping[str, Any]:
    table: Mapping[str, Any] = ((pyproject or {}).get("tool") or {}).get("uv") or {}
    return table


def uv_table(folder: Path, pyproject: Mapping[str, Any], root: Path) -> UvTable:
    """What uv is told in a project: by its own pyproject.toml, and by that of the root of its workspace."""
    own = read_uv_table(pyproject, _named(folder, root), folder)
    found = workspace_root(folder)
    if found is None or found[0] == folder.resolve():
        return own
    top, table = found
    return inside(own, read_uv_table(table, _named(top, root), top))


def _named(folder: Path, root: Path) -> str:
    shown = relative(folder, root)
    return "pyproject.toml" if shown == "." else f"{shown}/pyproject.toml"


def _line(item: Requested, *, url: str | None = None, local: str | None = None, editable: bool = False) -> Line:
    """A requirement as a line that says where the package lies."""
    marker = item.requirement.marker
    return Line(
        origin=item.origin,
        name=item.requirement.name,
        url=url,
        local=local,
        editable=editable,
        extras=tuple(sorted(item.requirement.extras)),
        marker=str(marker) if marker else None,
    )


@dataclass
class Draft:
    """What was read so far. ``unlockable``: what no hash can pin, as words; it is an error once all is read.

    ``uv`` is what uv is told about the requirements that are being added. ``own`` are the indexes of single packages,
    by URL. ``seen`` are the local projects that were read. ``linked``: see Request. ``within`` are the markers that the
    local project which is being read has itself: they hold for all that it asks for.
    """

    root: Path
    uv: UvTable = field(default_factory=UvTable)
    own: dict[str, Route] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    seen: list[LocalProject] = field(default_factory=list)
    within: tuple[str, ...] = ()
    requirements: list[Requested] = field(default_factory=list)
    constraints: list[Requested] = field(default_factory=list)
    overrides: list[Requested] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    projects: list[LocalProject] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    credentials: dict[str, tuple[str, str]] = field(default_factory=dict)
    unlockable: list[str] = field(default_factory=list)
    dynamic: list[DynamicProject] = field(default_factory=list)

    def note(self, code: str, message: str) -> None:
        """Remember something that a user should know."""
        self.notes.append(Note(code=code, message=message))

    def add(self, items: Iterable[Requested]) -> None:
        """Add requirements of the project itself; direct references are normalised like lines of a file."""
        for item in items:
            if item.requirement.url:
                self._add_line(_line(item, url=item.requirement.url), self.requirements)
                continue
            for place in places_of(item, self.uv):
                self._add_from(place, item)

    def _add_from(self, place: Place, item: Requested) -> None:
        """Add a requirement that comes from where ``[tool.uv.sources]`` says."""
        name = canonicalize_name(item.requirement.name)
        if place.link:
            self._add_line(_line(item, url=place.link), self.requirements)
        elif place.path is not None or place.member:
            folder = self._member(name) if place.path is None else place.path
            _check_url(str(folder), f"tool.uv.sources of {name}")
            if not os.path.lexists(folder):
                message = (
                    f"tool.uv.sources takes {name} from {relative(folder, self.root)}, and there is no such folder"
                )
                raise UsageError("request.source", message, "Mend that source.")
            shown = relative(folder, self.root, absolute=place.absolute)
            self._add_local(_line(item, local=shown, editable=place.editable), folder)
        else:
            if place.index is not None:
                self._add_own(name, place.index)
            limit = self._limit()
            self.requirements.append(replace(item, requirement=limited(item.requirement, limit)) if limit else item)

    def _limit(self) -> str | None:
        return reduce(both, self.within, None)

    def _member(self, name: str) -> Path:
        found = workspace_member(self.uv.folder or self.root, name)
        if found is None:
            message = f"tool.uv.sources says that {name} is a member of the workspace, and no member has that name"
            raise UsageError("request.workspace", message, "Mend tool.uv.workspace.members, or that source.")
        return found

    def _add_own(self, name: str, index: Index) -> None:
        """A package that comes from one index alone."""
        _check_url(index.url, "[tool.uv]")
        if is_pytorch_index(index.url):
            message = f"tool.uv.sources takes {name} from {redact(index.url)}, which has a lock's torch family alone"
            raise ResolutionError("lock.source", message, "Take that source away, if the default index has it.")
        route = self._route("index", self._url(index), index.name)
        if any(name in other.packages for other in self.own.values() if other.url != route.url):
            message = f"two local projects take {name} from different indexes, which a lock of envtool's cannot follow"
            raise ResolutionError("lock.source", message, "Let both take it from the same one.")
        own_name = route.name.replace("route-", "own-")  # it may be there for all, too
        if route.name in self.credentials:
            self.credentials[own_name] = self.credentials[route.name]
        known = self.own.get(route.url, replace(route, name=own_name))
        self.own[route.url] = replace(known, packages=tuple(sorted({*known.packages, name})))

    def all_routes(self) -> tuple[Route, ...]:
        """The indexes for all packages, and those for single ones; each is told of."""
        for route in self.own.values():
            message = f"[tool.uv]: {route.url} is kept as routing in lock.toml, for {', '.join(route.packages)}"
            self.note("request.route", message)
        return (*dict.fromkeys(self.routes), *self.own.values())

    def add_uv_table(self, table: UvTable) -> None:
        """Add what uv is told."""
        self.uv = table
        found = workspace_root(self.root)
        if found is not None and found[0] != self.root.resolve():
            self.files.append(found[0] / "pyproject.toml")
        self.overrides += self._unlinked(table.overrides)
        self.constraints += self._unlinked(table.constraints)
        if self.overrides:
            names = ", ".join(sorted({canonicalize_name(item.requirement.name) for item in self.overrides}))
            where = self.overrides[0].origin.partition(":")[0]
            message = f"{where}: [tool.uv] decides what is asked of {names}, whatever other packages say"
            self.note("request.overrides", message)
        unused = unused_sources(table)
        if unused:
            message = f"[tool.uv.sources] of {', '.join(unused)} is not used: envtool routes torch and what comes with "
            message += "it itself (full torch is the default index's build; another one: --backend cu126)"
            self.note("request.source-dropped", message)
        if table.unread:
            message = (
                f"[tool.uv]: {', '.join(table.unread)} without effect: a lock of envtool's does not follow what uv "
            )
            message += "is told there"
            if {"exclude-newer", "exclude-newer-package"} & set(table.unread):
                message += "; releases that exclude-newer would hold back can be in it"
            self.note("request.uv-ignored", message)
        for index in table.indexes:
            if index.explicit and index.kind == "default-index" and not is_pytorch_index(index.url):
                message = f"the index {index.name} is explicit and the default, which a lock of envtool's cannot follow"
                raise ResolutionError("lock.source", message, "Make it the one or the other.")
            if not index.explicit:
                self._add_option(index.kind, self._url(index), "[tool.uv]", index)

    def _unlinked(self, items: Iterable[Requested]) -> list[Requested]:
        """Overrides or constraints without those that are links: they are an error once their package comes in."""
        kept: list[Requested] = []
        for item in items:
            if item.requirement.url is None:
                kept.append(item)
                continue
            before = len(self.unlockable)
            self._add_url(_line(item, url=item.requirement.url), item.requirement.url, kept)
            for words in self.unlockable[before:]:
                self.linked[canonicalize_name(item.requirement.name)] = words
            del self.unlockable[before:]
        return kept

    def _url(self, index: Index) -> str:
        if "://" in index.url:
            return index.url
        return relative(Path(index.url), self.root, absolute=index.absolute)

    def add_content(self, content: FileContent, *, sourced: bool = False) -> None:
        """Add what a requirements file holds; ``sourced``: it lists a project's requirements, so its sources hold."""
        self.files += content.files
        for line in content.lines:
            if sourced and line.requirement is not None:
                self.add([Requested(requirement=line.requirement, origin=line.origin)])
            else:
                self._add_line(line, self.requirements)
        for line in content.constraints:
            self._add_line(line, self.constraints)
        for kind, value, where in content.options:
            self._add_option(kind, value, where)
        for option, where in content.ignored:
            self.note("request.option-ignored", f"{where}: {option} has no meaning for a lock and is ignored")
        if any(line.hashed for line in content.lines):
            self.note("request.hashes", "hashes in the requirements are replaced by the lock's own")

    def _add_option(self, kind: Kind, value: str, where: str, told: Index | None = None) -> None:
        _check_url(expand(value), where)
        if is_pytorch_index(expand(value)):
            message = f"{where}: index line {redact(value)} dropped: envtool routes the torch family itself"
            self.note("request.index-dropped", message)
            return
        route = self._route(kind, value, told.name if told else "")
        route = replace(route, yields=told is not None and kind == "default-index")
        if not any((other.kind, other.url) == (kind, route.url) for other in self.routes):
            self.routes.append(route)
            message = f"{where}: {route.url} is kept as routing in lock.toml, for all but the torch family"
            self.note("request.route", message)

    def _route(self, kind: Kind, value: str, index: str) -> Route:
        secret = credentials(value)
        url = redact(value)
        # A name that stays the same wherever the lock is used, because credentials are looked up by it.
        name = "route-" + hashlib.sha256(url.encode()).hexdigest()[:8]
        if secret is not None:
            self.credentials[name] = secret
        return Route(name=name, url=url, kind=kind, index=index)

    def _add_line(self, line: Line, into: list[Requested]) -> None:
        if line.requirement is not None:
            into.append(Requested(requirement=line.requirement, origin=line.origin))
        elif line.local is not None:
            text = line.local
            folder = path_of_url(text) if text.startswith("file:") else self.root / text.split("[", 1)[0]
            self._add_local(line, folder)
        else:
            self._add_url(line, line.url or "", into)

    def _add_url(self, line: Line, url: str, into: list[Requested]) -> None:
        _check_url(url, line.origin)
        filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except (InvalidWheelFilename, ValueError):
            self.unlockable.append(f"{line.name + ' @ ' if line.name else ''}{shown(url)} ({line.origin})")
            return
        if not is_family(name):
            self.unlockable.append(f"{shown(url)} ({line.origin})")
            return
        extras = f"[{','.join(line.extras)}]" if line.extras else ""
        limit = both(line.marker, self._limit())
        marker = f" ; {limit}" if limit else ""
        into.append(requested(f"{name}{extras}=={version.public}{marker}", line.origin))
        self.note("request.url", f"{line.origin}: direct link to {filename} becomes {name}=={version.public}")

    def _add_local(self, line: Line, folder: Path) -> None:
        shown = relative(folder, self.root, absolute=is_absolute(line.local or ""))
        if not os.path.isdir(folder):  # noqa: PTH112 - False for any text, where Path.is_dir raises
            what = "a file, not a project folder" if os.path.lexists(folder) else "there is no such folder"
            self.unlockable.append(f"{line.local} ({line.origin}: {what})")
            return
        pyproject = read_pyproject(folder)
        project = (pyproject or {}).get("project") or {}
        name = project.get("name")
        if pyproject is None and not (folder / "setup.py").is_file():
            message = (
                f"{line.origin}: {line.local} is no Python project: {'this folder' if shown == '.' else shown} has "
            )
            hint = "Take the line out, or name the folder of a project."
            raise UsageError("requirements.project", f"{message}neither pyproject.toml nor setup.py", hint)
        # Each once: members of a workspace that need each other come to an end.
        within = tuple(dict.fromkeys((*self.within, line.marker))) if line.marker else self.within
        local = LocalProject(
            path=shown or ".",
            name=canonicalize_name(name) if name else None,
            editable=line.editable,
            extras=line.extras,
            marker=reduce(both, within, None),
        )
        if local in self.seen:
            return  # members of a workspace can need each other
        self.seen.append(local)
        if _uv(pyproject).get("package") is not False:  # a virtual one brings its requirements, and is not installed
            self.projects.append(local)
        told, outside, self.within = self.uv, self.within, within
        own = uv_table(folder, pyproject or {}, self.root)  # it has its own sources
        self.uv = replace(own, overrides=told.overrides, excluded=told.excluded)
        if pyproject is not None and name and "dependencies" not in project.get("dynamic", ()):
            origin = f"{line.origin} ({shown})"
            self.add(requested(str(item), origin) for item in project.get("dependencies", []))
            self.add(replace(item, origin=origin) for item in extra_requirements(project, line.extras))
            self.files.append(folder / "pyproject.toml")
        else:
            self.add_dynamic(folder, line.extras)
        self.uv, self.within = told, outside

    def add_dynamic(self, folder: Path, extras: tuple[str, ...] = ()) -> None:
        """Add a project whose build backend says what it needs.

        What setup.py reads besides is not known: ``lock --check`` looks at the files that usually decide.
        """
        deciding = [path for name in _DECIDING for path in [folder / name] if path.is_file()]
        digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in deciding))
        brackets = f"[{','.join(extras)}]" if extras else ""
        limit = self._limit()
        line = f"{folder.resolve().as_uri()}{brackets}{f' ; {limit}' if limit else ''}"
        self.dynamic.append(DynamicProject(line=line, digest=digest.hexdigest()))
        self.files += deciding
        shown = relative(folder, self.root)
        where = "this project" if shown == "." else shown
        self.note("request.dynamic", f"{where} does not list what it needs: its build backend is asked")

    def public(self, item: Requested) -> Requested:
        """A family pin with a local version (``==2.5.0+cu121``) becomes public: the backend decides the build."""
        requirement = item.requirement
        if not is_family(requirement.name):
            return item
        changed = False
        parts = []
        for specifier in requirement.specifier:
            public, _, local = specifier.version.partition("+")
            exact = specifier.operator == "===" and _is_version(public)
            operator = "==" if exact else specifier.operator
            if local or exact:
                changed = True
            became = f"{requirement.name}{specifier} becomes {operator}{public}"
            if is_gpu_local(local.lower()):
                self.note("request.cuda-pin", f"{item.origin}: {became}: the backend decides the build")
            elif exact and not local:  # which would be none of the builds with a local version
                self.note("request.exact-pin", f"{item.origin}: {became}: the backend decides the build")
            parts.append(f"{operator}{public}" if local or exact else str(specifier))
        if not changed:
            return item
        plain = Requirement(str(requirement))
        plain.specifier = SpecifierSet(",".join(parts))
        return replace(item, requirement=plain)
