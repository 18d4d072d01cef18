"""Where commands run: scopes (a Docker stage, a CI job, a script), each a list of steps in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envtool.audit.install.lex import Command, Dialect, lex
from envtool.audit.install.shell import substitutions, unrolled
from envtool.audit.models import Project, Source
from envtool.audit.yaml_nodes import get, items, scalar, sequence, span, yaml_of

if TYPE_CHECKING:
    import yaml


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Shell text: the span of it in the source, and the variables of this step alone."""

    start: int
    end: int
    dialect: Dialect = "sh"
    environment: dict[str, str] = field(default_factory=dict)
    condition: str = ""
    """The ``if`` of a CI step."""
    folder: str = ""
    """Where it runs, relative to the project; empty where that is not said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assign:
    """Variables for all later steps of the scope."""

    values: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """Installed packages that come from an earlier scope (``COPY --from=STAGE /venv /venv``)."""

    scope: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """Files of the project that an image gets (``COPY requirements.txt /tmp/``)."""

    files: tuple[str, ...]
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Workdir:
    """The folder in an image in which later steps run."""

    target: str


Step = Run | Assign | Take | Copy | Workdir


@dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """One scope. ``base`` is the image it starts from, ``parent`` another scope of the file that it goes on from."""

    name: str
    steps: tuple[Step, ...]
    linux: bool = True
    base: str = ""
    base_span: tuple[int, int] = (0, 0)
    parent: str = ""
    runner: tuple[str, int, int] | None = None
    """The runner of a CI job as written, and its place."""
    options: tuple[str, int, int] | None = None
    """The options that a CI job's container is run with."""
    choice: bool = False
    """A Docker stage that a variable chooses, and does not choose by default."""


def scopes_of(source: Source, project: Project) -> list[Runs]:
    """The scopes of a Dockerfile, CI file, Makefile or script, read once."""
    key = ("scopes", source.path)
    if key not in project.cache:
        project.cache[key] = list(_scopes(source, project))
    found = project.cache[key]
    return found if isinstance(found, list) else []


def commands_of(source: Source, project: Project) -> list[tuple[Runs, Step, tuple[Command, ...]]]:
    """Every step of every scope with its commands, lexed once."""
    key = ("commands", source.path)
    if key not in project.cache:
        project.cache[key] = [
            (scope, step, tuple(_lexed(source, step))) for scope in scopes_of(source, project) for step in scope.steps
        ]
    found = project.cache[key]
    return found if isinstance(found, list) else []


_SHELL_NAMES = frozenset({"bash", "sh", "zsh", "dash", "ash"})


def _lexed(source: Source, step: Step) -> Iterator[Command]:
    if isinstance(step, Run):
        for command in lex(source.text, step.start, step.end, step.dialect, condition=step.condition):
            if step.dialect in ("sh", "docker", "folded"):
                yield from substitutions(source.text, command)
                yield from unrolled(command)
            else:
                yield command
            texts = [word.text for word in command.words]
            # bash -c "pip install torch": the text in the quotes is commands, too.
            if len(texts) > 2 and texts[0].rsplit("/", 1)[-1] in _SHELL_NAMES and re.match(r"^-\w*c$", texts[1]):
                inner = command.words[2]
                if source.text[inner.start] in "\"'":
                    yield from lex(source.text, inner.start + 1, inner.end - 1, "sh", condition=command.condition)


def _scopes(source: Source, project: Project) -> Iterator[Runs]:
    if source.kind == "dockerfile":
        from envtool.audit.install.dockerfile import docker_scopes

        yield from docker_scopes(source)
    elif source.kind == "ci":
        yield from _ci(source, project)
    elif source.kind == "makefile":
        yield _makefile(source)
    elif source.kind == "shell":
        yield _script(source)
    elif source.kind == "compose":
        yield from _compose(source, project)


# --- scripts and Makefiles ------------------------------------------------------------------------------------------


def _script(source: Source) -> Runs:
    suffix = source.path.lower().rsplit(".", 1)[-1]
    dialects: dict[str, Dialect] = {"ps1": "powershell", "bat": "batch", "cmd": "batch"}
    dialect = dialects.get(suffix, "sh")
    run = Run(start=0, end=len(source.text), dialect=dialect)
    return Runs(name=source.path, steps=(run,), linux=dialect == "sh")


_MAKE_VARIABLE = re.compile(r"^(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*(?:::?|\?|\+)?=[ \t]*(.*?)[ \t]*$", re.M)
_RECIPE = re.compile(r"^(?:\t|[ \t]{2,})(?:[^\n]*\\\r?\n)*[^\n]*", re.M)
# "b: a ; pip install X": the first line of a recipe may stand behind the rule. A variable of a target has a "=".
_BESIDE_RULE = re.compile(r"^[^\s#:=;][^#:=;\n]*::?[^#:=;\n]*;(?P<recipe>(?:[^\n]*\\\r?\n)*[^\n]*)", re.M)


def _makefile(source: Source) -> Runs:
    """Recipes are the indented lines, and what stands behind a rule; every variable is known to all of them."""
    values = {match.group(1): match.group(2) for match in _MAKE_VARIABLE.finditer(source.text)}
    spans = [match.span() for match in _RECIPE.finditer(source.text)]
    spans += [match.span("recipe") for match in _BESIDE_RULE.finditer(source.text)]
    runs = [Run(start=start, end=end) for start, end in sorted(spans)]
    return Runs(name=source.path, steps=(Assign(values=values), *runs))


# --- CI -------------------------------------------------------------------------------------------------------------


def _environment(node: yaml.Node | None) -> dict[str, str]:
    return {key: scalar(value) or scalar(get(value, "value")) for key, _, value in items(node)}


def _run(source: Source, node: yaml.Node, dialect: Dialect = "sh") -> Run:
    """The shell text of a scalar, without its quotes or block header."""
    start, end = span(node)
    style = getattr(node, "style", None)
    text = source.text
    if style in ("|", ">"):
        newline = text.find("\n", start, end)
        start = newline + 1 if newline >= 0 else end
    elif style in ("'", '"'):
        start, end = start + 1, end - 1
    if dialect == "sh" and style != "|" and "\n" in text[start:end]:
        dialect = "folded"
    return Run(start=start, end=end, dialect=dialect)


_SHELLS: dict[str, Dialect] = {"pwsh": "powershell", "powershell": "powershell", "cmd": "batch"}
_NOT_LINUX = re.compile(r"windows|macos|mac-|\bwin\b", re.I)
_LINUX = re.compile(r"ubuntu|linux|debian|self-hosted|\$\{\{\s*(?!matrix)", re.I)


def _ci(source: Source, project: Project) -> Iterator[Runs]:
    if source.path.lower().rsplit("/", 1)[-1].startswith("jenkinsfile") or source.path.lower().endswith(".jenkinsfile"):
        from envtool.audit.install.jenkins import jenkins_scopes

        yield from jenkins_scopes(source)
        return
    root = yaml_of(source, project)
    jobs = get(root, "jobs")
    if ".github/" in source.path or get(root, "on") is not None or get(root, "runs", "steps") is not None:
        for name, _, job in items(jobs):
            folder = scalar(get(root, "defaults", "run", "working-directory"))
            yield _github_job(source, name, job, _Outer(environment=_environment(get(root, "env")), folder=folder))
        if get(root, "runs", "steps") is not None:  # a composite action
            steps = _github_steps(source, get(root, "runs", "steps"))
            yield Runs(name="action", steps=tuple(steps))
        return
    yield from _generic_ci(source, root)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outer:
    """What a workflow sets for its jobs."""

    environment: dict[str, str]
    folder: str


def _github_job(source: Source, name: str, job: yaml.Node, outer: _Outer) -> Runs:
    runner = get(job, "runs-on")
    written = source.text[slice(*span(runner))] if runner is not None else ""
    matrix = get(job, "strategy", "matrix")
    systems = written
    if "matrix." in written and matrix is not None:
        systems = source.text[slice(*span(matrix))]
    linux = bool(_LINUX.search(systems)) or not _NOT_LINUX.search(systems)
    image = get(job, "container", "image") or get(job, "container")
    options = get(job, "container", "options")
    steps: list[Step] = [Assign(values={**outer.environment, **_environment(get(job, "env"))})]
    folder = scalar(get(job, "defaults", "run", "working-directory")) or outer.folder
    steps += _github_steps(source, get(job, "steps"), folder)
    return Runs(
        name=name,
        steps=tuple(steps),
        linux=linux,
        base=scalar(image),
        base_span=span(image) if image is not None else (0, 0),
        runner=(written, *span(runner)) if runner is not None else None,
        options=(scalar(options), *span(options)) if options is not None else None,
    )


def _github_steps(source: Source, steps: yaml.Node | None, folder: str = "") -> Iterator[Run]:
    for step in sequence(steps):
        node = get(step, "run")
        shell = scalar(get(step, "shell")).split(" ")[0]
        condition = scalar(get(step, "if"))
        if node is None or "python" in shell:
            continue
        if shell in ("cmd", "powershell"):
            condition = " / ".join(filter(None, [condition, "runner.os == 'Windows'"]))
        run = _run(source, node, _SHELLS.get(shell, "sh"))
        own = scalar(get(step, "working-directory")) or folder
        yield replace(run, environment=_environment(get(step, "env")), condition=condition, folder=own)


_SCRIPT_KEYS = ("before_script", "script", "after_script", "install", "before_install", "bash", "commands", "run")


def _generic_ci(source: Source, root: yaml.Node | None) -> Iterator[Runs]:
    """GitLab, Azure, Travis, CircleCI, Bitbucket, Drone: scripts by their keys, wherever they stand."""
    outer = {**_environment(get(root, "variables")), **_environment(get(root, "env"))}
    image = _image(root) or _image(get(root, "default"))
    common = [*_scripts(source, get(root, "default"), nested=False), *_scripts(source, root, nested=False)]
    yielded = False
    for name, job in _jobs(root):
        own = _image(job) or image
        runs = list(_scripts(source, job, nested=True))
        if not runs:
            continue
        yielded = True
        runner = next((node for key in ("tags", "pool", "resource_class") if (node := get(job, key)) is not None), None)
        written = source.text[slice(*span(runner))] if runner is not None else ""
        values = {**outer, **_environment(get(job, "variables")), **_environment(get(job, "environment"))}
        yield Runs(
            name=name,
            steps=(Assign(values=values), *common, *runs),
            linux=bool(_LINUX.search(written)) or not _NOT_LINUX.search(written),
            base=scalar(own),
            base_span=span(own) if own is not None else (0, 0),
            runner=(written, *span(runner)) if runner is not None else None,
        )
    if not yielded and common:
        yield Runs(
            name="ci",
            steps=(Assign(values=outer), *common),
            base=scalar(image),
            base_span=span(image) if image is not None else (0, 0),
        )


def _image(job: yaml.Node | None) -> yaml.Node | None:
    """The image that a job runs in: ``image``, Azure's ``container``, the first of CircleCI's ``docker``."""
    for found in (get(job, "image", "name"), get(job, "image"), get(job, "container", "image"), get(job, "container")):
        if found is not None and scalar(found):
            return found
    docker = sequence(get(job, "docker"))
    return get(docker[0], "image") if docker else None


def _jobs(root: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """Jobs and names: a mapping (CircleCI), a list (Azure, in stages too), or the file itself (GitLab)."""
    jobs = get(root, "jobs")
    for stage in [root, *sequence(get(root, "stages"))]:
        for number, job in enumerate(sequence(get(stage, "jobs"))):
            yield scalar(get(job, "job")) or f"job {number + 1}", job
    for name, _, job in items(jobs):
        yield name, job
    if jobs is None:
        for name, _, job in items(root):
            if name not in ("variables", "image", "env", "default", "stages"):
                yield name, job


def _scripts(source: Source, node: yaml.Node | None, *, nested: bool) -> Iterator[Run]:
    seen: set[int] = set()
    pending = [node]
    while pending:
        current = pending.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        for key, _, value in items(current):
            if key in _SCRIPT_KEYS or key in ("pwsh", "powershell"):
                dialect: Dialect = "powershell" if key in ("pwsh", "powershell") else "sh"
                lines = sequence(value) or [value]
                for line in lines:
                    command = get(line, "command") or line
                    if scalar(command):
                        yield _run(source, command, dialect)
                    elif nested:
                        pending.append(command)
            elif nested:
                pending.append(value)
        if nested:
            pending += sequence(current)


# --- compose --------------------------------------------------------------------------------------------------------


def _compose(source: Source, project: Project) -> Iterator[Runs]:
    for name, _, service in items(get(yaml_of(source, project), "services")):
        command = get(service, "command")
        steps = [_run(source, command)] if command is not None and scalar(command) else []
        yield Runs(name=name, steps=tuple(steps))
