"""CPU125: a count of GPUs that is zero where it must not be."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.values import Values, evaluate

_POOLS = frozenset({"Pool", "ProcessPoolExecutor", "ThreadPoolExecutor", "ThreadPool"})


class NoGpus(CodeRule):
    """Work is shared among the GPUs, of which there are none."""

    code = "CPU125"
    name = "no-gpus"
    summary = "The number of GPUs, which is zero, is a divisor or the size of a pool"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Pools of ``device_count()`` workers, and divisions by it."""
        if "device_count" not in flow.source.text:
            return
        for call in flow.calls:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name in _POOLS and call.args and _counted_zero(evaluate(flow, call.args[0])):
                message = "torch.cuda.device_count() is 0: raises ValueError: Number of processes must be at least 1"
                yield from self.report(flow, call, message, raised="ValueError", confidence="medium")
        for node in flow.parents:
            if (
                isinstance(node, ast.BinOp)
                and isinstance(node.op, ast.FloorDiv | ast.Div | ast.Mod)
                and _counted_zero(evaluate(flow, node.right))
            ):
                message = "torch.cuda.device_count() is 0: raises ZeroDivisionError"
                yield from self.report(flow, node, message, raised="ZeroDivisionError", confidence="medium")


def _counted_zero(values: Values) -> bool:
    """Zero, and worked out: a literal 0 is the project's own business."""
    return bool(values) and all(
        value.const == 0 and value.const is not False and not isinstance(value.node, ast.Constant)
        for value in values or ()
    )


RULE = NoGpus()
