"""What surely raises on a CPU-only build: where a try block is left, and which handler goes on."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from envtool.audit import owned, reach, values
from envtool.audit.devices import always_cuda
from envtool.audit.flow import COMPREHENSIONS, FUNCTIONS, Flow, keyword
from envtool.audit.torch_calls import ACCELERATOR, ASSERTS, DUMMIES, MISSING, needs_accelerator, short_name

_NAMES = frozenset(name.rsplit(".", 1)[-1] for name in (*ASSERTS, *MISSING, *DUMMIES, *ACCELERATOR)) | {"cuda", "to"}
_SIMPLE = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
_LATER = (*FUNCTIONS, *COMPREHENSIONS, ast.Lambda, ast.ClassDef)


def stop_of(flow: Flow, node: ast.Try) -> tuple[int, ast.ExceptHandler] | None:
    """Which statement of a try block surely raises, and the handler that catches it and goes on; None without one."""
    if node in flow.stops:
        return flow.stops[node]
    if node in flow.stopping:
        return None
    # Found once, also while a value is looked for: each assignment of a long block asks.
    outermost = not flow.stopping
    busy = flow.busy
    flow.stopping.add(node)
    if outermost:
        flow.busy = set()
    try:
        found = next(_stops(flow, node), None)
    finally:
        flow.busy = busy
        flow.stopping.discard(node)
    if outermost:
        flow.stops[node] = found
    return found


def is_interrupted(flow: Flow, statement: ast.AST) -> bool:
    """Whether a statement raises itself, before it assigns or returns anything."""
    parent = flow.parents.get(statement)
    if not isinstance(parent, ast.Try) or statement not in parent.body:
        return False
    stop = stop_of(flow, parent)
    return stop is not None and parent.body[stop[0]] is statement


def _stops(flow: Flow, node: ast.Try) -> Iterator[tuple[int, ast.ExceptHandler]]:
    if node not in flow.may_raise:
        flow.may_raise[node] = [
            (index, call) for index, statement in enumerate(node.body) for call in _calls(statement) if _may_raise(call)
        ]
    for index, call in flow.may_raise[node]:
        raised = _raised_by(flow, call)
        handler = reach.handler_of(node, raised) if raised else None
        if handler is None or reach.gives_up(flow, handler):
            continue
        if reach.state_within(flow, call, node.body[index]) == "always":
            yield index, handler


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls of a statement that runs as a whole, or of such statements in a with block; none of other blocks."""
    if isinstance(node, ast.With):
        for statement in node.body:
            yield from _calls(statement)
    elif isinstance(node, _SIMPLE):
        stack: list[ast.AST] = [node]
        while stack:
            part = stack.pop()
            if isinstance(part, ast.Call):
                yield part
            stack.extend(child for child in ast.iter_child_nodes(part) if not isinstance(child, _LATER))


def _may_raise(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in _NAMES or keyword(call, "device") is not None


def _raised_by(flow: Flow, call: ast.Call) -> str:
    """The exception of a call, if it surely raises one."""
    dotted = flow.dotted(call.func)
    name = short_name(dotted or "")
    if name in ASSERTS:
        return "AssertionError"
    if name in DUMMIES or needs_accelerator(dotted or ""):
        return "RuntimeError"
    if name in MISSING:
        return "" if name == "set_device" and _is_negative(flow, call) else MISSING[name].split(":")[0]
    device = keyword(call, "device") if (dotted or "").startswith("torch.") and not name else None
    if dotted is None and isinstance(call.func, ast.Attribute):
        if call.func.attr == "cuda" and not owned.is_own_method(flow, call):
            return "AssertionError"
        device = call.args[0] if call.func.attr == "to" and call.args else None
    return "AssertionError" if device is not None and always_cuda(values.evaluate(flow, device)) else ""


def _is_negative(flow: Flow, call: ast.Call) -> bool:
    found = values.evaluate(flow, call.args[0]) if call.args else None
    return bool(found) and all(isinstance(value.const, int) and value.const < 0 for value in found or ())
