"""CPU109: ``torch.jit.load`` without map_location (AUDIT P09)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.loads import has_map_location
from envtool.audit.rules._loads import of_load

_ERROR = "NotImplementedError: Could not run 'aten::empty_strided' with arguments from the 'CUDA' backend"


class JitLoad(CodeRule):
    """A TorchScript archive is loaded to the device that it was saved from."""

    code = "CPU109"
    name = "jit-load-without-map-location"
    summary = "torch.jit.load without map_location fails on an archive saved from a GPU"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of torch.jit.load."""
        for call in flow.calls:
            if flow.dotted(call.func) != "torch.jit.load" or has_map_location(flow, call, 1):
                continue
            yield from of_load(self, flow, call, ("an archive", _ERROR))


RULE = JitLoad()
