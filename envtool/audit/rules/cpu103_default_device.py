"""CPU103: ``torch.set_default_device("cuda")`` (AUDIT P03)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row, device_sinks
from envtool.audit.flow import Flow


class DefaultDevice(CodeRule):
    """The default device becomes a CUDA device."""

    code = "CPU103"
    name = "cuda-default-device"
    summary = "The default device is set to CUDA"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of ``torch.set_default_device`` with a CUDA device."""
        for sink in device_sinks(flow):
            if sink.kind == "default":
                yield from self.report(flow, sink.call, f"the next tensor that is created raises {NOT_COMPILED}")


RULE = DefaultDevice()
