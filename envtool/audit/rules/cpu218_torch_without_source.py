"""CPU218: torch is collected without its source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.edits import replace_node
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of

_WITHOUT = frozenset({"pyz", "pyc"})


class TorchWithoutSource:
    """torch compiles parts of itself with TorchScript when it is imported, and reads its own source for it."""

    code = "CPU218"
    name = "torch-without-source"
    summary = "torch is frozen without its source"
    kinds: Sequence[SourceKind] = ("spec", "python")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """The mode of torch in module_collection_mode, of a spec or of ``hook-torch.py``."""
        spec = spec_of(source, project)
        if spec is None or "torch" not in spec.modes:
            return
        mode, node = spec.modes["torch"]
        if mode in _WITHOUT:
            edit = replace_node(node, '"pyz+py"', source, project)
            yield Report(self.code, source, project).error(
                node,
                f'torch collected as "{mode}" has no source, and import torch fails: use "pyz+py"',
                fix=Fix(message="collect torch with its source", edits=(edit,)),
            )


RULE = TorchWithoutSource()
