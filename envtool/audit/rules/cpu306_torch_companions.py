"""CPU306 (R06): torchvision or torchaudio that does not fit torch, or comes from another place than torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.version import Version

from envtool.audit.deps.markers import holds_on
from envtool.audit.deps.model import Declarations, Declared
from envtool.audit.deps.read import declarations_of
from envtool.audit.deps.routes import Route, route_of
from envtool.audit.install.torch_steps import torch_steps
from envtool.audit.models import COMMANDS, DECLARATIONS, Finding, Project, Safe, Severity, Source, SourceKind
from envtool.audit.places import place

DIES = "its import dies (operator torchvision::nms does not exist)"


class TorchCompanions:
    """torch, torchvision and torchaudio are built for each other."""

    code = "CPU306"
    name = "torch-companions"
    summary = "torchvision or torchaudio without the matching torch"
    kinds: Sequence[SourceKind] = (*DECLARATIONS, *COMMANDS)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Versions that do not pair, and sources that differ."""
        if source.kind in COMMANDS:
            yield from self._commands(source, project)
            return
        declarations = declarations_of(source, project)
        for group in {entry.group for entry in declarations.requirements if not entry.group.startswith("conda:")}:
            entries = [entry for entry in declarations.requirements if entry.group == group]
            yield from self._versions(entries, source, project)
        if declarations.routed:
            yield from self._routes(declarations, source, project)

    def _versions(self, entries: list[Declared], source: Source, project: Project) -> Iterator[Finding]:
        # Alternatives behind markers pair among themselves; only a single pin of torch says which one.
        torch = [entry for entry in entries if entry.name == "torch"]
        if len(torch) != 1 or torch[0].pin is None:
            return
        for entry in entries:
            if entry.name not in ("torchvision", "torchaudio") or entry.pin is None or entry.marker != torch[0].marker:
                continue
            wanted = companion_of(entry.name, torch[0].pin)
            if wanted is None or wanted == entry.pin.release[:2]:
                continue
            message = (
                f"{entry.name} {entry.pin.public} does not fit torch {torch[0].pin.public}: "
                f"that one pairs with {entry.name} {wanted[0]}.{wanted[1]}"
            )
            yield self._finding(source, project, (entry.start, entry.end), "error", message)

    def _routes(self, declarations: Declarations, source: Source, project: Project) -> Iterator[Finding]:
        torch = _route(declarations, "torch")
        if torch is None:
            return
        for entry in declarations.requirements:
            if entry.name not in ("torchvision", "torchaudio") or not holds_on(entry.marker, "linux-x86_64"):
                continue
            own = _route(declarations, entry.name) or _shared_route(declarations)
            if own == torch or entry.url:
                continue
            message = f"{entry.name} comes from another index than torch ({own}, not {torch}): {DIES}"
            # Only a CPU torch with the default index's companion was seen to break.
            severity: Severity = "error" if torch == "cpu" and own in ("default", "gpu") else "warning"
            yield self._finding(source, project, (entry.start, entry.end), severity, message)

    def _commands(self, source: Source, project: Project) -> Iterator[Finding]:
        seen: set[int] = set()
        for step in torch_steps(source, project):
            if step.mixed and step.start not in seen and step.how != "project":
                seen.add(step.start)
                message = f"{step.requirement.name} comes from the default index, torch from the CPU index: {DIES}"
                yield self._finding(source, project, (step.start, step.end), "error", message)

    def _finding(
        self, source: Source, project: Project, span: tuple[int, int], severity: Severity, message: str
    ) -> Finding:
        return Finding(
            code=self.code,
            severity=severity,
            confidence="high" if severity == "error" else "medium",
            path=source.path,
            location=place(source, project, *span),
            message=message,
        )


def _route(declarations: Declarations, name: str) -> Route | None:
    """Where a package is bound to on Linux x86-64 when nothing is chosen; None if it is not bound."""
    for routed in declarations.routed:
        if routed.name == name and not routed.choice and routed.url and holds_on(routed.marker, "linux-x86_64"):
            return route_of(routed.url)
    return None


def _shared_route(declarations: Declarations) -> Route:
    """Where a package comes from that is not bound: an index for every package is asked before the default one."""
    urls = [index.url for index in declarations.indexes if not index.explicit]
    urls += [option.url for option in declarations.options]
    return next((route for route in map(route_of, urls) if route in ("cpu", "gpu")), "default")


def companion_of(name: str, torch: Version) -> tuple[int, int] | None:
    """The release (major, minor) of torchvision or torchaudio that is built for a release of torch; None if unknown.

    Source: the compatibility tables in the READMEs of torchvision and torchaudio. torchaudio stays at 2.11.
    """
    major, minor = torch.release[0], torch.release[1] if len(torch.release) > 1 else 0
    if name == "torchvision":
        if major == 2:
            return 0, minor + 15
        if major == 1 and minor >= 4:
            return 0, minor + 1
    if name == "torchaudio":
        if major == 2:
            return 2, min(minor, 11)
        if major == 1 and minor >= 6:
            return 0, minor
    return None


RULE = TorchCompanions()
