"""CPU303 (R03): a CUDA pin, a CUDA wheel, or a package that is for GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.classify import is_benchmark, is_example, is_test
from envtool.audit.deps.brings_torch import TORCH
from envtool.audit.deps.conda import CONDA, brings_cuda
from envtool.audit.deps.cpu_route import has_envtool
from envtool.audit.deps.markers import holds_on
from envtool.audit.deps.model import Declarations, Declared
from envtool.audit.deps.read import declarations_of, read_together
from envtool.audit.deps.routes import route_of, wheel_of
from envtool.audit.install.commands import parse_install
from envtool.audit.install.steps import commands_of
from envtool.audit.models import COMMANDS, DECLARATIONS, Edit, Finding, Fix, Project, Safe, Severity, Source, SourceKind
from envtool.audit.naming import has_cpu_sibling, is_choice, is_gpu_variant, says_cpu, says_gpu
from envtool.audit.places import place
from envtool.torch.backends import is_gpu_local
from envtool.torch.family import is_family, is_gpu_payload

_IPEX = "intel-extension-for-pytorch"
_NEED_CUDA = frozenset({"flash-attn", "pycuda", "tensorrt", "torch-tensorrt"})
"""Packages whose installation itself fails without CUDA: they build against it, or fetch by the driver."""


class GpuRequirement:
    """What a CPU-only environment cannot install, or has no use for."""

    code = "CPU303"
    name = "gpu-requirement"
    summary = "A CUDA build or a GPU package is required"
    kinds: Sequence[SourceKind] = (*DECLARATIONS, *COMMANDS)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Requirements that are declared, and GPU packages in install commands."""
        if source.kind in COMMANDS:
            yield from self._commands(source, project)
            return
        declarations = declarations_of(source, project)
        gpu_index = any(route_of(option.url) == "gpu" for option in declarations.options)
        seen: set[str] = set()
        for entry in (*declarations.requirements, *declarations.builds):
            # One finding says it for an extra: some have hundreds of wheels.
            if entry.group.startswith(CONDA) or (entry.scope != "default" and entry.group in seen):
                continue
            if entry.url and any(routed.start == entry.start for routed in declarations.routed):
                continue  # a source of poetry: CPU305 speaks of it
            problem = _problem(entry, gpu_index=gpu_index)
            if not problem or not holds_on(entry.marker, "linux-x86_64", "linux-aarch64", "windows-amd64"):
                continue
            half = _cpu_half(entry, declarations)
            if half:
                line = place(source, project, entry.start, entry.end).line
                yield Safe(
                    path=source.path, line=line, reason=f"{entry.name}: by choice ({entry.group}), {half} is there"
                )
                continue
            seen.add(entry.group)
            severity: Severity = "error"
            if entry.marker or entry.scope != "default" or _by_choice(source):
                severity = "warning"
            yield self._finding(source, project, entry, severity, problem, _fix(entry, source, project))

    def _commands(self, source: Source, project: Project) -> Iterator[Finding]:
        variant = is_gpu_variant(source, project)
        for scope, _, commands in commands_of(source, project):
            for command in commands:
                install = parse_install(command, {})
                if install is None:
                    continue
                chosen = is_choice(command.condition) or says_gpu(scope.name) or _by_choice(source)
                conda = install.tool == "conda"
                names = {entry.name for entry in install.requirements}
                if conda and names & {"pytorch", "torch"}:
                    continue  # CPU402
                for entry in install.requirements:
                    problem = "" if entry.name in TORCH else _problem(entry, gpu_index=False)
                    if conda:
                        problem = f"conda's {entry.name} brings CUDA" if brings_cuda(entry.name) else ""
                    if not problem:
                        continue
                    # The others install without a GPU, and lie there unused.
                    needs = conda or entry.name in _NEED_CUDA or not is_gpu_payload(entry.name)
                    severity: Severity = "error" if needs and not chosen else "warning"
                    severity = "note" if variant else severity
                    yield self._finding(source, project, entry, severity, problem, None)
                    if conda:
                        break

    def _finding(
        self, source: Source, project: Project, entry: Declared, severity: Severity, problem: str, fix: Fix | None
    ) -> Finding:  # fmt: skip
        return Finding(
            code=self.code,
            severity=severity,
            confidence="high",
            path=source.path,
            location=place(source, project, entry.start, entry.end),
            message=problem,
            fix=fix,
        )


def _cpu_half(entry: Declared, declarations: Declarations) -> str:
    """The CPU extra or group beside a GPU one; empty if this is not one of a pair."""
    if entry.scope == "default" or not says_gpu(entry.group):
        return ""
    return next((other.group for other in declarations.requirements if says_cpu(other.group)), "")


def _by_choice(source: Source) -> bool:
    return is_test(source.path) or is_example(source.path) or is_benchmark(source.path)


def _problem(entry: Declared, *, gpu_index: bool) -> str:
    """What is wrong with one requirement; empty if nothing is."""
    wheel = wheel_of(entry.url) if entry.url else None
    if wheel is not None and is_gpu_local(wheel[1].local):
        return f"a wheel of {entry.name} for {wheel[1].local}: the GPU build"
    if entry.url and route_of(entry.url) in ("gpu", "nvidia", "extension"):
        return f"{entry.name} from a GPU index"
    pin = entry.pin
    if pin is not None and is_gpu_local(pin.local):
        return f"{entry.name} is pinned to {pin}, the GPU build; no CPU index has it"
    if entry.name == _IPEX and gpu_index:
        return f"{entry.name} for Intel GPUs (by the index of this file)"
    return _payload(entry.name) if is_gpu_payload(entry.name) else ""


def _payload(name: str) -> str:
    uses = {
        "onnxruntime-gpu": "onnxruntime runs on CPUs",
        "faiss-gpu": "faiss-cpu runs on CPUs",
        "tensorflow-gpu": "tensorflow runs on CPUs",
    }
    return f"{name} is a GPU package: {uses.get(name, 'it has no use without a GPU')}"


_WITH_CPU_BUILDS = frozenset({"torch", "torchvision", "torchaudio"})
"""Those of which the PyTorch index has ``+cpu`` beside ``+cuNNN``, release by release."""
_PIN = re.compile(r"(===?\s*v?\d[\w.!]*)\+[\w.]+")


def _fix(entry: Declared, source: Source, project: Project) -> Fix | None:
    """``+cuNNN`` taken off a pin (``+cpu`` where every build is offered); a CUDA wheel's URL turned into such a pin."""
    # Of other packages nobody knows whether a public version is anywhere.
    if says_gpu(entry.group) or not is_family(entry.name):
        return None
    if entry.hashed:
        return None  # the hashes are those of the GPU build's files
    # In a file that is meant for GPUs, beside one that is not, the pin is no mistake.
    safe = not is_gpu_variant(source, project) and not has_cpu_sibling(source, project)
    local, message = "", "Pin the public version"
    if _offers_every_build(source, project):
        if entry.name not in _WITH_CPU_BUILDS:
            return None
        local, message = "+cpu", "Pin the CPU build"
    raw = source.text[entry.start : entry.end]
    pin = entry.pin
    if pin is not None and is_gpu_local(pin.local) and not entry.url:
        if pin.is_prerelease:
            return None  # a nightly build: its public version is nowhere
        match = _PIN.search(raw)
        if match is None:
            return None
        at = entry.start + match.end(1)
        edit = Edit(start=at, end=entry.start + match.end(), replacement=local)
        return Fix(message=message, edits=(edit,), safe=safe)
    url = entry.url or ""
    wheel = wheel_of(url) if url in raw and source.kind not in ("pyproject", "pipfile") else None
    if wheel is None or not is_gpu_local(wheel[1].local) or wheel[1].is_prerelease:
        return None
    match = re.match(r"(?P<head>[\w.\[\],-]+\s*@\s*)?" + re.escape(url), raw)
    if match is None:
        return None
    head = (match.group("head") or f"{entry.name}@").split("@")[0].strip()
    edit = Edit(start=entry.start, end=entry.start + match.end(), replacement=f"{head}=={wheel[1].public}{local}")
    return Fix(message=message, edits=(edit,), safe=safe)


def _offers_every_build(source: Source, project: Project) -> bool:
    """Whether a page of builds for CPU and GPU alike stays: of a public version pip takes the highest local one."""
    if has_envtool(project):
        return False  # envtool routes torch, and the page may go
    declared = [declarations_of(file, project) for file in read_together(source, project)]
    urls = [option.url for part in declared for option in part.options if not option.inline]
    urls += [index.url for part in declared for index in part.indexes if not index.explicit]
    return any(route_of(url) == "pytorch" for url in urls)


RULE = GpuRequirement()
