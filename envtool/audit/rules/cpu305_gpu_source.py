"""CPU305 (R05): the sources of uv, poetry, PDM, pixi, pipenv or conda point torch at a CUDA build."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.deps.conda import CONDA, brings_cuda
from envtool.audit.deps.markers import holds_on
from envtool.audit.deps.model import Declarations, NamedIndex, Routed
from envtool.audit.deps.read import beside, declarations_of
from envtool.audit.deps.routes import route_of, wheel_of
from envtool.audit.models import Finding, Project, Safe, Severity, Source, SourceKind
from envtool.audit.naming import says_cpu, says_gpu
from envtool.audit.places import place
from envtool.torch.backends import is_gpu_local
from envtool.torch.family import is_family


class GpuSource:
    """A tool's own routing says: the GPU build."""

    code = "CPU305"
    name = "gpu-source"
    summary = "A source of uv, poetry, PDM, pixi or conda points torch at a GPU build"
    kinds: Sequence[SourceKind] = ("pyproject", "pipfile", "conda")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Routed packages, the indexes that they or everything go to, and conda's CUDA packages."""
        declarations = declarations_of(source, project)
        yield from self._sources(declarations, source, project)
        for option in declarations.options:
            route = route_of(option.url)
            if route in ("gpu", "nvidia", "extension"):
                message = "an index of GPU builds for every install of this project"
                # No torch is at NVIDIA's: what is taken from there is named, and has a finding of its own.
                severity: Severity = "warning" if route == "nvidia" else "error"
                yield self._finding(source, project, (option.start, option.end), severity, message)
        if declarations.backend and is_gpu_local(declarations.backend):
            at = max(source.text.find("torch-backend"), 0)
            message = f"torch-backend = {declarations.backend!r}: uv takes torch from a GPU index"
            yield self._finding(source, project, (at, at + len("torch-backend")), "error", message)
        yield from self._conda(source, project, declarations)

    def _sources(self, declarations: Declarations, source: Source, project: Project) -> Iterator[Finding | Safe]:
        paired = _paired(declarations)
        used: set[str] = set()
        locked = _locked(source, project)
        bound: list[Routed] = []
        for routed in declarations.routed:
            if not _leads_to_gpu(routed.url):
                continue
            location = place(source, project, routed.start, routed.end)
            choice = routed.choice or _group_of(routed.name, declarations)
            if choice and paired:
                reason = f"{routed.name}: GPU build by choice ({choice}), {paired} is there"
                yield Safe(path=source.path, line=location.line, reason=reason)
                continue
            if not holds_on(routed.marker, "linux-x86_64", "linux-aarch64", "windows-amd64"):
                continue
            severity: Severity = "warning" if choice or not is_family(routed.name) else "error"
            if is_family(routed.name) and not choice:
                used.add(routed.url or "")
                if locked and routed.direct_only:
                    bound.append(routed)
                    continue
            message = _routed_message(routed.name, choice)
            yield self._finding(source, project, (routed.start, routed.end), severity, message)
        if bound:
            yield self._bound(bound, source, project)
        for index in declarations.indexes:
            if bound and index.explicit and index.url in used:
                continue  # said with the packages that take it
            yield from self._index(index, used, source, project)

    def _bound(self, bound: list[Routed], source: Source, project: Project) -> Finding:
        """One finding for all, where envtool's lock does not follow these sources."""
        first = min(bound, key=lambda routed: (routed.name != "torch", routed.start))
        names = sorted({routed.name for routed in bound}, key=lambda name: (name != "torch", name))
        what = f"{', '.join(names[:-1])} and {names[-1]} are" if names[1:] else f"{names[0]} is"
        message = (
            f"{what} bound to a GPU build: that is what uv sync and uv run install, and pip takes the default index's; "
            "only envtool's lock routes the torch family to CPU builds"
        )
        return self._finding(source, project, (first.start, first.end), "error", message)

    def _index(self, index: NamedIndex, used: set[str], source: Source, project: Project) -> Iterator[Finding]:
        if route_of(index.url) not in ("gpu", "extension") or (index.explicit and index.url not in used):
            return
        message = f"index {index.name!r} holds GPU builds" + ("" if index.explicit else " and every package may use it")
        yield self._finding(source, project, (index.start, index.end), "error", message)

    def _conda(self, source: Source, project: Project, declarations: Declarations) -> Iterator[Finding]:
        groups = {entry.group for entry in declarations.requirements if entry.group.startswith(CONDA)}
        plain = any(not says_gpu(group) for group in groups)
        for entry in declarations.requirements:
            if not entry.group.startswith(CONDA):
                continue
            family = entry.name.startswith(("pytorch", "torchvision", "torchaudio"))
            build = re.search(r"cuda|cu\d{2,3}|gpu", entry.specifier) if family else None
            if not brings_cuda(entry.name) and not build:
                continue
            severity: Severity = "error"
            if entry.group != CONDA:  # a feature of pixi
                severity = "warning" if plain else "error"
            message = f"conda's {entry.name} brings CUDA: a machine without a GPU has no use for it"
            yield self._finding(source, project, (entry.start, entry.end), severity, message)

    def _finding(
        self, source: Source, project: Project, span: tuple[int, int], severity: Severity, message: str
    ) -> Finding:
        return Finding(
            code=self.code,
            severity=severity,
            confidence="high",
            path=source.path,
            location=place(source, project, *span),
            message=message,
        )


def _locked(source: Source, project: Project) -> bool:
    """Whether a lock of envtool stands beside a pyproject.toml: it routes the torch family whatever uv is told."""
    name = source.path.rsplit("/", 1)[-1]
    return name == "pyproject.toml" and beside(source.path, "lockfiles/lock.toml") in project.sources


def _leads_to_gpu(url: str | None) -> bool:
    if not url:
        return False
    wheel = wheel_of(url)
    return route_of(url) in ("gpu", "extension") or (wheel is not None and is_gpu_local(wheel[1].local))


def _paired(declarations: Declarations) -> str:
    """The CPU half of a cpu/gpu pair of extras or groups, in words; empty if there is none."""
    for routed in declarations.routed:
        if routed.choice and routed.url and route_of(routed.url) == "cpu":
            return f"{routed.choice!r}"
    for entry in declarations.requirements:
        if entry.scope != "default" and says_cpu(entry.group):
            return f"{entry.group!r}"
    if any(not entry.choice and entry.url and route_of(entry.url) == "cpu" for entry in declarations.routed):
        return "a CPU source by default"
    return ""


def _group_of(name: str, declarations: Declarations) -> str:
    """The extra or group that a package is required by, if nothing requires it otherwise; empty if something does."""
    groups = [entry.group for entry in declarations.requirements if entry.name == name]
    # uv installs the group "dev" unless it is told not to.
    default = any(
        entry.scope == "default" or entry.group == "dev" for entry in declarations.requirements if entry.name == name
    )
    return "" if default or not groups else groups[0]


def _routed_message(name: str, choice: str) -> str:
    if not is_family(name):
        return f"{name} is taken from an index of GPU builds"
    return f"{name} is bound to a GPU build" + (f" by {choice!r}" if choice else "")


RULE = GpuSource()
