"""What an expression is worth on a CPU-only build: a small partial evaluation, honest about what it does not know.

The world in which code is read is a machine without an accelerator and a torch without CUDA: ``is_available()`` is
False, ``device_count()`` is 0, ``torch.version.cuda`` is None. A value is a set of constants, or None for unknown. Each
constant knows which expression it was written in, so that a finding can point at the cause and not at each use.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from envtool.audit import reach
from envtool.audit.flow import FUNCTIONS, Binding, Flow, Function, default_of
from envtool.audit.modules import flow_at, imported_symbol, module_path, resolve_definition
from envtool.audit.script_options import OPTION_HOLDERS, option_defaults


class Value(NamedTuple):
    """A constant and the expression that holds it."""

    const: Any
    flow: Flow
    node: ast.expr


Values: TypeAlias = "frozenset[Value] | None"

_LIMIT = 12
_CUDA = re.compile(r"^cuda(:[\w?*]*)?$", re.IGNORECASE)
_ACCELERATOR = re.compile(r"^(cuda|mps|xpu|hip|npu|mlu|hpu|musa|privateuseone)(:[\w?*]*)?$", re.IGNORECASE)

_CALLS: dict[str, object] = {
    "torch.cuda.is_available": False,
    "torch.cuda.device_count": 0,
    "torch.cuda.is_initialized": False,
    "torch.cuda.is_bf16_supported": False,
    "torch.backends.cuda.is_built": False,
    "torch.backends.cudnn.is_available": False,
    "torch.backends.mps.is_available": False,
    "torch.backends.mps.is_built": False,
    "torch.mps.is_available": False,
    "torch.xpu.is_available": False,
    "torch.xpu.device_count": 0,
    "torch.accelerator.is_available": False,
    "torch.accelerator.device_count": 0,
    "torch.distributed.is_nccl_available": False,
    "torch.distributed.is_initialized": False,
    "torch.cuda.memory_allocated": 0,
    "torch.cuda.max_memory_allocated": 0,
}
_NAMES: dict[str, object] = {
    "torch.version.cuda": None,
    "torch.version.hip": None,
    "torch.utils.cpp_extension.CUDA_HOME": None,
    "torch.utils.cpp_extension.ROCM_HOME": None,
    "torch.cuda.has_half": False,
    "typing.TYPE_CHECKING": False,
}
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
_METHODS = frozenset({"lower", "upper", "strip", "startswith", "endswith", "split", "replace"})
_BUILTINS: dict[str, Callable[..., Any]] = {
    "int": int,
    "str": str,
    "bool": bool,
    "float": float,
    "max": max,
    "min": min,
}


def is_cuda(value: Value) -> bool:
    """Whether a constant names a CUDA device."""
    return isinstance(value.const, str) and _CUDA.match(value.const) is not None


def always_cuda(values: Values) -> bool:
    """Whether a device can only be CUDA here (or another accelerator): no way to the CPU is left."""
    if not values or not any(is_cuda(value) for value in values):
        return False
    return all(isinstance(value.const, str) and _ACCELERATOR.match(value.const) for value in values)


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


def _one(const: object, flow: Flow, node: ast.expr) -> Values:
    return frozenset({Value(const, flow, node)})


def _union(parts: Iterable[Values]) -> Values:
    found: set[Value] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return frozenset(found)


def _evaluate(flow: Flow, node: ast.expr) -> Values:
    handler = _HANDLERS.get(type(node))
    return handler(flow, node) if handler is not None else None


def _constant(flow: Flow, node: ast.Constant) -> Values:
    return _one(node.value, flow, node)


def _name(flow: Flow, node: ast.Name) -> Values:
    if node.id == "__name__":
        return _one("__main__", flow, node)
    dotted = flow.dotted(node)
    if dotted in _NAMES:
        return _one(_NAMES[dotted], flow, node)
    bound = flow.lookup(node.id, node)
    if bound is None:
        return _imported_name(flow, node)
    scope, bindings = bound
    return settle(flow, bindings, scope, node if flow.scope_of(node) is scope else None)


def _imported_name(flow: Flow, node: ast.Name) -> Values:
    found = flow.imported.get(node.id)
    candidates = [(found, "")] if found is not None else [(star, node.id) for star in flow.stars]
    for imported, star_name in candidates:
        if star_name:
            home = flow_at(flow.project, module_path(flow.project, flow.source.path, imported.module, imported.level))
            target = (home, star_name) if home is not None else None
        else:
            target = imported_symbol(flow, imported)
        if target is not None and target[1]:
            return module_value(target[0], target[1])
    return None


def module_value(flow: Flow, name: str) -> Values:
    """What a module-level name is worth when the module has run."""
    bindings = flow.bindings[flow.tree].get(name)
    key = (flow.source.path, name)
    if not bindings or key in flow.busy:
        return None
    flow.busy.add(key)
    try:
        return settle(flow, bindings, flow.tree, None)
    finally:
        flow.busy.discard(key)


def settle(flow: Flow, bindings: list[Binding], scope: ast.AST, use: ast.AST | None) -> Values:
    """The values that a name can hold at ``use`` (None: at the end): later certain assignments replace earlier ones."""
    values: Values = frozenset()
    for binding in bindings:
        if use is not None and _holds(flow, binding.statement, use):
            continue
        later = use is not None and _place(binding.statement) >= _place(use)
        if later and not _comes_round(flow, binding.statement, use, scope):
            continue
        state = reach.state_within(flow, binding.statement, scope)
        if state == "never":
            continue
        if later:
            state = "maybe"
        new = evaluate(flow, binding.value)
        values = new if state == "always" else _union([values, new])
    return values or None


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _comes_round(flow: Flow, statement: ast.AST, use: ast.AST | None, scope: ast.AST) -> bool:
    """Whether an assignment further down can be seen above: in the same loop, or made by a function (``global``)."""
    if use is None or flow.scope_of(statement) is not scope:
        return True
    loops = {parent for parent in flow.ancestors(use) if isinstance(parent, ast.For | ast.AsyncFor | ast.While)}
    return any(parent in loops for parent in flow.ancestors(statement))


def _holds(flow: Flow, statement: ast.AST, use: ast.AST) -> bool:
    return any(parent is statement for parent in flow.ancestors(use))


def _attribute(flow: Flow, node: ast.Attribute) -> Values:
    dotted = flow.dotted(node)
    if dotted is not None:
        if dotted in _NAMES:
            return _one(_NAMES[dotted], flow, node)
        if dotted.startswith("torch.cuda.") and dotted.endswith("Tensor"):
            return _one(dotted, flow, node)
    if node.attr == "is_cuda":
        return _one(False, flow, node)
    if node.attr == "type":
        values = evaluate(flow, node.value)
        return _map(values, lambda const: const.split(":")[0] if isinstance(const, str) else None)
    return _field(flow, node)


def _field(flow: Flow, node: ast.Attribute) -> Values:
    """``self.device``, ``args.device``, ``Config.device``, ``settings.DEVICE``."""
    if not isinstance(node.value, ast.Name):
        if isinstance(node.value, ast.Attribute) and node.value.attr in OPTION_HOLDERS:
            return _options(flow, node)
        return None
    base = node.value.id
    owner = flow.class_of(node) if base in ("self", "cls") else None
    if owner is not None:
        bindings = [*flow.bindings.get(owner, {}).get(node.attr, []), *flow.fields.get((owner, node.attr), [])]
        if bindings and not _is_dataclass_field(owner, node.attr):
            return _union(_reached(flow, binding) for binding in bindings)
        return None
    assigned = flow.fields.get((None, f"{base}.{node.attr}"), [])
    if assigned:
        default = _options(flow, node) if base in OPTION_HOLDERS else None
        values = settle(flow, assigned, flow.scope_of(assigned[0].statement), None)
        certain = any(
            reach.state_within(flow, binding.statement, flow.scope_of(binding.statement)) == "always"
            for binding in assigned
        )
        return values if certain else _union([values, default])
    found = flow.imported.get(base)
    if found is not None:
        home = imported_symbol(flow, found)
        if home is not None and home[1] == "":
            return module_value(home[0], node.attr)
    definition = resolve_definition(flow, node.value)
    if definition is not None and isinstance(definition[1], ast.ClassDef):
        fields = definition[0].bindings.get(definition[1], {}).get(node.attr)
        return settle(definition[0], fields, definition[1], None) if fields else None
    return _options(flow, node) if base in OPTION_HOLDERS else None


def _reached(flow: Flow, binding: Binding) -> Values:
    scope = flow.scope_of(binding.statement)
    if reach.state_within(flow, binding.statement, scope) == "never":
        return frozenset()
    return evaluate(flow, binding.value)


def _is_dataclass_field(owner: ast.ClassDef, name: str) -> bool:
    """A default that a constructor may replace: annotated, in a class with decorators or bases."""
    annotated = any(
        isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.target.id == name
        for statement in owner.body
    )
    return annotated and bool(owner.decorator_list or owner.bases)


def _options(flow: Flow, node: ast.Attribute) -> Values:
    # Only an option about devices is taken at its default: whether a GPU is asked for. Others turn features on.
    defaults = option_defaults(flow, node.attr) if reach.speaks_of_devices(node.attr) else []
    if not defaults:
        return None
    parts = []
    for home, default in defaults:
        if isinstance(default, ast.expr):
            parts.append(evaluate(home, default))
        else:
            parts.append(_one(default, home, node))
    return _union(parts)


def _if_expression(flow: Flow, node: ast.IfExp) -> Values:
    answer = truth(flow, node.test)
    if answer is None:
        return _union([evaluate(flow, node.body), evaluate(flow, node.orelse)])
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
            return _union([*found, values])
        if answers != {not wants} or operand is node.values[-1]:
            found.append(values)
    return _union(found)


def _not(flow: Flow, node: ast.UnaryOp) -> Values:
    if isinstance(node.op, ast.Not):
        answer = truth(flow, node.operand)
        return None if answer is None else _one(not answer, flow, node)
    if isinstance(node.op, ast.USub):
        return _map(evaluate(flow, node.operand), lambda const: -const if isinstance(const, int | float) else None)
    return None


def _compare(flow: Flow, node: ast.Compare) -> Values:
    if len(node.ops) != 1:
        return None
    left, right = evaluate(flow, node.left), evaluate(flow, node.comparators[0])
    if right is None and isinstance(node.comparators[0], ast.Tuple | ast.List | ast.Set):
        right = _members(flow, node.comparators[0])
    if not left or not right:
        return None
    compare = _COMPARE[type(node.ops[0])]
    answers = set()
    for one in left:
        for other in right:
            if _pattern(one.const) or _pattern(other.const):
                return None
            try:
                answers.add(bool(compare(one.const, other.const)))
            except TypeError:
                return None
    return frozenset(Value(answer, flow, node) for answer in answers)


def _pattern(const: object) -> bool:
    return isinstance(const, str) and "?" in const


def _members(flow: Flow, node: ast.Tuple | ast.List | ast.Set) -> Values:
    members = [evaluate(flow, element) for element in node.elts]
    if any(not member or len(member) != 1 for member in members):
        return None
    return _one(tuple(next(iter(member)).const for member in members if member), flow, node)


def _binary(flow: Flow, node: ast.BinOp) -> Values:
    left = evaluate(flow, node.left)
    if isinstance(node.op, ast.Mod):
        return _map(left, lambda const: _device_prefix(const, "%"), flow, node)
    right = evaluate(flow, node.right)
    if isinstance(node.op, ast.Mult) and any(
        values and all(value.const == 0 and value.const is not False for value in values) for values in (left, right)
    ):
        return _one(0, flow, node)
    if isinstance(node.op, ast.Add) and left and right is None:
        return _map(left, lambda const: f"{const}?" if isinstance(const, str) and const else None, flow, node)
    if not left or not right or type(node.op) not in _ARITHMETIC:
        return None
    results = set()
    for one in left:
        for other in right:
            try:
                results.add(_ARITHMETIC[type(node.op)](one.const, other.const))
            except (TypeError, ArithmeticError, MemoryError):
                return None
    if any(isinstance(result, str) and len(result) > 200 for result in results):
        return None
    return frozenset(Value(result, flow, node) for result in results)


def _device_prefix(const: object, mark: str) -> str | None:
    """``cuda:%d`` and ``cuda:{}`` as the pattern ``cuda:?``."""
    if isinstance(const, str) and mark in const:
        return const.split(mark, 1)[0] + "?"
    return None


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
    return _one(text, flow, node)


def _map(
    values: Values, change: Callable[[Any], Any], flow: Flow | None = None, node: ast.expr | None = None
) -> Values:
    if not values:
        return None
    found = set()
    for value in values:
        const = change(value.const)
        if const is None:
            return None
        found.add(Value(const, flow or value.flow, node or value.node))
    return frozenset(found)


def _call(flow: Flow, node: ast.Call) -> Values:
    dotted = flow.dotted(node.func)
    if dotted in _CALLS:
        return _one(_CALLS[dotted], flow, node)
    if dotted == "torch.device" and (node.args or node.keywords):
        return evaluate(flow, node.args[0] if node.args else node.keywords[0].value)
    if dotted in ("os.environ.get", "os.getenv"):
        # Unset, as on most machines.
        return evaluate(flow, node.args[1]) if len(node.args) > 1 else _one(None, flow, node)
    if isinstance(node.func, ast.Name):
        if node.func.id == "getattr" and len(node.args) >= 2:
            return _getattr(flow, node)
        if node.func.id in _BUILTINS and flow.lookup(node.func.id, node) is None and node.args and not node.keywords:
            return _builtin(flow, node, _BUILTINS[node.func.id])
    if isinstance(node.func, ast.Attribute):
        found = _method_call(flow, node, node.func)
        if found is not None:
            return found
    return _project_call(flow, node)


def _getattr(flow: Flow, node: ast.Call) -> Values:
    name = node.args[1]
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        dotted = flow.dotted(node.args[0])
        if f"{dotted}.{name.value}" in _NAMES:
            return _one(_NAMES[f"{dotted}.{name.value}"], flow, node)
    return None


def _builtin(flow: Flow, node: ast.Call, function: Callable[..., Any]) -> Values:
    arguments = [evaluate(flow, argument) for argument in node.args]
    if any(not values or len(values) != 1 for values in arguments):
        # str(device), int(x): one unknown of several may still be told for a single argument
        if len(arguments) == 1 and arguments[0]:
            return _map(arguments[0], lambda const: _safely(function, const), None, None)
        return None
    consts = [next(iter(values)).const for values in arguments if values]
    result = _safely(function, *consts)
    if result is None:
        return None
    origin = next(iter(arguments[0])) if arguments[0] else None
    if isinstance(result, str) and origin is not None:
        return frozenset({Value(result, origin.flow, origin.node)})
    return _one(result, flow, node)


def _safely(function: Callable[..., Any], *arguments: object) -> Any:
    try:
        return function(*arguments)
    except (TypeError, ValueError, OverflowError):
        return None


def _method_call(flow: Flow, node: ast.Call, func: ast.Attribute) -> Values:
    if func.attr == "format":
        return _map(evaluate(flow, func.value), lambda const: _device_prefix(const, "{"), flow, node)
    if func.attr in _METHODS:
        arguments = [evaluate(flow, argument) for argument in node.args]
        values = evaluate(flow, func.value)
        if not values or any(not argument or len(argument) != 1 for argument in arguments):
            return None
        consts = [next(iter(argument)).const for argument in arguments if argument]
        return _map(
            values,
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
                if reach.state_within(flow, node, function) == "never":
                    continue
                parts.append(evaluate(flow, node.value) if node.value is not None else None)
        return _union(parts) or None
    finally:
        flow.busy.discard(function)


def _own_nodes(function: Function) -> Iterable[ast.AST]:
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))


def _named(flow: Flow, node: ast.NamedExpr) -> Values:
    return evaluate(flow, node.value)


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
}

__all__ = ["Value", "Values", "always_cuda", "default_of", "evaluate", "is_cuda", "module_value", "truth"]
