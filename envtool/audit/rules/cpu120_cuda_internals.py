"""CPU120: ``torch._C._cuda_…`` and the text of ``torch.version.cuda`` (AUDIT P20)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow

_PARSERS = frozenset({"int", "float", "Version", "parse", "LooseVersion", "StrictVersion", "tuple", "list", "len"})


class CudaInternals(CodeRule):
    """Internals of a CUDA build are used, or its version is read as text."""

    code = "CPU120"
    name = "cuda-internals"
    summary = "Internals of a CUDA build are used, or torch.version.cuda is read as text"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Attributes of torch._C that are absent, and operations on None."""
        for node in flow.attributes:
            dotted = flow.dotted(node) or ""
            parent = flow.parents.get(node)
            if dotted.startswith("torch._C._cuda_") and dotted.count(".") == 2:
                name = dotted.rsplit(".", 1)[-1]
                if isinstance(node.ctx, ast.Load):
                    message = f"raises AttributeError: module 'torch._C' has no attribute '{name}'"
                    yield from self.report(flow, node, message, raised="AttributeError")
            elif dotted == "torch.version.cuda":
                said = _use_of_none(parent, node)
                if said and isinstance(parent, ast.expr):
                    message = f"torch.version.cuda is None: raises {said}"
                    yield from self.report(flow, parent, message, raised=said.split(":")[0])


def _use_of_none(parent: ast.AST | None, node: ast.Attribute) -> str:
    if isinstance(parent, ast.Attribute):
        return f"AttributeError: 'NoneType' object has no attribute '{parent.attr}'"
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return "TypeError: 'NoneType' object is not subscriptable"
    if isinstance(parent, ast.Call) and node in parent.args:
        name = parent.func.attr if isinstance(parent.func, ast.Attribute) else getattr(parent.func, "id", "")
        if name in _PARSERS:
            return f"TypeError: {name}() cannot take None"
    return ""


RULE = CudaInternals()
