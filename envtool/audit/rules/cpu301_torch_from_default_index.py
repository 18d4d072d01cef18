"""CPU301 (R01): torch comes from the default index, which on Linux means the CUDA build."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.classify import is_benchmark, is_example, is_test
from envtool.audit.deps.brings_torch import TORCH, brings_torch
from envtool.audit.deps.conda import CONDA
from envtool.audit.deps.cpu_route import cpu_route, cpu_route_for
from envtool.audit.deps.markers import on_linux
from envtool.audit.deps.model import Declared, Routed
from envtool.audit.deps.read import beside, declarations_of, included, includers, lock_of
from envtool.audit.deps.routes import Route, route_of
from envtool.audit.deps.uv_direct import unused_source
from envtool.audit.models import DECLARATIONS, Confidence, Finding, Project, Safe, Severity, Source, SourceKind
from envtool.audit.naming import is_cpu_file, is_side, says_gpu, says_not_linux
from envtool.audit.places import place

COST = "the CUDA build with its GPU packages (about 2.7 GB)"


class TorchFromDefaultIndex:
    """torch with nothing that says where it comes from."""

    code = "CPU301"
    name = "torch-from-default-index"
    summary = "torch comes from the default index: the CUDA build on Linux"
    kinds: Sequence[SourceKind] = (*DECLARATIONS, "lock")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """One finding for a file, at the requirement that brings torch most directly."""
        if source.kind == "lock":
            yield from self._lock(source, project)
            return
        yield from self._build(source, project)
        unused = unused_source(source, project)
        if unused is not None:
            yield self._unused(unused, source, project)
            return
        first = _unrouted(source, project)
        if first is None:
            return
        location = place(source, project, first.start, first.end)
        route = cpu_route_for(source, project)
        if route:
            yield Safe(path=source.path, line=location.line, reason=f"{first.name}: CPU builds come by {route}")
            return
        severity, confidence = _weight(first, source, project)
        other = cpu_route(project)
        if other:
            severity, confidence = "warning", "medium"
        what = "torch" if first.name == "torch" else f"{first.name} (which is built for torch)"
        if first.name not in TORCH:
            what = f"{first.name}, which requires torch,"
        where = f" (extra {first.group!r})" if first.scope == "extra" else ""
        yield Finding(
            code=self.code,
            severity=severity,
            confidence=confidence,
            path=source.path,
            location=location,
            message=f"{what} comes from the default index, on Linux as {COST}{where}{_elsewhere(other)}",
        )

    def _build(self, source: Source, project: Project) -> Iterable[Finding]:
        """What ``[build-system]`` requires is in no lock, and no requirements file routes it."""
        declarations = declarations_of(source, project)
        routes = _option_routes(source, project)
        routes |= {route_of(index.url) for index in declarations.indexes if not index.explicit}
        routed = {entry.name for entry in declarations.routed}
        found = [
            entry
            for entry in declarations.builds
            if brings_torch(entry.name, entry.extras)
            and not (entry.url or (entry.pin is not None and entry.pin.local))
            and on_linux(entry.marker)
        ]
        if not found or routes & {"cpu", "gpu", "other"} or "torch" in routed:
            return
        first = min(found, key=lambda entry: (entry.name != "torch", entry.start))
        what = first.name if first.name in TORCH else f"{first.name}, which requires torch,"
        yield Finding(
            code=self.code,
            severity="warning",
            confidence="medium",
            path=source.path,
            location=place(source, project, first.start, first.end),
            message=f"{what} is needed to build this project: an isolated build takes it from the default index, "
            f"on Linux as {COST}",
        )

    def _unused(self, routed: Routed, source: Source, project: Project) -> Finding | Safe:
        """A source of uv that says CPU builds, for a torch that comes by another package."""
        location = place(source, project, routed.start, routed.end)
        route = cpu_route_for(source, project)
        if route:
            return Safe(path=source.path, line=location.line, reason=f"torch: CPU builds come by {route}")
        through = [
            entry.name
            for entry in declarations_of(source, project).requirements
            if brings_torch(entry.name, entry.extras) and on_linux(entry.marker)
        ]
        by = f"only {through[0]} does" if through else "at most a package of it does"
        return Finding(
            code=self.code,
            severity="warning",
            confidence="high" if through else "medium",
            path=source.path,
            location=location,
            message=f"uv does not use this source: the project does not require torch itself, {by}, and so torch comes "
            f"from the default index, on Linux as {COST}; name torch in the dependencies",
        )

    def _lock(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        content = lock_of(source, project)
        plain = [
            entry
            for entry in content.torch
            if "+" not in entry.version
            and route_of(entry.url) in ("default", "other")
            and (not entry.markers or any(on_linux(marker) for marker in entry.markers))
        ]
        if any("+cpu" in entry.version for entry in content.torch) or not plain or not content.gpu:
            return
        location = place(source, project, plain[0].start, plain[0].end)
        route = cpu_route_for(source, project)
        if route:
            yield Safe(path=source.path, line=location.line, reason=f"CPU builds come by {route}")
            return
        other = cpu_route(project)
        default = any(entry.default for entry in plain)
        which = "every install from it" if default else "with the extra or group that asks for it, an install"
        yield Finding(
            code=self.code,
            severity="error" if default and not other else "warning",
            confidence="high",
            path=source.path,
            location=location,
            message=f"the lock holds torch {plain[0].version} from the default index and {len(content.gpu)} GPU "
            f"packages ({', '.join(content.gpu[:2])}, …): {which} on Linux is {COST}{_elsewhere(other)}",
        )


def _elsewhere(other: str) -> str:
    """That the project knows CPU builds, but not for whoever installs this file."""
    return f"; the CPU builds of {other} do not reach whoever installs this file" if other else ""


def _unrouted(source: Source, project: Project) -> Declared | None:
    """The first requirement that takes torch from the default index on Linux: torch itself before what requires it."""
    name = source.path.rsplit("/", 1)[-1].lower()
    if "constraint" in name or says_not_linux(name):
        return None
    declarations = declarations_of(source, project)
    routes = _option_routes(source, project)
    routes |= {route_of(index.url) for index in declarations.indexes if not index.explicit}
    if source.kind == "requirements":
        for other in included(source, project):
            routes |= _option_routes(other, project)
        for other in includers(source, project):
            # A variant for GPUs that is built on this file says nothing of this file.
            routes |= _option_routes(other, project) - {"gpu"}
    # "other": a mirror may well be one of CPU builds, and that cannot be seen from here.
    if routes & {"cpu", "gpu", "other"} or declarations.backend:
        return None
    routed = {entry.name for entry in declarations.routed}
    names = {entry.name for entry in declarations.requirements if entry.group.startswith(CONDA)}
    if "torch" in routed or names & {"pytorch", "pytorch-cpu", "pytorch-gpu", "cpuonly", "pytorch-cuda"}:
        return None
    found = [
        entry
        for entry in declarations.requirements
        if brings_torch(entry.name, entry.extras)
        and not entry.group.startswith(CONDA)
        and not (entry.url and entry.name in TORCH)
        and not (entry.pin is not None and entry.pin.local)
        and entry.name not in routed
        and not says_gpu(entry.group)
        and on_linux(entry.marker)
    ]
    if any(
        entry.name == "torch" and (entry.url or (entry.pin and entry.pin.local)) for entry in declarations.requirements
    ):
        return None
    order = {"default": 0, "extra": 2, "dev": 2}
    found.sort(key=lambda entry: (order[entry.scope], entry.name != "torch", entry.name not in TORCH, entry.start))
    return found[0] if found else None


def _option_routes(source: Source, project: Project) -> set[Route]:
    return {route_of(option.url) for option in declarations_of(source, project).options if not option.inline}


def _weight(first: Declared, source: Source, project: Project) -> tuple[Severity, Confidence]:
    """An application's requirements file decides; metadata does not, who installs it does."""
    if is_test(source.path) or is_example(source.path) or is_benchmark(source.path) or is_side(source.path):
        return "warning", "medium"
    if source.kind not in ("requirements", "conda", "pipfile") or first.scope != "default":
        return "warning", "medium"
    if _is_library(source, project):
        return "warning", "medium"
    if first.name in TORCH:
        return "error", "high"
    # A file named for CPUs leaves torch itself to another step.
    return ("warning" if is_cpu_file(source) else "error"), "medium"


def _is_library(source: Source, project: Project) -> bool:
    """Whether the file repeats, or is, what the metadata beside it declares."""
    for name in ("pyproject.toml", "setup.cfg", "setup.py"):
        metadata = project.sources.get(beside(source.path, name))
        if metadata is None:
            continue
        declarations = declarations_of(metadata, project)
        if source.path.rsplit("/", 1)[-1] in {read.rsplit("/", 1)[-1] for read in declarations.reads}:
            return True
        if any(brings_torch(entry.name, entry.extras) for entry in declarations.requirements):
            return True
    return False


RULE = TorchFromDefaultIndex()
