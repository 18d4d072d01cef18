"""CPU106: functions of torch.cuda that the C extension lacks (AUDIT P06)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.torch_calls import MISSING, short_name
from envtool.audit.values import evaluate


class CudaState(CodeRule):
    """A function of torch.cuda that is not in a CPU-only build is called."""

    code = "CPU106"
    name = "cuda-state"
    summary = "A function of torch.cuda that a CPU-only build lacks is called"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of set_device() with anything but -1, reset_peak_memory_stats() and such."""
        for call in flow.calls:
            name = short_name(flow.dotted(call.func) or "")
            said = MISSING.get(name)
            if said is None or (name == "set_device" and _negative(flow, call)):
                continue
            yield from self.report(flow, call, f"torch.cuda.{name}() raises {said}", raised=said.split(":")[0])


def _negative(flow: Flow, call: ast.Call) -> bool:
    values = evaluate(flow, call.args[0]) if call.args else None
    return bool(values) and all(isinstance(value.const, int) and value.const < 0 for value in values or ())


RULE = CudaState()
