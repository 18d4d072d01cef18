"""Lines that a reader asks about and that are fine on CPU-only torch; a risk report says so of each.

Rules report what is wrong, and what would be wrong without its guard. This adds what was never wrong and looks like it:
loads that say ``map_location="cpu"``, ``.cpu()``, and the calls and flags of CUDA that have no effect (measured with
torch 2.13.0+cpu, see docs/measurements.md).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from envtool.audit.flow import Flow, keyword, relevant_flow
from envtool.audit.models import Project, Safe
from envtool.audit.values import evaluate

_LOADS = ("torch.load", "torch.jit.load")
_ANSWERS = frozenset({"is_available", "device_count", "memory_allocated", "max_memory_allocated", "is_bf16_supported"})
_NO_EFFECT = frozenset({"empty_cache", "manual_seed", "manual_seed_all"})


def fine_lines(project: Project) -> Iterator[Safe]:
    """Those lines of all Python sources, in the order of paths and lines."""
    for source in project.of_kind("python", "notebook"):
        flow = relevant_flow(source, project)
        if flow is None:
            continue
        rows = set(_of_calls(flow)) | set(_of_flags(flow))
        for line, reason in sorted(rows):
            yield Safe(path=source.path, line=line, reason=reason)


def _of_calls(flow: Flow) -> Iterator[tuple[int, str]]:
    for call in flow.calls:
        func = call.func
        if not isinstance(func, ast.Attribute):
            continue
        name = flow.dotted(func) or ""
        # The line of the method itself: a chain of calls may span many.
        line = func.end_lineno or call.lineno
        if name in _LOADS:
            where = call.args[1] if len(call.args) > 1 else keyword(call, "map_location")
            if _is_cpu(flow, where):
                yield call.lineno, f'{name} with map_location="cpu" loads files from any device'
        elif name.startswith("torch.cuda."):
            if func.attr in _ANSWERS and name == f"torch.cuda.{func.attr}":
                yield line, f"torch.cuda.{func.attr}() answers without a CUDA build: False or 0"
            elif func.attr in _NO_EFFECT and name == f"torch.cuda.{func.attr}":
                yield line, f"torch.cuda.{func.attr}() has no effect without a CUDA build"
        elif func.attr == "cpu" and not call.args and not call.keywords and not name.startswith("torch."):
            yield line, ".cpu() gives back a tensor that is on the CPU as it is"


def _of_flags(flow: Flow) -> Iterator[tuple[int, str]]:
    for node in flow.attributes:
        if isinstance(node.ctx, ast.Store) and (flow.dotted(node) or "").startswith("torch.backends.cudnn."):
            yield node.lineno, "flags of cuDNN have no effect without a CUDA build"


def _is_cpu(flow: Flow, node: ast.expr | None) -> bool:
    values = evaluate(flow, node)
    return bool(values) and all(str(value.const) == "cpu" for value in values or ())
