"""CPU119: CUDA extensions that are built here (AUDIT P19)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow, keyword

_ERROR = "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root."


class CudaExtension(CodeRule):
    """A CUDA extension is compiled."""

    code = "CPU119"
    name = "cuda-extension"
    summary = "A CUDA extension is compiled, which needs the CUDA toolkit"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of CUDAExtension, and of load() and load_inline() with CUDA sources."""
        for call in flow.calls:
            dotted = (flow.dotted(call.func) or "").removeprefix("torch.utils.")
            if dotted == "cpp_extension.CUDAExtension" or (
                dotted in ("cpp_extension.load", "cpp_extension.load_inline") and _has_cuda(call)
            ):
                yield from self.report(flow, call, f"raises {_ERROR}", raised="OSError")


def _has_cuda(call: ast.Call) -> bool:
    if keyword(call, "cuda_sources") is not None:
        return True
    sources = keyword(call, "sources") or (call.args[1] if len(call.args) > 1 else None)
    return sources is not None and any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.endswith((".cu", ".cuh"))
        for part in ast.walk(sources)
    )


RULE = CudaExtension()
