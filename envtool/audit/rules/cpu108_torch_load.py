"""CPU108: ``torch.load`` without map_location (AUDIT P08)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.loads import has_map_location
from envtool.audit.rules._loads import of_load

_ERROR = "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False"


class TorchLoad(CodeRule):
    """A checkpoint is loaded to the device that it was saved from."""

    code = "CPU108"
    name = "load-without-map-location"
    summary = "torch.load without map_location fails on a file saved from a GPU"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of torch.load; other libraries' load is none of it."""
        for call in flow.calls:
            if flow.dotted(call.func) not in ("torch.load", "torch.serialization.load"):
                continue
            if has_map_location(flow, call, 1):
                continue
            yield from of_load(self, flow, call, ("a file", _ERROR))


RULE = TorchLoad()
