"""Which install commands bring torch, and from where: the commands of a scope in order, with what they see."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from envtool.audit.deps import uv_direct
from envtool.audit.deps.brings_torch import TORCH, brings_torch
from envtool.audit.deps.markers import holds_on, on_linux
from envtool.audit.deps.model import Declarations, Declared
from envtool.audit.deps.read import beside, declarations_of, included
from envtool.audit.deps.routes import Route, route_of, wheel_of
from envtool.audit.install.commands import Install, Local, parse_install
from envtool.audit.install.image_files import METADATA, Layout, find_requirements, folders, project_folders
from envtool.audit.install.lex import Command
from envtool.audit.install.steps import Assign, Copy, Run, Runs, Take, Workdir, commands_of
from envtool.audit.install.systems import leaves_out_linux
from envtool.audit.install.variables import assignments
from envtool.audit.models import Project, Source
from envtool.torch.backends import is_gpu_local

Origin = Literal["cpu", "gpu", "default", "other", "unoffered"]
"""Where torch comes from; ``unoffered``: a ``+cpu`` pin that no index of the command has."""

How = Literal["named", "file", "project"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchStep:
    """One requirement of one command that brings torch. ``settled``: an earlier step has installed it already."""

    scope: Runs
    install: Install
    requirement: Declared
    how: How
    origin: Origin
    start: int
    end: int
    file: Source | None = None
    settled: bool = False
    mixed: bool = False
    """torch itself came from the CPU index, this companion does not."""
    again: bool = False
    """An earlier step has installed torch from the default index already."""


@dataclass
class _State:
    """What a scope has by now."""

    environment: dict[str, str] = field(default_factory=dict)
    have: Origin | None = None
    names: set[str] = field(default_factory=set)
    project_tool: str = ""
    cloned: bool = False
    elsewhere: bool = False
    folder: str = ""
    """Where the commands run, as far as the file says it."""
    layout: Layout = field(default_factory=Layout)


def torch_steps(source: Source, project: Project) -> list[TorchStep]:
    """All such steps of a source, in order; computed once."""
    key = ("torch-steps", source.path)
    if key not in project.cache:
        states: dict[str, _State] = {}
        steps: list[TorchStep] = []
        project.cache[key] = steps  # scripts may run each other
        for scope, step, commands in commands_of(source, project):
            state = states.get(scope.name.lower())
            if state is None:
                state = states.setdefault(scope.name.lower(), _start(scope, states))
            if isinstance(step, Assign):
                state.environment.update(step.values)
            elif isinstance(step, Take):
                _take(step, state, states)
            elif isinstance(step, Copy | Workdir):
                state.layout.take(step, state.environment)
            else:
                steps += _run_steps((scope, step, commands), state, source, project)
    found = project.cache[key]
    return found if isinstance(found, list) else []


def _start(scope: Runs, states: Mapping[str, _State]) -> _State:
    """What a scope begins with: what its parent ended with, or what its image is known to hold."""
    parent = states.get(scope.parent.lower()) if scope.parent else None
    if parent is not None:
        return _State(dict(parent.environment), parent.have, set(parent.names), layout=parent.layout.copy())
    # Of "registry/pytorch/pytorch:tag" and "team/torch-base" one may expect that torch is in it.
    if "pytorch" in scope.base.lower() or "torch" in scope.base.lower().rsplit("/", 1)[-1]:
        return _State(have="other", names=set(TORCH))
    return _State()


def _take(step: Take, state: _State, states: Mapping[str, _State]) -> None:
    """What another scope has installed is here now, too."""
    other = states.get(step.scope.lower())
    if other is not None and state.have is None:
        state.have = other.have
        state.names |= other.names


def _run_steps(
    what: tuple[Runs, Run, tuple[Command, ...]], state: _State, source: Source, project: Project
) -> Iterator[TorchStep]:
    scope, run, commands = what
    state.folder = run.folder
    for command in commands:
        environment = {**state.environment, **run.environment}
        texts = [word.text for word in command.words]
        if texts[:2] == ["git", "clone"]:
            state.cloned = True
        elif texts[:1] == ["cd"] and state.cloned:
            state.elsewhere = True
        elif texts[:1] in (["cd"], ["pushd"]) and len(texts) > 1:
            state.folder = posixpath.join(state.folder, texts[1])
        _assign(command, environment, state)
        script = _script_of(texts, source, project)
        if script is not None and state.have is None:
            state.have = _origin_of_script(script, project)
        install = parse_install(command, environment)
        if install is not None:
            settings = {**environment, **install.environment}
            yield from _install_steps(scope, install, settings, state, (source, project))


_NAMED_FOR_INSTALLING = re.compile(r"(^|/)[\w-]*(install|depend|requirement)[\w-]*\.(py|sh|bash)$")


def _script_of(texts: Sequence[str], source: Source, project: Project) -> Source | None:
    """The project's own install script that a command runs, if it runs one."""
    for text in texts[:3]:
        if _NAMED_FOR_INSTALLING.search(text):
            for candidate in (beside("x", text.lstrip("/")), beside(source.path, text.lstrip("/"))):
                if candidate != source.path and candidate in project.sources:
                    return project.sources[candidate]
    return None


def _origin_of_script(script: Source, project: Project) -> Origin | None:
    """Where an install script takes torch from. What a Python script does is not known here."""
    if script.kind == "python":
        return "other" if "torch" in script.text else None
    return next((step.origin for step in torch_steps(script, project) if not step.settled), None)


def _assign(command: Command, environment: Mapping[str, str], state: _State) -> None:
    """Take what a command sets. A variable that branches set differently has a value that only the run knows."""
    for name, value in assignments(command, environment).items():
        known = state.environment.get(name, value)
        state.environment[name] = value if not command.condition or known == value else f"${{{name}}}"


def _install_steps(
    scope: Runs, install: Install, settings: Mapping[str, str], state: _State, where: tuple[Source, Project]
) -> Iterator[TorchStep]:
    wanted = [
        (requirement, how, span, file, options)
        for requirement, how, span, file, options in _wanted(install, state, where)
        if brings_torch(requirement.name, requirement.extras) and on_linux(requirement.marker)
    ]
    if leaves_out_linux(install.command.condition):
        # The default index has CPU builds there, and nothing of it is installed on Linux.
        wanted = [entry for entry in wanted if _origin(entry[0], install, settings, entry[4]) == "gpu"]
        state = _State()
    elif install.tool in ("uv run", "uv tool", "pipx"):
        state = _State()  # an environment of its own
    before, names = state.have, set(state.names)
    for requirement, how, span, file, options in wanted:
        origin = _origin(requirement, install, settings, options)
        fresh = install.of_project and state.project_tool != install.tool
        direct = requirement.name in TORCH
        settled = before is not None and not fresh and not (install.renew and direct)
        if how == "named" and requirement.name == "torch" and before == "default":
            settled = False  # the one before is no better
        mixed = (
            before == "cpu"
            and settled
            and origin == "default"
            and requirement.name in ("torchvision", "torchaudio")
            and requirement.name not in names
        )
        yield TorchStep(
            scope=scope,
            install=install,
            requirement=requirement,
            how=how,
            origin=origin,
            start=span[0],
            end=span[1],
            file=file,
            settled=settled and (origin != "gpu" or how == "project"),
            mixed=mixed,
            again=before == "default",
        )
        if direct:
            state.names.add(requirement.name)
        if state.have is None or origin in ("cpu", "gpu"):
            state.have = origin
    if wanted and install.of_project:
        state.project_tool = install.tool


_Wanted = tuple[Declared, How, tuple[int, int], "Source | None", Sequence[str]]


def _wanted(install: Install, state: _State, where: tuple[Source, Project]) -> Iterator[_Wanted]:
    source, project = where
    shared = _uv_settings(source, project) if install.is_uv else []
    for requirement in _conda_names(install) if install.tool == "conda" else install.requirements:
        yield requirement, "named", (requirement.start, requirement.end), None, shared
    if install.no_deps or state.elsewhere:
        return
    for word in install.files:
        file = find_requirements(word.text, source, project, state.folder, state.layout)
        for part in included(file, project) if file is not None else ():
            declarations = declarations_of(part, project)
            options = [*shared, *(option.url for option in declarations.options if not option.inline)]
            for requirement in declarations.requirements:
                yield requirement, "file", (word.start, word.end), part, options
    projects = [*install.locals]
    if install.of_project:
        projects.append(Local(path=".", extras=install.extras, word=install.head, without=install.without))
    for local in projects:
        for requirement, declarations in _project_requirements(local, state, source, project):
            options = [option.url for option in declarations.options] if install.is_uv else []
            if install.is_uv or install.of_project:
                options += [index.url for index in declarations.indexes if not index.explicit]
                options += _routes_of(requirement, declarations, local, project)
            yield requirement, "project", (local.word.start, local.word.end), None, options


def _uv_settings(source: Source, project: Project) -> list[str]:
    """The indexes and the torch backend that uv reads from the pyproject.toml it runs beside; never its sources."""
    for folder in folders(source.path, "."):
        file = project.sources.get("pyproject.toml" if folder == "." else f"{folder}/pyproject.toml")
        if file is not None:
            declarations = declarations_of(file, project)
            urls = [index.url for index in declarations.indexes if not index.explicit]
            urls += [option.url for option in declarations.options]
            return urls + ([f"backend:{declarations.backend}"] if declarations.backend else [])
    return []


def _conda_names(install: Install) -> list[Declared]:
    """torch by its names on conda; ``cpuonly`` or ``pytorch-cuda`` beside it say which build, else conda decides."""
    names = {requirement.name for requirement in install.requirements}
    if not names & {"pytorch", "torch"}:
        return []
    first = next(item for item in install.requirements if item.name in ("pytorch", "torch"))
    url = ""
    if "cpuonly" in names or any(name.startswith("pytorch-cpu") for name in names):
        url = "conda:cpu"
    elif names & {"pytorch-cuda", "cudatoolkit", "cuda-toolkit", "pytorch-gpu"}:
        url = "conda:gpu"
    return [Declared(name="torch", start=first.start, end=first.end, url=url or "conda:solver")]


def _project_requirements(
    local: Local, state: _State, source: Source, project: Project
) -> Iterator[tuple[Declared, Declarations]]:
    """What a project folder's metadata requires, with the extras asked for."""
    for folder in project_folders(local.path, source, state.folder, state.layout):
        prefix = "" if folder == "." else f"{folder}/"
        files = [project.sources[prefix + name] for name in METADATA if prefix + name in project.sources]
        every = [declarations_of(file, project) for file in files]
        groups = {requirement.group for declarations in every for requirement in declarations.requirements}
        if local.extras - {"*"} - groups and any(brings_torch(extra) or "torch" in extra for extra in local.extras):
            continue  # the metadata of another folder: it does not know the extra
        for declarations in every:
            for requirement in declarations.requirements:
                # A dependency group is asked for by its name; "all extras" leaves groups out.
                named = requirement.scope == "dev" and requirement.group in local.extras
                extra = requirement.scope == "extra" and local.asks_for(requirement.group)
                if requirement.scope == "default" or named or extra:
                    yield requirement, declarations
            for name in declarations.reads:
                read = project.sources.get(prefix + name)
                for requirement in declarations_of(read, project).requirements if read else ():
                    yield requirement, declarations
        if files:
            return


def _routes_of(requirement: Declared, declarations: Declarations, local: Local, project: Project) -> list[str]:
    """URLs that a project binds torch to, for a Linux machine and the extras and groups asked for."""
    return [
        routed.url
        for routed in declarations.routed
        if routed.name in (requirement.name, "torch")
        and routed.url
        and uv_direct.holds(routed, project)
        and holds_on(routed.marker, "linux-x86_64")
        and (not routed.choice or routed.choice in local.extras - local.without)
    ] + ([f"backend:{declarations.backend}"] if declarations.backend else [])


def _origin(requirement: Declared, install: Install, settings: Mapping[str, str], options: Sequence[str]) -> Origin:
    pin = requirement.pin
    if requirement.url:
        known: dict[str, Origin] = {"conda:cpu": "cpu", "conda:gpu": "gpu", "conda:solver": "other"}
        if requirement.url in known:
            return known[requirement.url]
        wheel = wheel_of(requirement.url)
        if wheel is not None and requirement.name in TORCH:
            pin = wheel[1]
            return "gpu" if is_gpu_local(pin.local) else "cpu" if pin.local == "cpu" else "other"
    if pin is not None and is_gpu_local(pin.local):
        return "gpu"
    backend = install.backend or (settings.get("UV_TORCH_BACKEND", "") if install.is_uv else "")
    backend = backend or next((url[8:] for url in options if url.startswith("backend:")), "")
    if backend:
        return "cpu" if backend in ("cpu", "auto") else "gpu" if is_gpu_local(backend) else "other"
    if install.no_index:
        return "other"
    return _by_index(install, settings, options, cpu_pin=pin is not None and pin.local == "cpu")


def _by_index(install: Install, settings: Mapping[str, str], options: Sequence[str], *, cpu_pin: bool) -> Origin:
    index, extra = _ambient(install, settings)
    primary: Route = route_of(index) if index else "default"
    others = {route_of(url) for url in [*extra, *options] if not url.startswith("backend:")}
    routes = {primary, *others}
    if cpu_pin:
        return "cpu" if routes - {"default", "gpu", "nvidia", "extension"} else "unoffered"
    if primary in ("cpu", "gpu", "other"):
        return primary
    for route in ("cpu", "gpu", "other"):
        # pip takes the highest version of all indexes, and 2.0+cpu is higher than 2.0.
        if route in others:
            return route
    return "default"


INDEX_VARIABLES = frozenset(
    {
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
        *("UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "UV_TORCH_BACKEND"),
    }
)
"""The variables that say to pip and uv where packages come from."""


def _ambient(install: Install, settings: Mapping[str, str]) -> tuple[str, list[str]]:
    """The index and the further places of a command: its own options, else the variables of its tool."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL") if install.is_uv else ("PIP_INDEX_URL",)
    index = install.index[-1].text if install.index else next((settings[n] for n in names if settings.get(n)), "")
    further = [word.text for word in (*install.extra_index, *install.find_links)]
    places = ("UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS") if install.is_uv else (
        "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS",
    )  # fmt: skip
    for name in places:
        further += places_in(settings.get(name, ""))
    return index, further


def places_in(value: str) -> list[str]:
    """The URLs of a variable; UV_INDEX holds NAME=URL."""
    return [word.rsplit("=", 1)[-1] if "=http" in word else word for word in value.split()]
