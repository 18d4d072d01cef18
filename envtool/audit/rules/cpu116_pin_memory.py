"""CPU116: ``tensor.pin_memory()`` (AUDIT P16)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow, keyword
from envtool.audit.models import Location
from envtool.audit.modules import flows_naming
from envtool.audit.syntax import locate_method

_FACTORIES = frozenset({"empty", "zeros", "ones", "full", "rand", "randn", "tensor", "arange", "empty_like"})


class PinMemory(CodeRule):
    """A tensor is copied to pinned memory, which only an accelerator's driver has."""

    code = "CPU116"
    name = "pin-memory"
    summary = "A tensor is pinned, which needs an accelerator"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of ``x.pin_memory()`` and factories with ``pin_memory=True``; a DataLoader only warns."""
        for call in flow.calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr == "pin_memory" and len(call.args) <= 1:
                if not _own_method(flow, call):
                    said = "RuntimeError: Cannot access accelerator device when none is available."
                    yield from self.report(flow, call, f".pin_memory() raises {said}", raised="RuntimeError")
                continue
            dotted = flow.dotted(call.func) or ""
            pinned = keyword(call, "pin_memory")
            if (
                dotted.removeprefix("torch.") in _FACTORIES
                and isinstance(pinned, ast.Constant)
                and pinned.value is True
            ):
                said = "RuntimeError: pin_memory=True requires a CUDA or other accelerator backend"
                yield from self.report(flow, call, f"raises {said}", raised="RuntimeError")

    def place(self, flow: Flow, node: ast.expr | ast.stmt) -> Location:
        """The end of a chain of calls, where ``pin_memory()`` is written."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pin_memory":
            return locate_method(node, flow.source, flow.project)
        return super().place(flow, node)


def _own_method(flow: Flow, call: ast.Call) -> bool:
    """Whether the project has a class with such a method: the DataLoader calls it, and only for an accelerator."""
    if not (isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)):
        return False
    name = call.func.value.id
    if name in ("self", "batch", "sample"):
        return any(
            function.name == "pin_memory"
            for other in flows_naming(flow.project, "pin_memory")
            for function in other.functions
        )
    return False


RULE = PinMemory()
