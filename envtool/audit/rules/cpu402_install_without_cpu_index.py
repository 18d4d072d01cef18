"""CPU402 (C02): an install command that brings CUDA torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.classify import is_benchmark, is_example, is_test
from envtool.audit.deps.brings_torch import TORCH
from envtool.audit.deps.read import declarations_of
from envtool.audit.deps.routes import route_of
from envtool.audit.install.gpu_variables import gpu_variables
from envtool.audit.install.steps import Runs
from envtool.audit.install.torch_steps import TorchStep, torch_steps
from envtool.audit.models import COMMANDS, Finding, Project, Safe, Severity, Source, SourceKind
from envtool.audit.naming import (
    has_cpu_sibling,
    is_choice,
    is_cpu_file,
    is_gpu_variant,
    says_cpu,
    says_gpu,
    says_not_linux,
)
from envtool.audit.places import place
from envtool.audit.rules._install_fix import fix_of
from envtool.torch.backends import is_gpu_local


class InstallWithoutCpuIndex:
    """``pip install torch``, or of a file that holds it, with no CPU index in sight."""

    code = "CPU402"
    name = "install-without-cpu-index"
    summary = "An install command takes torch from the default index or a GPU index"
    kinds: Sequence[SourceKind] = COMMANDS

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """One finding for each command, at what brings torch."""
        if is_cpu_file(source):
            return  # CPU403
        for step in bad_steps(source, project):
            if says_cpu(step.scope.name):
                continue
            severity = _severity(step.scope, step.install.command.condition, step.start, (source, project))
            # What a project's metadata or lock leads to is reported there.
            if step.how == "project" and severity == "error":
                severity = "warning"
            # Who opens a notebook says where it runs, often on a hosted machine with a GPU.
            if severity == "error" and step.origin == "default" and project.sources[source.path].kind == "notebook":
                severity = "warning"
            yield Finding(
                code=self.code,
                severity=severity,
                confidence="high" if step.requirement.name in TORCH else "medium",
                path=source.path,
                location=place(source, project, step.start, step.end),
                message=message_of(step, project),
                fix=fix_of(step, source, project) if severity == "error" else None,
            )
        yield from self._variables(source, project)
        for step in torch_steps(source, project):
            if step.origin == "cpu" and step.requirement.name == "torch":
                line = place(source, project, step.start, step.end).line
                yield Safe(path=source.path, line=line, reason="torch comes from the CPU index here")

    def _variables(self, source: Source, project: Project) -> Iterator[Finding]:
        """Variables that send every later install to GPU builds."""
        seen: set[int] = set()
        for variable in gpu_variables(source, project):
            if variable.start in seen or says_cpu(variable.scope.name):
                continue
            seen.add(variable.start)
            yield Finding(
                code=self.code,
                severity=_severity(variable.scope, variable.condition, variable.start, (source, project)),
                confidence="high",
                path=source.path,
                location=place(source, project, variable.start, variable.end),
                message=f"{variable.name} sends every install after it to GPU builds of torch",
            )


def bad_steps(source: Source, project: Project) -> Iterator[TorchStep]:
    """For each command the step that says most: a GPU index before the default one, torch before what requires it."""
    elsewhere = says_not_linux(source.path.rsplit("/", 1)[-1])
    commands: dict[int, list[TorchStep]] = {}
    for step in torch_steps(source, project):
        if step.settled or step.origin not in ("default", "gpu"):
            continue
        if step.origin == "default" and (elsewhere or not step.scope.linux):
            continue  # the default index has CPU builds for Windows and macOS
        commands.setdefault(step.install.head.start, []).append(step)
    for steps in commands.values():
        yield min(steps, key=lambda step: (step.origin != "gpu", step.requirement.name not in TORCH, step.start))


def _severity(scope: Runs, condition: str, at: int, where: tuple[Source, Project]) -> Severity:
    source, project = where
    if is_gpu_variant(source, project):
        return "note"
    by_choice = (
        scope.choice
        or is_choice(condition)
        or says_gpu(scope.name)
        or has_cpu_sibling(source, project)
        or is_test(source.path)
        or is_example(source.path)
        or is_benchmark(source.path)
        or _target_says_gpu(source, at)
    )
    return "warning" if by_choice else "error"


def _target_says_gpu(source: Source, at: int) -> bool:
    if source.kind != "makefile":
        return False
    targets = re.findall(r"^([\w.%/-]+)[ \t]*:(?!=)", source.text[:at], re.M)
    return bool(targets) and says_gpu(targets[-1])


def message_of(step: TorchStep, project: Project) -> str:
    """What the command does, in a sentence, and which line makes it do so where that is one of another file."""
    name = step.requirement.name
    what = name if step.how == "named" else f"{name} (required here)"
    if step.how == "file" and step.file is not None:
        what = f"{name} (in {step.file.path})"
    if name not in TORCH:
        what += ", which requires torch,"
    if step.origin == "gpu":
        urls = [word.text for word in (*step.install.index, *step.install.extra_index, *step.install.find_links)]
        gpu = next((url for url in urls if route_of(url) == "gpu"), "")
        if cause := "" if gpu else _cause(step, project):
            return f"installs {what} as a GPU build, because of {cause}"
        return f"installs {what} as a GPU build" + (f" from {gpu}" if gpu and "@" not in gpu else "")
    return f"installs {what} from the default index: the CUDA build on Linux; no CPU index in this command or before it"


def _cause(step: TorchStep, project: Project) -> str:
    """The line of a requirements file that makes a build one for GPUs: an index option, or else the pin itself."""
    if step.file is None:
        return ""
    options = declarations_of(step.file, project).options
    at = next((row.start for row in options if not row.inline and route_of(row.url) == "gpu"), None)
    pin = step.requirement.pin
    if pin is not None and is_gpu_local(pin.local):
        at = step.requirement.start
    return f"{step.file.path}:{place(step.file, project, at, at).line}" if at is not None else ""


RULE = InstallWithoutCpuIndex()
