"""Whether a project has a way to CPU builds of torch beside its plain one, and where."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from envtool.audit.classify import is_example
from envtool.audit.deps import uv_direct
from envtool.audit.deps.brings_torch import TORCH
from envtool.audit.deps.markers import holds_on
from envtool.audit.deps.read import declarations_of
from envtool.audit.deps.routes import route_of, wheel_of
from envtool.audit.install.torch_steps import TorchStep, torch_steps
from envtool.audit.models import COMMANDS, Project, Source
from envtool.audit.naming import is_cpu_file, is_side, says_not_linux


def has_envtool(project: Project) -> bool:
    """Whether envtool routes torch in this project: its lock is there, or its settings."""
    if "lockfiles/lock.toml" in project.sources:
        return True
    pyproject = project.sources.get("pyproject.toml")
    return pyproject is not None and "[tool.envtool]" in pyproject.text


def cpu_route(project: Project) -> str:
    """What leads to CPU builds, in words (``requirements-cpu.txt``); empty if nothing does."""
    return next((way.name for way in _ways(project)), "")


def cpu_route_for(source: Source, project: Project) -> str:
    """What leads whoever installs this file to CPU builds, in words; empty if nothing does."""
    return next((way.name for way in _ways(project) if way.reaches(source)), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """One way to CPU builds. ``folder`` is where it holds, empty for the whole project, None for nowhere by itself."""

    name: str
    folder: str | None
    side: bool = False
    files: frozenset[str] = frozenset()
    """The files that it installs."""

    def reaches(self, source: Source) -> bool:
        """Whether it is a way for whoever installs a file: beside or below it, or one that installs this very file."""
        if source.path in self.files:
            return True
        if self.folder is None or (self.side and not is_side(source.path)):
            return False
        return not self.folder or source.path.startswith(f"{self.folder}/")


def _ways(project: Project) -> list[_Way]:
    """All ways of a project, found once."""
    key = ("cpu-ways", "")
    if key not in project.cache:
        found = [_Way(name="envtool", folder="")] if has_envtool(project) else []
        project.cache[key] = [*found, *_found(project)]
    ways = project.cache[key]
    return ways if isinstance(ways, list) else []


def _found(project: Project) -> Iterator[_Way]:
    for source in project.of_kind("requirements", "pyproject", "conda", "pipfile"):
        if not _left_out(source) and leads_to_cpu(source, project):
            yield _Way(name=source.path, folder=_folder(source.path), side=is_side(source.path))
    for source in project.of_kind(*COMMANDS):
        steps = [step for step in torch_steps(source, project) if step.origin == "cpu"] if not _left_out(source) else []
        if steps and source.kind == "ci":
            # What a job tests or publishes with routes nothing for whoever installs the project.
            yield _Way(name=source.path, folder=None)
        elif steps:
            files = frozenset(step.file.path for step in torch_steps(source, project) if step.file and _cpu(step))
            yield _Way(name=source.path, folder=_folder(source.path), side=is_side(source.path), files=files)


def _left_out(source: Source) -> bool:
    return is_example(source.path) or says_not_linux(source.path.rsplit("/", 1)[-1])


def _cpu(step: TorchStep) -> bool:
    """Whether a step installs CPU builds, or finds torch there already."""
    return step.origin == "cpu" or (step.settled and not step.again)


_WITHIN = re.compile(
    r"(^|/)(\.?docker(files)?|requirements?|reqs|deps|environments?|envs?|conda|scripts?|bin|tools?|install|\.devcontainer)$"
)
"""Folders that hold files for the project around them."""


def _folder(path: str) -> str:
    """The folder for which a file at a path speaks."""
    folder = posixpath.dirname(path)
    while _WITHIN.search(folder.lower()):
        folder = posixpath.dirname(folder)
    return folder


def leads_to_cpu(source: Source, project: Project) -> bool:
    """Whether a file that declares torch also says that it is the CPU build on Linux."""
    declarations = declarations_of(source, project)
    names = {requirement.name for requirement in declarations.requirements}
    if declarations.backend in ("cpu", "auto"):
        return True
    if source.kind == "conda" and names & {"cpuonly", "pytorch-cpu"}:
        return True
    for requirement in declarations.requirements:
        wheel = wheel_of(requirement.url) if requirement.url else None
        pin = wheel[1] if wheel else requirement.pin
        if requirement.name in TORCH and pin is not None and pin.local == "cpu":
            return True
        if requirement.scope == "extra" and requirement.group == "cpu" and requirement.name in TORCH:
            return any(routed.name == "torch" for routed in declarations.routed) or is_cpu_file(source)
    for routed in declarations.routed:
        if routed.name == "torch" and route_of(routed.url or "") == "cpu" and holds_on(routed.marker, "linux-x86_64"):
            return uv_direct.unused_source(source, project) is None
    return any(route_of(option.url) == "cpu" for option in declarations.options if not option.inline) or any(
        route_of(index.url) == "cpu" and not index.explicit for index in declarations.indexes
    )
