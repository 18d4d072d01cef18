"""CPU208: any use of ``torch.jit``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import dotted, imported_names
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.syntax import tree_of


class TorchScriptUse:
    """TorchScript works on CPU-only torch, and is deprecated: worth knowing when torch is upgraded."""

    code = "CPU208"
    name = "torchscript-use"
    summary = "TorchScript is deprecated since torch 2.13"
    kinds: Sequence[SourceKind] = ("python", "notebook")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """The first use in a file, with the number of the others."""
        if "jit" not in source.text:
            return
        tree, names = tree_of(source, project), imported_names(source, project)
        uses = [
            node
            for node in (ast.walk(tree) if tree is not None else ())
            if isinstance(node, ast.Attribute | ast.Name) and _is_use(dotted(node, names))
        ]
        if uses:
            first = min(uses, key=lambda node: (node.lineno, node.col_offset))
            more = len({node.lineno for node in uses}) - 1
            count = f" (and on {more} more line{'s' if more > 1 else ''})" if more else ""
            yield Report(self.code, source, project).note(
                first,
                f"TorchScript is deprecated in torch 2.13 and warns in 2.15{count}: it works, plan for torch.export",
            )


def _is_use(name: str) -> bool:
    return name.startswith("torch.jit.") and name.count(".") == 2 and not name.startswith("torch.jit.is_")


RULE = TorchScriptUse()
