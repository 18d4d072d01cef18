"""CPU107: streams, events, graphs, device contexts, NVTX and generators of CUDA (AUDIT P07)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, device_sinks
from envtool.audit.flow import Flow
from envtool.audit.torch_calls import DUMMIES, short_name
from envtool.audit.values import evaluate

_GENERATOR = "RuntimeError: Cannot get CUDA generator without ATen_cuda library"


class CudaObject(CodeRule):
    """A stream, event, graph, device context or generator of CUDA is made."""

    code = "CPU107"
    name = "cuda-object"
    summary = "A CUDA stream, event, graph, device context, NVTX mark or generator is used"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls that raise; ``torch.cuda.device(None)`` and ``torch.cuda.stream(None)`` do nothing."""
        for call in flow.calls:
            name = short_name(flow.dotted(call.func) or "")
            if name in DUMMIES:
                message = f"torch.cuda.{name}() raises {DUMMIES[name]}"
                yield from self.report(flow, call, message, raised="RuntimeError")
            elif name == "device" and _is_entered(flow, call) and not _nothing(flow, call):
                yield from self.report(flow, call, f"entering torch.cuda.device() raises {NOT_COMPILED}")
        for sink in device_sinks(flow):
            if sink.kind == "generator" and sink.inline:
                yield from self.report(flow, sink.call, f"raises {_GENERATOR}", raised="RuntimeError")


def _is_entered(flow: Flow, call: ast.Call) -> bool:
    return isinstance(flow.parents.get(call), ast.withitem) or (
        isinstance(parent := flow.parents.get(call), ast.Call)
        and isinstance(parent.func, ast.Attribute)
        and parent.func.attr == "enter_context"
    )


def _nothing(flow: Flow, call: ast.Call) -> bool:
    values = evaluate(flow, call.args[0]) if call.args else None
    return bool(values) and all(value.const in (None, -1, "cpu") for value in values or ())


RULE = CudaObject()
