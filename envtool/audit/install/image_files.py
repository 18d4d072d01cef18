"""Which file of the project a path in a command means: where commands run, what COPY and ADD put where."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from envtool.audit.deps.read import beside
from envtool.audit.install.steps import Copy, Workdir
from envtool.audit.install.variables import expand
from envtool.audit.models import Project, Source

METADATA = ("pyproject.toml", "setup.cfg", "setup.py")


@dataclass
class Layout:
    """The files of an image, as far as its instructions say it. Empty for what is no image."""

    workdir: str = "/"
    copies: list[tuple[str, str]] = field(default_factory=list)
    """What was copied, relative to the build context, and where to (a folder ends with a slash)."""

    def copy(self) -> Layout:
        """The same for a stage that goes on from this one."""
        return Layout(self.workdir, list(self.copies))

    def take(self, step: Copy | Workdir, environment: Mapping[str, str]) -> None:
        """Follow one instruction."""
        target = posixpath.join(self.workdir, expand(step.target, environment).replace("\\", "/"))
        if isinstance(step, Workdir):
            self.workdir = posixpath.normpath(target)
            return
        folder = target.endswith(("/", "/.")) or len(step.files) > 1
        target = posixpath.normpath(target)
        for name in step.files:
            written = posixpath.normpath(expand(name, environment).replace("\\", "/").lstrip("/") or ".")
            self.copies.append((written, f"{target}/" if folder else target))

    def origins(self, path: str, folder: str) -> Iterator[str]:
        """The paths in the build context that a path in the image may have come from; the last copy first."""
        absolute = posixpath.normpath(posixpath.join(self.workdir, folder, path))
        for written, target in reversed(self.copies):
            inside = posixpath.relpath(absolute, target)
            if inside == ".":
                if not target.endswith("/"):
                    yield written
            elif not inside.startswith("../"):
                if "/" not in inside and fnmatchcase(inside, posixpath.basename(written)):
                    yield posixpath.join(posixpath.dirname(written), inside)
                yield posixpath.normpath(posixpath.join(written, inside))


def find_requirements(path: str, source: Source, project: Project, folder: str, layout: Layout) -> Source | None:
    """The project's requirements file for a path in a command: as an image has it, relative to where the command runs,
    to the file, or by its name. Of several with that name the one beside the file counts, or that of the root."""
    written = path.replace("\\", "/")
    within = written.lstrip("/")
    name = within.rsplit("/", 1)[-1]
    same = [other.path for other in project.of_kind("requirements") if other.path.rsplit("/", 1)[-1] == name]
    for candidate in (
        *(place for origin in layout.origins(written, folder) for place in _contexts(source.path, origin)),
        *(beside("x", posixpath.join(folder, within)), beside("x", within), beside(source.path, within)),
        *(same if len(same) == 1 else []),
        *(other for other in (beside(source.path, name), name) if source.kind == "dockerfile" and other in same),
    ):
        found = project.sources.get(candidate)
        if found is not None and found.kind == "requirements":
            return found
    return None


def project_folders(path: str, source: Source, folder: str, layout: Layout) -> Iterator[str]:
    """The folders that a local path in a command may mean, the likeliest first."""
    for name in METADATA if layout.copies else ():
        for origin in layout.origins(f"{path}/{name}", folder):
            if posixpath.basename(origin) == name:
                yield from (posixpath.dirname(place) or "." for place in _contexts(source.path, origin))
    written = path.lstrip("/") or "."
    if folder:
        yield beside("x", posixpath.join(folder, written))
    yield from folders(source.path, written)


def folders(path: str, written: str) -> list[str]:
    """Folders that a path may mean: relative to the file's own folder, or to one above it up to the root."""
    found = [beside(path, written)]
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        found.append(beside(path, written))
    return [folder for folder in found if not folder.startswith("..")]


def _contexts(path: str, written: str) -> list[str]:
    """A path in a build context as one of the project: the context is the file's folder, the root, or one between."""
    near, *above = folders(path, written) or [written]
    return [near, *reversed(above)]


_MOUNT = re.compile(r"--mount=(\S+)")


def mounted(options: str) -> Iterator[Copy]:
    """What ``RUN --mount=type=bind,source=…,target=…`` puts into an image while the command runs."""
    for match in _MOUNT.finditer(options):
        given = dict(part.partition("=")[::2] for part in match.group(1).split(","))
        origin = given.get("source", given.get("src", ""))
        target = given.get("target", given.get("dst", given.get("destination", "")))
        if given.get("type", "bind") == "bind" and target and "from" not in given:
            yield Copy(files=(origin or ".",), target=target)
