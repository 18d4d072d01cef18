"""CPU401 (C01): a container, service or runner that needs a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from envtool.audit.classify import is_benchmark, is_example, is_test
from envtool.audit.install.images import is_gpu_runner, needs_gpu
from envtool.audit.install.lex import Command
from envtool.audit.install.steps import Runs, commands_of, scopes_of
from envtool.audit.models import Finding, Project, Safe, Severity, Source, SourceKind
from envtool.audit.naming import has_cpu_sibling, is_choice, is_cpu_file, is_gpu_variant, says_cpu, says_gpu
from envtool.audit.places import place
from envtool.audit.yaml_nodes import get, items, scalar, sequence, span, yaml_of

if TYPE_CHECKING:
    import yaml

_Commands = tuple[Runs, tuple[Command, ...]]


class GpuContainer:
    """An image with CUDA, a device reservation, a GPU runner."""

    code = "CPU401"
    name = "gpu-container"
    summary = "A CUDA image, a GPU device or a GPU runner"
    kinds: Sequence[SourceKind] = ("dockerfile", "compose", "ci", "makefile", "shell")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Images, devices and runners of one file."""
        highest = _highest(source, project)
        if source.kind == "compose":
            yield from self._compose(source, project, highest)
            return
        scopes = scopes_of(source, project)
        mixed = any(says_cpu(scope.name) for scope in scopes)
        for scope in scopes:
            severity = "note" if scope.choice or (mixed and says_gpu(scope.name)) else highest
            yield from self._scope(source, project, scope, severity)
        for scope, _, commands in commands_of(source, project):
            severity = "note" if mixed and says_gpu(scope.name) else highest
            yield from self._run(source, project, (scope, commands), severity)

    def _scope(self, source: Source, project: Project, scope: Runs, severity: Severity) -> Iterator[Finding]:
        why = needs_gpu(scope.base)
        # CPU403 speaks of a CUDA image in what is named for CPUs.
        if why and not (is_cpu_file(source) or says_cpu(scope.name)):
            what = f"{scope.base} is {why}"
            yield self._finding(source, project, scope.base_span, severity, f"{what}: gigabytes that CPUs never use")
        if scope.runner is not None and is_gpu_runner(scope.runner[0]):
            label = " ".join(scope.runner[0].split())
            message = f"the job asks for a GPU runner ({label[:60]})"
            yield self._finding(source, project, scope.runner[1:], _lower(severity, says_gpu(scope.name)), message)

        if scope.options is not None and re.search(r"--gpus\b|--runtime[= ]nvidia", scope.options[0]):
            message = "the job's container is run with a GPU: it does not start without NVIDIA's container runtime"
            yield self._finding(source, project, scope.options[1:], _lower(severity, says_gpu(scope.name)), message)

    def _run(self, source: Source, project: Project, what: _Commands, severity: Severity) -> Iterator[Finding]:
        scope, commands = what
        for command in commands:
            texts = [word.text for word in command.words]
            if not {"docker", "podman", "nvidia-docker", "nerdctl"} & set(texts[:3]) or "run" not in texts:
                continue
            for number, word in enumerate(command.words):
                runtime = texts[number : number + 2] == ["--runtime", "nvidia"]
                if runtime or re.match(r"--gpus(=|$)|--runtime=nvidia|nvidia-docker$", word.text):
                    chosen = (
                        is_choice(command.condition) or says_gpu(scope.name) or _target_says_gpu(source, word.start)
                    )
                    message = f"{word.text.split('=')[0]} needs NVIDIA's container runtime and a GPU"
                    yield self._finding(source, project, (word.start, word.end), _lower(severity, chosen), message)

    def _compose(self, source: Source, project: Project, highest: Severity) -> Iterator[Finding]:
        services = list(items(get(yaml_of(source, project), "services")))
        plain = [name for name, _, service in services if not any(True for _ in _devices(service))]
        for name, _, service in services:
            profiles = " ".join(scalar(node) for node in sequence(get(service, "profiles")))
            severity: Severity = "note" if says_gpu(f"{name} {profiles}") and (plain or profiles) else highest
            image = get(service, "image")
            why = needs_gpu(scalar(image))
            if image is not None and why:
                message = f"{scalar(image)} is {why}"
                yield self._finding(source, project, span(image), severity, message)
            for start, end, message in _devices(service):
                yield self._finding(source, project, (start, end), severity, message)

    def _finding(
        self, source: Source, project: Project, where: tuple[int, int], severity: Severity, message: str
    ) -> Finding:
        return Finding(
            code=self.code,
            severity=severity,
            confidence="high",
            path=source.path,
            location=place(source, project, *where),
            message=message,
        )


def _lower(severity: Severity, chosen: bool) -> Severity:
    return "warning" if chosen and severity == "error" else severity


def _highest(source: Source, project: Project) -> Severity:
    """How bad it can be here: a GPU variant beside a CPU one is a choice, and so is what examples show."""
    if is_gpu_variant(source, project):
        return "note"
    if has_cpu_sibling(source, project) or is_test(source.path) or is_example(source.path) or is_benchmark(source.path):
        return "warning"
    return "error"


def _devices(service: yaml.Node) -> Iterator[tuple[int, int, str]]:
    """What a compose service asks of the host: reserved devices, NVIDIA's runtime, ``gpus``."""
    runtime = get(service, "runtime")
    if runtime is not None and scalar(runtime) == "nvidia":
        yield *span(runtime), "runtime: nvidia does not start without NVIDIA's container runtime"
    gpus = get(service, "gpus")
    if gpus is not None:
        yield *span(gpus), "the service asks for GPUs: it does not start on a host without one"
    for device in sequence(get(service, "deploy", "resources", "reservations", "devices")):
        driver, capabilities = get(device, "driver"), get(device, "capabilities")
        names = {scalar(node) for node in sequence(capabilities)}
        if driver is not None and scalar(driver) == "nvidia":
            yield span(device)[0], span(driver)[1], "an NVIDIA device is reserved: no start on a host without one"
        elif capabilities is not None and "gpu" in names:
            yield *span(capabilities), "a GPU is reserved: the service does not start on a host without one"


def _target_says_gpu(source: Source, at: int) -> bool:
    """Whether the Makefile target over a recipe line is named for GPUs."""
    if source.kind != "makefile":
        return False
    targets = re.findall(r"^([\w.%/-]+)[ \t]*:(?!=)", source.text[:at], re.M)
    return bool(targets) and says_gpu(targets[-1])


RULE = GpuContainer()
