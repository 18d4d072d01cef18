"""CPU117: the NCCL backend of torch.distributed (AUDIT P17)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow, keyword
from envtool.audit.values import evaluate

_FUNCTIONS = (
    "torch.distributed.init_process_group",
    "torch.distributed.distributed_c10d.init_process_group",
    "torch.distributed.new_group",
)


class Nccl(CodeRule):
    """A process group is made with NCCL."""

    code = "CPU117"
    name = "nccl"
    summary = "A process group uses NCCL, which a CPU-only build lacks"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of init_process_group whose backend can only be NCCL."""
        for call in flow.calls:
            if flow.dotted(call.func) not in _FUNCTIONS:
                continue
            backend = keyword(call, "backend") or (call.args[0] if call.args else None)
            values = evaluate(flow, backend)
            if values and all(isinstance(value.const, str) and "nccl" in value.const.lower() for value in values):
                said = "RuntimeError: Distributed package doesn't have NCCL built in"
                yield from self.report(flow, call, f"raises {said}", raised="RuntimeError")


RULE = Nccl()
