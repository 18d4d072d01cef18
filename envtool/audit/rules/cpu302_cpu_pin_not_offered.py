"""CPU302 (R02): a ``+cpu`` pin, and no index that has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.deps.cpu_route import has_envtool
from envtool.audit.deps.model import Declared
from envtool.audit.deps.read import declarations_of, included, includers
from envtool.audit.deps.routes import route_of
from envtool.audit.install.torch_steps import torch_steps
from envtool.audit.models import COMMANDS, DECLARATIONS, Finding, Project, Safe, Source, SourceKind
from envtool.audit.places import place


class CpuPinNotOffered:
    """A local version that the default index does not have."""

    code = "CPU302"
    name = "cpu-pin-not-offered"
    summary = "A +cpu pin where no index offers it: cannot be installed"
    kinds: Sequence[SourceKind] = (*DECLARATIONS, *COMMANDS)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Pins in declarations, and in install commands."""
        if source.kind in COMMANDS:
            for step in torch_steps(source, project):
                if step.origin == "unoffered" and step.how == "named" and not step.settled:
                    yield self._finding(source, project, step.requirement, step.start, step.end)
            return
        pins = [
            entry
            for entry in declarations_of(source, project).requirements
            if entry.pin is not None and entry.pin.local == "cpu" and not entry.url
        ]
        if not pins:
            return
        reason = _offered(source, project)
        for entry in pins:
            location = place(source, project, entry.start, entry.end)
            if reason:
                yield Safe(path=source.path, line=location.line, reason=f"{entry.name} {entry.pin}: {reason}")
            elif entry.name not in {routed.name for routed in declarations_of(source, project).routed}:
                yield self._finding(source, project, entry, entry.start, entry.end)

    def _finding(self, source: Source, project: Project, entry: Declared, start: int, end: int) -> Finding:
        return Finding(
            code=self.code,
            severity="error",
            confidence="high",
            path=source.path,
            location=place(source, project, start, end),
            message=f"no index here offers {entry.name} {entry.pin}: only the PyTorch index has +cpu builds "
            "(No matching distribution found)",
        )


def _offered(source: Source, project: Project) -> str:
    """Who offers ``+cpu`` builds to this file, in words; empty if nobody does."""
    if has_envtool(project):
        return "envtool routes torch to the CPU index"
    files = [source]
    if source.kind == "requirements":
        files = [*included(source, project, constraints=True), *includers(source, project)]
    for file in files:
        declarations = declarations_of(file, project)
        urls = [option.url for option in declarations.options if not option.inline]
        urls += [index.url for index in declarations.indexes if not index.explicit]
        for url in urls:
            if route_of(url) in ("cpu", "pytorch", "other"):
                return f"offered by an index option in {file.path}"
    # A lock without any place in it is envtool's: what comes from where is routing, decided at install time.
    folder = source.path.rsplit("/", 1)[0] if "/" in source.path else ""
    if f"{folder}/lock.toml".lstrip("/") in project.sources:
        return "a lock of envtool, which routes torch to the CPU index"
    for other in project.of_kind(*COMMANDS):
        for step in torch_steps(other, project):
            if step.how == "file" and step.file in files and step.origin in ("cpu", "other"):
                return f"installed with an index in {other.path}"
    return ""


RULE = CpuPinNotOffered()
