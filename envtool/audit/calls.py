"""What calls are worth: torch's answers, built-ins on constants, and functions of the project."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from envtool.audit import raising, reach, values
from envtool.audit.devices import CALLS, NAMES, Value, Values, device_prefix, is_ordinal, mapped, one, union
from envtool.audit.flow import FUNCTIONS, Flow, Function
from envtool.audit.modules import resolve_definition

_METHODS = frozenset({"lower", "upper", "strip", "startswith", "endswith", "split", "replace"})
_BUILTINS: dict[str, Callable[..., Any]] = {
    "int": int,
    "str": str,
    "bool": bool,
    "float": float,
    "max": max,
    "min": min,
}


def call_values(flow: Flow, node: ast.Call) -> Values:
    """The values of a call."""
    dotted = flow.dotted(node.func)
    if dotted in CALLS:
        return one(CALLS[dotted], flow, node)
    if dotted == "torch.device" and (node.args or node.keywords):
        found = values.evaluate(flow, node.args[0] if node.args else node.keywords[0].value)
        return None if is_ordinal(found) else found  # torch.device(0) raises already
    if dotted in ("os.environ.get", "os.getenv"):
        # Unset, as on most machines.
        return values.evaluate(flow, node.args[1]) if len(node.args) > 1 else one(None, flow, node)
    if isinstance(node.func, ast.Name):
        if node.func.id == "getattr" and len(node.args) >= 2:
            return _getattr(flow, node)
        if node.func.id in _BUILTINS and flow.lookup(node.func.id, node) is None and node.args and not node.keywords:
            return _builtin(flow, node, _BUILTINS[node.func.id])
    if isinstance(node.func, ast.Attribute):
        method = _method_call(flow, node, node.func)
        if method is not None:
            return method
    return _project_call(flow, node)


def _getattr(flow: Flow, node: ast.Call) -> Values:
    name = node.args[1]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        dotted = flow.dotted(node.args[0])
        if f"{dotted}.{name.value}" in NAMES:
            return one(NAMES[f"{dotted}.{name.value}"], flow, node)
    return None


def _builtin(flow: Flow, node: ast.Call, function: Callable[..., Any]) -> Values:
    arguments = [values.evaluate(flow, argument) for argument in node.args]
    if any(not argument or len(argument) != 1 for argument in arguments):
        # str(device), int(x): one unknown of several may still be told for a single argument
        if len(arguments) == 1 and arguments[0]:
            return mapped(arguments[0], lambda const: _safely(function, const), None, None)
        return None
    consts = [next(iter(argument)).const for argument in arguments if argument]
    result = _safely(function, *consts)
    if result is None:
        return None
    origin = next(iter(arguments[0])) if arguments[0] else None
    if isinstance(result, str) and origin is not None:
        return frozenset({Value(result, origin.flow, origin.node)})
    return one(result, flow, node)


def _safely(function: Callable[..., Any], *arguments: object) -> Any:
    try:
        found = function(*arguments)
    except (TypeError, ValueError, OverflowError):
        return None
    return tuple(found) if isinstance(found, list) else found


def _method_call(flow: Flow, node: ast.Call, func: ast.Attribute) -> Values:
    if func.attr == "format":
        return mapped(values.evaluate(flow, func.value), lambda const: device_prefix(const, "{"), flow, node)
    if func.attr in _METHODS:
        arguments = [values.evaluate(flow, argument) for argument in node.args]
        found = values.evaluate(flow, func.value)
        if not found or any(not argument or len(argument) != 1 for argument in arguments):
            return None
        consts = [next(iter(argument)).const for argument in arguments if argument]
        return mapped(
            found,
            lambda const: _safely(getattr(const, func.attr), *consts) if isinstance(const, str) else None,
        )
    return None


def _project_call(flow: Flow, node: ast.Call) -> Values:
    definition = resolve_definition(flow, node.func)
    if definition is None or not isinstance(definition[1], FUNCTIONS):
        return None
    return returns_of(definition[0], definition[1])


def returns_of(flow: Flow, function: Function) -> Values:
    """What a function of the project may return, over the returns that are reached on a CPU-only build."""
    if isinstance(function, ast.AsyncFunctionDef) or function in flow.busy:
        return None
    flow.busy.add(function)
    try:
        parts: list[Values] = []
        for node in _own_nodes(function):
            if isinstance(node, ast.Yield | ast.YieldFrom):
                return None
            if isinstance(node, ast.Return):
                if reach.state_within(flow, node, function) == "never" or raising.is_interrupted(flow, node):
                    continue
                parts.append(values.evaluate(flow, node.value) if node.value is not None else None)
        return union(parts) or None
    finally:
        flow.busy.discard(function)


def _own_nodes(function: Function) -> Iterable[ast.AST]:
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))
