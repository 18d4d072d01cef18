"""CPU105: functions of torch.cuda that start CUDA (AUDIT P05), and of torch.accelerator that need one."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import NOT_COMPILED, CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.torch_calls import ASSERTS, NO_ACCELERATOR, needs_accelerator, short_name


class CudaQuery(CodeRule):
    """A function of torch.cuda that starts CUDA is called."""

    code = "CPU105"
    name = "cuda-query"
    summary = "A function of torch.cuda that needs a CUDA build is called"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of the functions that raise AssertionError; empty_cache(), manual_seed() and such are harmless."""
        for call in flow.calls:
            dotted = flow.dotted(call.func) or ""
            if needs_accelerator(dotted):
                yield from self.report(flow, call, f"{dotted}() raises {NO_ACCELERATOR}", raised="RuntimeError")
            name = short_name(dotted)
            if name in ASSERTS:
                yield from self.report(flow, call, f"torch.cuda.{name}() raises {NOT_COMPILED}")


RULE = CudaQuery()
