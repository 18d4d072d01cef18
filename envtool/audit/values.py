"""What an expression is worth on a CPU-only build: a small partial evaluation, honest about what it does not know.

The world in which code is read is a machine without an accelerator and a torch without CUDA: ``is_available()`` is
False, ``device_count()`` is 0, ``torch.version.cuda`` is None. A value is a set of constants, or None for unknown. Each
constant knows which expression it was written in, so that a finding can point at the cause and not at each use.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from envtool.audit import calls, names
from envtool.audit.devices import (
    LAUNCHER_VARIABLES,
    Value,
    Values,
    always_cuda,
    device_prefix,
    is_cuda,
    is_ordinal,
    mapped,
    one,
    union,
)
from envtool.audit.flow import Flow

_LIMIT = 12
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
}


def truth(flow: Flow, test: ast.expr) -> bool | None:
    """What a condition is on a CPU-only build; None when that is not known."""
    values = evaluate(flow, test)
    if not values:
        return None
    answers = {bool(value.const) for value in values}
    return answers.pop() if len(answers) == 1 else None


def evaluate(flow: Flow, node: ast.expr | None) -> Values:
    """The values of an expression, memoised; unknown for what refers to itself."""
    if node is None:
        return None
    if node in flow.memo:
        return flow.memo[node]  # type: ignore[return-value]
    if node in flow.busy or len(flow.busy) > 60:
        return None
    flow.busy.add(node)
    try:
        found = _evaluate(flow, node)
    finally:
        flow.busy.discard(node)
    if found is not None and len(found) > _LIMIT:
        found = None
    flow.memo[node] = found
    return found


def _evaluate(flow: Flow, node: ast.expr) -> Values:
    handler = _HANDLERS.get(type(node))
    return handler(flow, node) if handler is not None else None


def _constant(flow: Flow, node: ast.Constant) -> Values:
    return one(node.value, flow, node)


def _if_expression(flow: Flow, node: ast.IfExp) -> Values:
    answer = truth(flow, node.test)
    if answer is None:
        return union([evaluate(flow, node.body), evaluate(flow, node.orelse)])
    found = evaluate(flow, node.body if answer else node.orelse)
    return _caused_by(flow, node.test, found)


def _caused_by(flow: Flow, test: ast.expr, values: Values) -> Values:
    """``"cuda" if "cuda" in device else "cpu"`` repeats what ``device`` is: the cause is there."""
    if values is None:
        return None
    causes = [
        value
        for part in ast.walk(test)
        if isinstance(part, ast.Name | ast.Attribute)
        for value in evaluate(flow, part) or ()
        if is_cuda(value)
    ]
    if not causes:
        return values
    return frozenset(
        Value(value.const, cause.flow, cause.node) if is_cuda(value) else value for value in values for cause in causes
    )


def _bool(flow: Flow, node: ast.BoolOp) -> Values:
    wants = isinstance(node.op, ast.Or)  # what ends the evaluation: a true operand of "or", a false one of "and"
    found: list[Values] = []
    for operand in node.values:
        values = evaluate(flow, operand)
        answers = {bool(value.const) for value in values} if values else {True, False}
        if answers == {wants}:
            if any(part is None for part in found) and not wants:
                return values  # unknown and False: false either way
            return union([*found, values])
        if answers != {not wants} or operand is node.values[-1]:
            found.append(values)
    return union(found)


def _not(flow: Flow, node: ast.UnaryOp) -> Values:
    if isinstance(node.op, ast.Not):
        answer = truth(flow, node.operand)
        return None if answer is None else one(not answer, flow, node)
    if isinstance(node.op, ast.USub):
        return mapped(evaluate(flow, node.operand), lambda const: -const if isinstance(const, int | float) else None)
    return None


def _compare(flow: Flow, node: ast.Compare) -> Values:
    if len(node.ops) != 1:
        return None
    left, right = evaluate(flow, node.left), evaluate(flow, node.comparators[0])
    if flow.dotted(node.comparators[0]) == "os.environ":
        return _in_environment(flow, node, left)
    if right is None and isinstance(node.comparators[0], ast.Tuple | ast.List | ast.Set):
        right = _members(flow, node.comparators[0])
    if not left or not right:
        return None
    compare = _COMPARE[type(node.ops[0])]
    answers = set()
    for first in left:
        for other in right:
            if _pattern(first.const) or _pattern(other.const):
                return None
            try:
                answers.add(bool(compare(first.const, other.const)))
            except TypeError:
                return None
    return frozenset(Value(answer, flow, node) for answer in answers)


def _in_environment(flow: Flow, node: ast.Compare, left: Values) -> Values:
    """``"RANK" in os.environ``: only a launcher of distributed runs sets it."""
    if not left or not all(value.const in LAUNCHER_VARIABLES for value in left):
        return None
    return one(isinstance(node.ops[0], ast.NotIn), flow, node)


def _pattern(const: object) -> bool:
    return isinstance(const, str) and "?" in const


def _members(flow: Flow, node: ast.Tuple | ast.List | ast.Set) -> Values:
    members = [evaluate(flow, element) for element in node.elts]
    if any(not member or len(member) != 1 for member in members):
        return None
    return one(tuple(next(iter(member)).const for member in members if member), flow, node)


def _binary(flow: Flow, node: ast.BinOp) -> Values:
    left = evaluate(flow, node.left)
    if isinstance(node.op, ast.Mod):
        return mapped(left, lambda const: device_prefix(const, "%"), flow, node)
    right = evaluate(flow, node.right)
    if isinstance(node.op, ast.Mult) and any(
        values and all(value.const == 0 and value.const is not False for value in values) for values in (left, right)
    ):
        return one(0, flow, node)
    if isinstance(node.op, ast.Add) and left and right is None:
        return mapped(left, lambda const: f"{const}?" if isinstance(const, str) and const else None, flow, node)
    if not left or not right or type(node.op) not in _ARITHMETIC:
        return None
    results = set()
    for first in left:
        for other in right:
            try:
                results.add(_ARITHMETIC[type(node.op)](first.const, other.const))
            except (TypeError, ArithmeticError, MemoryError):
                return None
    if any(isinstance(result, str) and len(result) > 200 for result in results):
        return None
    return frozenset(Value(result, flow, node) for result in results)


def _joined(flow: Flow, node: ast.JoinedStr) -> Values:
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        values = evaluate(flow, part.value) if isinstance(part, ast.FormattedValue) else None
        if values and len(values) == 1:
            text += str(next(iter(values)).const)
        elif not text:
            return None
        else:
            text += "?"
            break
    return one(text, flow, node)


def _subscript(flow: Flow, node: ast.Subscript) -> Values:
    """``[0, "cpu"][0]`` and ``{"gpu": "cuda", …}["gpu"]``: a choice that is written down."""
    index = evaluate(flow, node.slice)
    if not index or len(index) != 1:
        return None
    key = next(iter(index)).const
    if (
        isinstance(node.value, ast.List | ast.Tuple)
        and type(key) is int
        and -len(node.value.elts) <= key < len(node.value.elts)
    ):
        return evaluate(flow, node.value.elts[key])
    if isinstance(node.value, ast.Dict):
        found = [value for name, value in zip(node.value.keys, node.value.values, strict=True) if _is(name, key)]
        return evaluate(flow, found[-1]) if found else None
    return None


def _is(node: ast.expr | None, key: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == key


def _named(flow: Flow, node: ast.NamedExpr) -> Values:
    return evaluate(flow, node.value)


def _name(flow: Flow, node: ast.Name) -> Values:
    return names.name_values(flow, node)


def _attribute(flow: Flow, node: ast.Attribute) -> Values:
    return names.attribute_values(flow, node)


def _call(flow: Flow, node: ast.Call) -> Values:
    return calls.call_values(flow, node)


_HANDLERS: dict[type[ast.expr], Callable[[Flow, Any], Values]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.IfExp: _if_expression,
    ast.BoolOp: _bool,
    ast.UnaryOp: _not,
    ast.Compare: _compare,
    ast.BinOp: _binary,
    ast.JoinedStr: _joined,
    ast.Call: _call,
    ast.NamedExpr: _named,
    ast.Subscript: _subscript,
}

__all__ = ["Value", "Values", "always_cuda", "evaluate", "is_cuda", "is_ordinal", "truth"]
