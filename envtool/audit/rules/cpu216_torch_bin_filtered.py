"""CPU216: a filter that drops all of ``torch/bin``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import parents_of, text_of
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of

_FOLDER = re.compile(r"(.*[\\/])?torch[\\/]+bin[\\/]*")


class TorchBinFiltered:
    """``import torch`` on Linux looks for ``torch/bin/torch_shm_manager``."""

    code = "CPU216"
    name = "torch-bin-filtered"
    summary = "The spec drops torch/bin with torch_shm_manager in it"
    kinds: Sequence[SourceKind] = ("spec",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Comparisons with the folder inside a filter over a.binaries or a.datas."""
        spec = spec_of(source, project)
        if spec is None:
            return
        report = Report(self.code, source, project)
        parents = parents_of(spec.tree)
        for node in ast.walk(spec.tree):
            text = text_of(node)
            if text is None or not isinstance(node, ast.Constant) or not _FOLDER.fullmatch(text):
                continue
            statement, negated = _enclosing(node, parents)
            if statement is None or "torch_shm_manager" in ast.dump(statement):
                continue
            if _is_filter(statement) and negated:
                yield report.error(
                    node,
                    "dropping all of torch/bin takes torch_shm_manager with it: on Linux, import torch raises "
                    "RuntimeError: Unable to find torch_shm_manager; keep that one file",
                )


def _enclosing(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[ast.stmt | None, bool]:
    """The statement around a node, and whether a ``not`` (or ``not in``) lies between."""
    negated = False
    while node in parents and not isinstance(node, ast.stmt):
        node = parents[node]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            negated = True
        if isinstance(node, ast.Compare) and any(isinstance(operator, ast.NotIn | ast.NotEq) for operator in node.ops):
            negated = True
    return (node, negated) if isinstance(node, ast.stmt) else (None, negated)


def _is_filter(statement: ast.stmt) -> bool:
    reads = {node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    return bool(reads & {"binaries", "datas"})


RULE = TorchBinFiltered()
