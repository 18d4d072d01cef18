"""Methods of the project that only share their name with torch's: ``backend.cuda()`` that answers a version."""

from __future__ import annotations

import ast
import re

from envtool.audit.flow import FUNCTIONS, Flow, Function
from envtool.audit.modules import resolve_definition

_DEVICE = re.compile(r"cuda(:.*)?$", re.IGNORECASE)
_MOVES = frozenset({"cuda", "to", "_apply", "type", "super"})


def is_own_method(flow: Flow, call: ast.Call) -> bool:
    """Whether a call surely runs a function of the project that moves nothing itself.

    What passes the call on (``self.net.cuda()``, ``super().cuda()``) breaks as torch's does.
    """
    found = _definition(flow, call.func)
    return found is not None and not _moves(found)


def _definition(flow: Flow, func: ast.expr) -> Function | None:
    found = resolve_definition(flow, func)
    if found is None and isinstance(func, ast.Attribute):
        found = _of_object(flow, func)
    return found[1] if found is not None and isinstance(found[1], FUNCTIONS) else None


def _of_object(flow: Flow, func: ast.Attribute) -> tuple[Flow, Function] | None:
    """``Wrapper().cuda()``, and ``w = Wrapper()`` with ``w.cuda()``."""
    made: ast.expr | None = func.value
    if isinstance(made, ast.Name):
        bound = flow.lookup(made.id, made)
        made = bound[1][0].value if bound is not None and len(bound[1]) == 1 else None
    found = resolve_definition(flow, made.func) if isinstance(made, ast.Call) else None
    if found is None or not isinstance(found[1], ast.ClassDef):
        return None
    methods = [item for item in found[1].body if isinstance(item, FUNCTIONS) and item.name == func.attr]
    return (found[0], methods[-1]) if methods else None


def _moves(function: Function) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _MOVES:
                return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DEVICE.match(node.value):
            return True
    return False
