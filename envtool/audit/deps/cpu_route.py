"""Whether a project has a way to CPU builds of torch beside its plain one, and where."""

from __future__ import annotations

from collections.abc import Iterator

from envtool.audit.classify import is_example
from envtool.audit.deps.brings_torch import TORCH
from envtool.audit.deps.markers import holds_on
from envtool.audit.deps.read import declarations_of
from envtool.audit.deps.routes import route_of, wheel_of
from envtool.audit.install.torch_steps import torch_steps
from envtool.audit.models import COMMANDS, Project, Source
from envtool.audit.naming import is_cpu_file, says_not_linux


def has_envtool(project: Project) -> bool:
    """Whether envtool routes torch in this project: its lock is there, or its settings."""
    if "lockfiles/lock.toml" in project.sources:
        return True
    pyproject = project.sources.get("pyproject.toml")
    return pyproject is not None and "[tool.envtool]" in pyproject.text


def cpu_route(project: Project) -> str:
    """What leads to CPU builds, in words (``requirements-cpu.txt``); empty if nothing does. Computed once."""
    key = ("cpu-route", "")
    if key not in project.cache:
        project.cache[key] = "envtool" if has_envtool(project) else next(_routes(project), "")
    return str(project.cache[key])


def _routes(project: Project) -> Iterator[str]:
    for source in project.of_kind("requirements", "pyproject", "conda", "pipfile"):
        if not is_example(source.path) and leads_to_cpu(source, project):
            yield source.path
    for source in project.of_kind(*COMMANDS):
        if is_example(source.path) or says_not_linux(source.path.rsplit("/", 1)[-1]):
            continue
        for step in torch_steps(source, project):
            if step.origin == "cpu":
                yield source.path


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
            return True
    return any(route_of(option.url) == "cpu" for option in declarations.options if not option.inline) or any(
        route_of(index.url) == "cpu" and not index.explicit for index in declarations.indexes
    )
