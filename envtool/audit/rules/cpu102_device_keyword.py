"""CPU102: ``device="cuda"`` in a call (AUDIT P02)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, device_sinks, written_as
from envtool.audit.flow import Flow


class DeviceKeyword(CodeRule):
    """Something is created on, or loaded to, a CUDA device."""

    code = "CPU102"
    name = "cuda-device-argument"
    summary = "A call is given a CUDA device"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls with a CUDA device as their ``device``; a bare ``torch.device("cuda")`` does no harm until then."""
        for sink in device_sinks(flow):
            if sink.kind != "keyword" or not sink.inline:
                continue
            torch = (flow.dotted(sink.call.func) or "").startswith("torch.")
            said = NOT_COMPILED if torch else "a CPU-only environment has no such device"
            message = f"{written_as(sink.call.func)}() is given the device {written_as(sink.device)}: {said}"
            yield from self.report(flow, sink.device, message, confidence="high" if torch else "medium")


RULE = DeviceKeyword()
