"""CPU101: ``.cuda()`` and ``.to("cuda")`` (AUDIT P01)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, device_sinks, written_as
from envtool.audit.flow import Flow
from envtool.audit.models import Location
from envtool.audit.owned import is_own_method
from envtool.audit.syntax import locate_method
from envtool.audit.torch_calls import NO_ACCELERATOR

_OTHERS = ("paddle", "jittor", "mindspore", "cupy", "numba", "tensorflow", "mxnet", "cv2", "oneflow", "cudf")


class CudaCall(CodeRule):
    """A tensor or module is moved to a CUDA device."""

    code = "CPU101"
    name = "cuda-call"
    summary = "A tensor or a module is moved to a CUDA device"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of a method ``cuda``, and of ``to`` with a CUDA device written in the call."""
        for call in flow.calls:
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "cuda"):
                continue
            if _is_torch(flow, call.func) and not is_own_method(flow, call):
                yield from self.report(flow, call, f"{_end(call)} raises {NOT_COMPILED}")
        for sink in device_sinks(flow):
            if sink.kind == "to" and (sink.inline or not sink.values or _ordinal(sink.device)):
                said = NOT_COMPILED
                raised = "AssertionError"
                if _ordinal(sink.device):
                    said = NO_ACCELERATOR
                    raised = "RuntimeError"
                yield from self.report(flow, sink.device, f"{_end(sink.call)} raises {said}", raised=raised)

    def place(self, flow: Flow, node: ast.expr | ast.stmt) -> Location:
        """The end of a chain of calls, where ``cuda()`` is written."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            return locate_method(node, flow.source, flow.project)
        return super().place(flow, node)


def _ordinal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _end(call: ast.Call) -> str:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else ""
    words = [f"device={written_as(word.value, 30)}" for word in call.keywords if word.arg == "device" and name == "to"]
    arguments = ", ".join([*(written_as(argument, 30) for argument in call.args), *words])
    return f".{name}({arguments})"


def _is_torch(flow: Flow, func: ast.Attribute) -> bool:
    """Whether ``x.cuda()`` may be torch's: not a module of that name, and not another library's array."""
    dotted = flow.dotted(func)
    if dotted is not None:
        return False
    modules = {found.module.split(".")[0] for found in (*flow.imported.values(), *flow.stars) if not found.level}
    return "torch" in modules or not modules & set(_OTHERS)


RULE = CudaCall()
