"""CPU110: ``torch.jit.load`` with a map_location that only torch.load takes (AUDIT P10)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import FUNCTIONS, Flow, keyword


class JitMapLocation(CodeRule):
    """A function or a dict is given as map_location to torch.jit.load."""

    code = "CPU110"
    name = "jit-map-location-callable"
    summary = "torch.jit.load takes a string or a device as map_location, nothing else"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of torch.jit.load whose map_location is a lambda, a function of the module or a dict."""
        for call in flow.calls:
            if flow.dotted(call.func) != "torch.jit.load":
                continue
            given = call.args[1] if len(call.args) > 1 else keyword(call, "map_location")
            kind = _kind(flow, given)
            if kind:
                message = (
                    "raises ValueError: map_location should be either None, string or torch.device, "
                    f"but got type: <class '{kind}'>"
                )
                yield from self.report(flow, call, message, raised="ValueError")


def _kind(flow: Flow, node: ast.expr | None) -> str:
    if isinstance(node, ast.Name):
        bound = flow.lookup(node.id, node)
        if bound is not None and len(bound[1]) == 1:
            binding = bound[1][0]
            if isinstance(binding.statement, FUNCTIONS):
                return "function"
            node = binding.value
    if isinstance(node, ast.Lambda):
        return "function"
    return "dict" if isinstance(node, ast.Dict | ast.DictComp) else ""


RULE = JitMapLocation()
