"""CPU111: ``map_location="cuda"`` (AUDIT P11)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row, device_sinks, written_as
from envtool.audit.flow import Flow

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


RULE = MapLocationCuda()
