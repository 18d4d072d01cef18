"""CPU212: a spec excludes what torch needs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import parents_of
from envtool.audit.edits import remove_element
from envtool.audit.frozen import apps_of, uses_torch
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import Item, Spec, spec_of

_OF_TORCH = (
    *("testing", "distributed", "ao", "quantization", "cuda", "backends.cuda", "backends.cudnn", "xpu", "mps", "mtia"),
    *("optim", "package", "profiler", "distributions", "hub", "utils.data", "export", "compiler", "_functorch"),
)
# Each was left out of a bundle that imports torch, loads a model and runs it: that failed.
NEEDED = frozenset({f"torch.{name}" for name in _OF_TORCH}) | frozenset(
    {"unittest", "asyncio", "multiprocessing", "email", "http", "urllib", "numpy"}
)
"""Modules whose exclusion breaks ``import torch`` or the bridge to numpy."""


class ExcludedNeed:
    """``import torch`` reaches these modules on every build; so does the bridge to numpy."""

    code = "CPU212"
    name = "excluded-need"
    summary = "A module that torch needs is excluded from the bundle"
    kinds: Sequence[SourceKind] = ("spec", "python")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Items of excludes (of excludedimports in a hook for torch)."""
        spec = spec_of(source, project)
        if spec is None or not _has_torch(spec, project):
            return
        report = Report(self.code, source, project)
        parents = parents_of(spec.tree)
        for item in spec.items("excludes"):
            if item.text in NEEDED:
                yield report.error(item.node, _message(item), fix=self._fix(item, parents.get(item.node), report))

    def _fix(self, item: Item, parent: object, report: Report) -> Fix | None:
        edit = None
        if isinstance(parent, ast.AST):
            edit = remove_element(item.node, parent, report.source, report.project)
        return None if edit is None else Fix(message=f"no longer exclude {item.text}", edits=(edit,), safe=False)


def _message(item: Item) -> str:
    if item.text == "numpy":
        return "numpy is excluded: tensor.numpy() and torch.from_numpy raise RuntimeError: Numpy is not available"
    return f"{item.text} is excluded, and import torch needs it: ModuleNotFoundError when the app starts"


def _has_torch(spec: Spec, project: Project) -> bool:
    if spec.is_hook:
        return spec.source.path.rpartition("/")[2] == "hook-torch.py"
    return any(app.spec is spec and uses_torch(app, project) for app in apps_of(project))


RULE = ExcludedNeed()
