"""A request in the making: lines, options and local projects, normalised one by one as they are read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from envtool.adapters.files import path_of_url
from envtool.adapters.http import credentials, redact
from envtool.errors import UsageError
from envtool.lock.pyproject import extra_requirements
from envtool.lock.requirements_file import FileContent, Kind, Line, requested
from envtool.lock.uv_table import UvTable
from envtool.lock.workspace import read_pyproject, workspace_member
from envtool.models import DynamicProject, LocalProject, Note, Requested, Route
from envtool.torch.backends import is_gpu_local
from envtool.torch.family import is_family

_PYTORCH_INDEX = re.compile(
    r"/whl(/(nightly|test|lts)[^?]*)?(/(cpu|cu\d+|rocm[\d.]+|xpu))?(/torch_stable\.html|/torch/?)?/?$"
)


_DECIDING = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")


def is_pytorch_index(url: str) -> bool:
    """Whether an index or find-links URL is the PyTorch index or a mirror of it, by its path."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return host == "pytorch.org" or host.endswith(".pytorch.org") or _PYTORCH_INDEX.search(parts.path) is not None


def relative(path: Path, root: Path) -> str:
    """A path as POSIX text, relative to ``root`` where it lies inside."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _route_name(url: str) -> str:
    # A name that stays the same wherever the lock is used, because credentials are looked up by it.
    return "route-" + hashlib.sha256(url.encode()).hexdigest()[:8]


def _is_virtual(pyproject: Mapping[str, Any]) -> bool:
    # uv installs a member's requirements and not the member, where it has no build system or says so.
    package = ((pyproject.get("tool") or {}).get("uv") or {}).get("package")
    return package is False or (package is None and "build-system" not in pyproject)


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

    ``uv`` is what uv is told, by a file in ``uv_folder``. ``seen`` are the local projects that were read.
    """

    root: Path
    uv: UvTable = field(default_factory=UvTable)
    uv_folder: Path | None = None
    seen: list[LocalProject] = field(default_factory=list)
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
            lines = [_line(item, url=item.requirement.url)] if item.requirement.url else self._sourced(item)
            for line in lines:
                self._add_line(line, self.requirements)

    def _sourced(self, item: Requested) -> list[Line]:
        """A requirement as the lines that ``[tool.uv.sources]`` makes of it."""
        name = canonicalize_name(item.requirement.name)
        lines = []
        # The origin of what an extra or a group lists ends in its name: pyproject.toml[dev], pyproject.toml group dev.
        listed_by = {canonicalize_name(word) for word in re.split(r"[\s,\[\]]+", item.origin) if word}
        for source in self.uv.sources.get(name, ()):
            if source.only_for and source.only_for not in listed_by:
                continue
            if source.link:
                lines.append(_line(item, url=source.link))
            elif source.path or source.workspace:
                folder = (self.uv_folder or self.root) / source.path if source.path else self._member(name)
                line = _line(item, local=str(folder), editable=source.editable or source.workspace)
                lines.append(replace(line, member=source.workspace))
        return lines or [Line(origin=item.origin, requirement=item.requirement)]

    def _member(self, name: str) -> Path:
        found = workspace_member(self.uv_folder or self.root, name)
        if found is None:
            message = f"tool.uv.sources says that {name} is a member of the workspace, and no member has that name"
            raise UsageError("request.workspace", message, "Mend tool.uv.workspace.members, or that source.")
        return found

    def add_uv_table(self, table: UvTable, folder: Path) -> None:
        """Add what uv is told by a file in ``folder``."""
        for item in (*table.overrides, *table.constraints):
            if item.requirement.url is not None:
                self.unlockable.append(f"{item.requirement.name} @ {redact(item.requirement.url)} ({item.origin})")
        self.uv, self.uv_folder = table, folder
        self.overrides += table.overrides
        self.constraints += table.constraints
        if table.overrides:
            names = ", ".join(sorted({canonicalize_name(item.requirement.name) for item in table.overrides}))
            where = table.overrides[0].origin.partition(":")[0]
            message = f"{where}: [tool.uv] decides what is asked of {names}, whatever other packages say"
            self.note("request.overrides", message)
        for index in table.indexes:
            self._add_option(index.kind, index.url, "[tool.uv]", index.packages)
            self._read_secret(index.name, index.url)

    def _read_secret(self, index: str, url: str) -> None:
        # uv's own variables for an index with a name; here it has another name.
        stem = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", index.upper())
        user, password = (os.environ.get(f"{stem}_{what}", "") for what in ("USERNAME", "PASSWORD"))
        if index and (user or password):
            self.credentials[_route_name(redact(url))] = (quote(user, safe=""), quote(password, safe=""))

    def add_content(self, content: FileContent) -> None:
        """Add what a requirements file holds."""
        self.files += content.files
        for line in content.lines:
            self._add_line(line, self.requirements)
        for line in content.constraints:
            self._add_line(line, self.constraints)
        for kind, value, where in content.options:
            self._add_option(kind, value, where)
        for option, where in content.ignored:
            self.note("request.option-ignored", f"{where}: {option} has no meaning for a lock and is ignored")
        if any(line.hashed for line in content.lines):
            self.note("request.hashes", "hashes in the requirements are replaced by the lock's own")

    def _add_option(self, kind: Kind, value: str, where: str, packages: tuple[str, ...] = ()) -> None:
        if is_pytorch_index(value):
            message = f"{where}: index line {redact(value)} dropped: envtool routes the torch family itself"
            self.note("request.index-dropped", message)
            return
        secret = credentials(value)
        url = redact(value)
        name = _route_name(url)
        route = Route(name=name, url=url, kind=kind, packages=packages)
        if route not in self.routes:
            self.routes.append(route)
            whom = ", ".join(packages) if packages else "all but the torch family"
            self.note("request.route", f"{where}: {url} is kept as routing in lock.toml, for {whom}")
        if secret is not None:
            self.credentials[name] = secret

    def _add_line(self, line: Line, into: list[Requested]) -> None:
        if line.requirement is not None:
            into.append(Requested(requirement=line.requirement, origin=line.origin))
        elif line.local is not None:
            self._add_local(line, line.local, into)
        else:
            self._add_url(line, line.url or "", into)

    def _add_url(self, line: Line, url: str, into: list[Requested]) -> None:
        filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except (InvalidWheelFilename, ValueError):
            shown = redact(url)
            self.unlockable.append(f"{line.name + ' @ ' if line.name else ''}{shown} ({line.origin})")
            return
        if not is_family(name):
            self.unlockable.append(f"{redact(url)} ({line.origin})")
            return
        extras = f"[{','.join(line.extras)}]" if line.extras else ""
        marker = f" ; {line.marker}" if line.marker else ""
        into.append(requested(f"{name}{extras}=={version.public}{marker}", line.origin))
        self.note("request.url", f"{line.origin}: direct link to {filename} becomes {name}=={version.public}")

    def _add_local(self, line: Line, text: str, into: list[Requested]) -> None:
        folder = path_of_url(text) if text.startswith("file:") else self.root / text.split("[", 1)[0]
        shown = relative(folder, self.root)
        if not folder.is_dir():
            what = "a file, not a project folder" if folder.exists() else "there is no such folder"
            self.unlockable.append(f"{text} ({line.origin}: {what})")
            return
        pyproject = read_pyproject(folder)
        project = (pyproject or {}).get("project") or {}
        name = project.get("name")
        if pyproject is None and not (folder / "setup.py").is_file():
            message = f"{line.origin}: {text} is no Python project: {'this folder' if shown == '.' else shown} has "
            hint = "Take the line out, or name the folder of a project."
            raise UsageError("requirements.project", f"{message}neither pyproject.toml nor setup.py", hint)
        local = LocalProject(
            path=shown or ".",
            name=canonicalize_name(name) if name else None,
            editable=line.editable,
            extras=line.extras,
        )
        if local in self.seen:
            return  # members of a workspace can need each other
        self.seen.append(local)
        if not (line.member and _is_virtual(pyproject or {})):
            self.projects.append(local)
        if pyproject is not None and name and "dependencies" not in project.get("dynamic", ()):
            origin = f"{line.origin} ({shown})"
            self.add(requested(str(item), origin) for item in project.get("dependencies", []))
            self.add(replace(item, origin=origin) for item in extra_requirements(project, line.extras))
            self.files.append(folder / "pyproject.toml")
        else:
            self.add_dynamic(folder, line.extras)

    def add_dynamic(self, folder: Path, extras: tuple[str, ...] = ()) -> None:
        """Add a project whose build backend says what it needs.

        What setup.py reads besides is not known: ``lock --check`` looks at the files that usually decide.
        """
        deciding = [path for name in _DECIDING for path in [folder / name] if path.is_file()]
        digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in deciding))
        brackets = f"[{','.join(extras)}]" if extras else ""
        line = f"{folder.resolve().as_uri()}{brackets}"
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
            operator = "==" if specifier.operator == "===" else specifier.operator
            if local:
                changed = True
                if is_gpu_local(local.lower()):
                    became = f"{requirement.name}{specifier} becomes {operator}{public}"
                    self.note("request.cuda-pin", f"{item.origin}: {became}: the backend decides the build")
            parts.append(f"{operator}{public}" if local else str(specifier))
        if not changed:
            return item
        plain = Requirement(str(requirement))
        plain.specifier = SpecifierSet(",".join(parts))
        return replace(item, requirement=plain)
