"""CPU115: autocast and GradScaler for CUDA (AUDIT P15)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row, written_as
from envtool.audit.flow import Flow, keyword
from envtool.audit.values import always_cuda, evaluate

_OLD = ("torch.cuda.amp.autocast", "torch.cuda.amp.GradScaler", "torch.cuda.amp.autocast_mode.autocast")
_NEW = ("torch.autocast", "torch.amp.autocast", "torch.amp.GradScaler", "torch.amp.autocast_mode.autocast")


class CudaAutocast(CodeRule):
    """Mixed precision is switched on for CUDA; a CPU-only build warns and runs without it."""

    code = "CPU115"
    name = "cuda-autocast"
    summary = "autocast or GradScaler for CUDA is switched off on CPU, with a warning"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Never more than a note: nothing fails."""
        for call in flow.calls:
            dotted = flow.dotted(call.func) or ""
            device = call.args[0] if call.args else keyword(call, "device_type", "device")
            if dotted in _OLD or (dotted in _NEW and always_cuda(evaluate(flow, device))):
                message = f"{written_as(call.func)}() warns and switches itself off on CPU; nothing fails"
                yield from self.report(flow, call, message, raised="RuntimeError", severity="note")


RULE = CudaAutocast()
