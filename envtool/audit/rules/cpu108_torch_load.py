"""CPU108: ``torch.load`` without map_location (AUDIT P08)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.loads import has_map_location, model_scan
from envtool.audit.models import Safe

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
            scan = model_scan(flow, call)
            if scan is None:
                message = f'without map_location="cpu" a file that was saved on a GPU raises {_ERROR}'
                yield from self.report(flow, call, message, raised="RuntimeError", severity="warning")
            elif getattr(scan[1], "has_cuda", False):
                yield from self.report(
                    flow, call, f"{scan[0]} holds CUDA storages: raises {_ERROR}", raised="RuntimeError"
                )
            else:
                reason = f"{self.name}: {scan[0]} holds no CUDA storage"
                yield Safe(path=flow.source.path, line=call.lineno, reason=reason)


RULE = TorchLoad()
