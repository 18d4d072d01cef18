"""CPU102: ``device="cuda"`` in a call (AUDIT P02)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, Sink, device_sinks, written_as
from envtool.audit.flow import Flow, keyword
from envtool.audit.models import Confidence
from envtool.audit.torch_calls import NO_ACCELERATOR
from envtool.audit.values import evaluate, is_ordinal, truth

_PIPELINE = "transformers before 4.47 raises ValueError: … unrecognized or not available; later ones take the CPU"


class DeviceKeyword(CodeRule):
    """Something is created on, or loaded to, a CUDA device."""

    code = "CPU102"
    name = "cuda-device-argument"
    summary = "A call is given a CUDA device"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls with a CUDA device as their ``device``; a bare ``torch.device("cuda")`` does no harm until then."""
        for sink in device_sinks(flow):
            if sink.kind == "keyword" and (sink.inline or sink.falls_back):
                yield from self._given(flow, sink)
        for call in flow.calls:
            if flow.dotted(call.func) == "torch.random.fork_rng" and _forks_cuda(flow, call):
                yield from self.report(flow, call, f"entering {written_as(call)} raises {NOT_COMPILED}")

    def _given(self, flow: Flow, sink: Sink) -> Iterable[Row]:
        torch = (flow.dotted(sink.call.func) or "").startswith("torch.")
        ordinal = is_ordinal(sink.values)
        given = f"{written_as(sink.call.func)}() is given the device {written_as(sink.device)}"
        if sink.falls_back:
            yield from self.report(flow, sink.device, f"{given}: {_PIPELINE}", raised="ValueError", severity="warning")
            return
        said = NO_ACCELERATOR if ordinal else NOT_COMPILED if torch else "a CPU-only environment has no such device"
        raised = "RuntimeError" if ordinal else "AssertionError"
        sure: Confidence = "high" if torch else "medium"
        yield from self.report(flow, sink.device, f"{given}: {said}", raised=raised, confidence=sure)


def _forks_cuda(flow: Flow, call: ast.Call) -> bool:
    """``with torch.random.fork_rng(devices=[0])``: the state of that GPU is asked for; no devices, no harm."""
    if not isinstance(flow.parents.get(call), ast.withitem):
        return False
    enabled = keyword(call, "enabled") if len(call.args) < 2 else call.args[1]
    if (enabled is not None and truth(flow, enabled) is not True) or keyword(call, "device_type") is not None:
        return False
    devices = call.args[0] if call.args else keyword(call, "devices")
    if isinstance(devices, ast.List | ast.Tuple):
        return bool(devices.elts) and not any(isinstance(element, ast.Starred) for element in devices.elts)
    if isinstance(devices, ast.Call) and isinstance(devices.func, ast.Name) and devices.func.id == "range":
        count = evaluate(flow, devices.args[0]) if len(devices.args) == 1 else None
        return is_ordinal(count) and all(value.const > 0 for value in count or ())
    return False


RULE = DeviceKeyword()
