"""CPU104: ``torch.cuda.FloatTensor`` and its kin (AUDIT P04)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.values import evaluate

_TYPE = re.compile(r"^torch\.cuda\.\w*Tensor$")


class CudaTensorType(CodeRule):
    """A tensor type of CUDA is called, set as the default, or converted to."""

    code = "CPU104"
    name = "cuda-tensor-type"
    summary = "A legacy CUDA tensor type is used"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls only: an annotation or an isinstance() test with such a type is harmless."""
        if "Tensor" not in flow.source.text or "cuda" not in flow.source.text:
            return
        for call in flow.calls:
            dotted = flow.dotted(call.func) or ""
            said = "TypeError: type {} not available. Torch not compiled with CUDA enabled."
            if kind := _only_cuda(flow, call.func):
                yield from self.report(flow, call, f"{kind}() raises {said.format(kind)}", raised="TypeError")
            elif dotted == "torch.set_default_tensor_type" and call.args:
                if kind := _only_cuda(flow, call.args[0]):
                    yield from self.report(flow, call, f"raises {said.format(kind)}", raised="TypeError")
            elif kind := _converted_to(flow, call):
                message = f".type({kind}) raises RuntimeError: Cannot initialize CUDA without ATen_cuda library"
                yield from self.report(flow, call, message, raised="RuntimeError")


def _converted_to(flow: Flow, call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute) and call.func.attr == "type" and len(call.args) == 1:
        return _only_cuda(flow, call.args[0])
    return ""


def _only_cuda(flow: Flow, node: ast.expr) -> str:
    values = evaluate(flow, node)
    if values and all(isinstance(value.const, str) and _TYPE.match(value.const) for value in values):
        return str(min(value.const for value in values))
    return ""


RULE = CudaTensorType()
