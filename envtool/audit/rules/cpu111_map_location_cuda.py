"""CPU111: ``map_location="cuda"`` (AUDIT P11)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row, device_sinks, written_as
from envtool.audit.flow import Flow, keyword
from envtool.audit.values import always_cuda, evaluate

_ERROR = "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False"


class MapLocationCuda(CodeRule):
    """A file is loaded to a CUDA device."""

    code = "CPU111"
    name = "map-location-cuda"
    summary = "map_location names a CUDA device"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Loads with a CUDA device written in the call."""
        for sink in device_sinks(flow):
            if sink.kind == "load" and sink.inline:
                message = f"map_location={written_as(sink.device)} raises {_ERROR}"
                yield from self.report(flow, sink.device, message, raised="RuntimeError")
        for call in flow.calls:
            if flow.dotted(call.func) == "torch.load":
                yield from self._mapped(flow, call)

    def _mapped(self, flow: Flow, call: ast.Call) -> Iterable[Row]:
        """``map_location={"cuda:0": f"cuda:{rank}"}``: only what a file holds on that device is sent there."""
        given = _mapping(flow, call.args[1] if len(call.args) > 1 else keyword(call, "map_location"))
        for key, value in zip(given.keys, given.values, strict=True) if given is not None else ():
            if key is not None and always_cuda(evaluate(flow, value)):
                message = (
                    f"map_location sends {written_as(key)} to {written_as(value)}: for a file saved there {_ERROR}"
                )
                yield from self.report(flow, value, message, raised="RuntimeError", severity="warning")


def _mapping(flow: Flow, node: ast.expr | None) -> ast.Dict | None:
    if isinstance(node, ast.Name):
        bound = flow.lookup(node.id, node)
        node = bound[1][0].value if bound is not None and len(bound[1]) == 1 else None
    return node if isinstance(node, ast.Dict) else None


RULE = MapLocationCuda()
