"""Whether code is reached only by choice: a branch, a helper or a mark for GPUs, or a flag that is off by default."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from envtool.audit import values
from envtool.audit.flow import COMPREHENSIONS, FUNCTIONS, Binding, Flow, Function, default_of, given_to
from envtool.audit.leaning import is_device_test, leaning
from envtool.audit.marks import marked_for_gpu
from envtool.audit.modules import callers_of
from envtool.audit.script_options import is_holder, option_defaults

_COLLECTIVES = frozenset(
    {
        "all_gather",
        "all_gather_into_tensor",
        "all_gather_object",
        "all_reduce",
        "all_to_all",
        "broadcast",
        "broadcast_object_list",
        "gather",
        "reduce",
        "reduce_scatter",
        "reduce_scatter_tensor",
        "scatter",
    }
)


def by_choice(flow: Flow, node: ast.AST) -> str:
    """Why a node is reached only when someone asks for a GPU, or an empty string."""
    child = node
    for parent in flow.ancestors(node):
        if isinstance(parent, ast.If | ast.IfExp | ast.While) and child is not parent.test:
            body = parent.body if isinstance(parent.body, list) else [parent.body]
            side = side_of(flow, parent.test)
            inside = 1 if child in body else -1
            known = values.truth(flow, parent.test)
            if side == inside and (known is None or (side == 1 and is_device_test(parent.test))):
                return f"line {parent.lineno} chooses the GPU"
        elif isinstance(parent, ast.BoolOp):
            wanted = 1 if isinstance(parent.op, ast.And) else -1
            before = parent.values[: _position(parent.values, child)]
            if any(side_of(flow, part) == wanted and not _by_default(flow, part, wanted == 1) for part in before):
                return f"line {parent.lineno} chooses the GPU"
        elif isinstance(parent, COMPREHENSIONS) and not isinstance(child, ast.comprehension):
            if any(leaning(test) == 1 for generator in parent.generators for test in generator.ifs):
                return f"line {parent.lineno} chooses the GPU"
        elif isinstance(parent, ast.match_case) and "cuda" in ast.dump(parent.pattern).lower():
            return "a case for the GPU"
        if (reason := _left_early(flow, parent, child)) or (reason := _marked(flow, parent, child)):
            return reason
        child = parent
    return ""


def side_of(flow: Flow, test: ast.expr, depth: int = 0) -> int:
    """Which side of a condition is the GPU's, by its words or by those that its names were made of."""
    found = leaning(test)
    if found or depth > 3:
        return found
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return -side_of(flow, test.operand, depth + 1)
    if isinstance(test, ast.BoolOp):
        wanted = 1 if isinstance(test.op, ast.And) else -1
        return wanted if any(side_of(flow, part, depth + 1) == wanted for part in test.values) else 0
    binding = _only_binding(flow, test)
    if binding is None:
        return 0
    if isinstance(binding.statement, ast.arg):
        sides = {side_of(other, given, depth + 1) for other, given in _given(flow, binding.statement)}
        return sides.pop() if len(sides) == 1 else 0
    return side_of(flow, binding.value, depth + 1) if binding.value is not None else 0


def _only_binding(flow: Flow, test: ast.expr) -> Binding | None:
    """The one place where a name, or a field of the own object, gets its value."""
    found: list[Binding] = []
    if isinstance(test, ast.Name):
        bound = flow.lookup(test.id, test)
        found = bound[1] if bound is not None else []
    elif isinstance(test, ast.Attribute) and isinstance(test.value, ast.Name) and test.value.id == "self":
        found = flow.fields.get((flow.class_of(test), test.attr), [])
    return found[0] if len(found) == 1 else None


def _given(flow: Flow, parameter: ast.arg) -> list[tuple[Flow, ast.expr]]:
    """What the calls in the project give to a parameter; empty where that is not known of each."""
    function = flow.parents.get(flow.parents.get(parameter, flow.tree))
    calls = callers_of(flow, function) if isinstance(function, FUNCTIONS) else None
    if calls is None or not isinstance(function, FUNCTIONS):
        return []
    found: list[tuple[Flow, ast.expr]] = []
    for other, call in calls:
        given = given_to(function, call, parameter.arg)
        value, home = (given, other) if given is not None else (default_of(function, parameter.arg), flow)
        if value is None:
            return []
        if not _is_false(value):
            found.append((home, value))
    return found


def _position(items: Sequence[ast.AST], item: ast.AST) -> int:
    return next((index for index, other in enumerate(items) if other is item), 0)


def _by_default(flow: Flow, test: ast.expr, answer: bool) -> bool:
    """Whether a condition is known to be so when nobody asks for anything; of a device its name is the cause."""
    return not any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(test)) and (
        values.truth(flow, test) is answer
    )


def _left_early(flow: Flow, parent: ast.AST, child: ast.AST) -> str:
    """``if device == "cpu": return`` before the node."""
    place = flow.position(parent, child) if isinstance(child, ast.stmt) else None
    if place is None:
        return ""
    block, end = place
    key = ("leaves-early", f"{flow.source.path}:{block[0].lineno}:{block[0].col_offset}")
    if key not in flow.project.cache:
        flow.project.cache[key] = [(index, found) for index, found in enumerate(block) if _leaves_without_gpu(found)]
    known = flow.project.cache[key]
    for index, statement in known if isinstance(known, list) else ():
        if index < end and not _by_default(flow, statement.test, answer=False):
            return f"line {statement.lineno} leaves when there is no GPU"
    return ""


def _leaves_without_gpu(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and leaning(statement.test) == -1
        and isinstance(statement.body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)
    )


def _is_collective(flow: Flow, function: Function) -> bool:
    """Whether a small function always takes part in a collective operation, of a process group that others made."""
    if len(function.body) > 6:
        return False
    for statement in function.body:
        if isinstance(statement, ast.Expr | ast.Assign | ast.Return) and isinstance(statement.value, ast.Call):
            dotted = flow.dotted(statement.value.func) or ""
            if dotted.startswith("torch.distributed.") and dotted.rsplit(".", 1)[-1] in _COLLECTIVES:
                return not any(
                    isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).endswith("init_process_group")
                    for node in ast.walk(function)
                )
    return False


def _marked(flow: Flow, parent: ast.AST, child: ast.AST) -> str:
    if isinstance(parent, FUNCTIONS) and child in parent.body and _is_collective(flow, parent):
        return f"in {parent.name}(), which is for distributed runs"
    return marked_for_gpu(flow, parent, child)


# --- flags ------------------------------------------------------------------------------------------------------------


def off_by_default(flow: Flow, node: ast.AST) -> bool:
    """Whether a node is reached only with a flag that is False unless someone sets it."""
    child = node
    for parent in flow.ancestors(node):
        if isinstance(parent, ast.If | ast.IfExp) and child is not parent.test:
            body = parent.body if isinstance(parent.body, list) else [parent.body]
            test = parent.test
            if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                if child not in body and _is_off(flow, test.operand):
                    return True
            elif child in body and _is_off(flow, test):
                return True
        elif isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.And):
            before = parent.values[: _position(parent.values, child)]
            if any(_is_off(flow, part) for part in before):
                return True
        child = parent
    return False


def _is_off(flow: Flow, test: ast.expr, depth: int = 0) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_is_off(flow, part, depth) for part in test.values)
    if isinstance(test, ast.Attribute):
        defaults = [default for _, default in option_defaults(flow, test.attr)] if is_holder(flow, test.value) else []
        return bool(defaults) and all(_is_false(default) for default in defaults)
    bound = flow.lookup(test.id, test) if isinstance(test, ast.Name) else None
    if bound is None or len(bound[1]) != 1 or depth > 2:
        return False
    binding = bound[1][0]
    if isinstance(binding.statement, ast.arg):
        function = flow.parents.get(flow.parents.get(binding.statement, flow.tree))
        return isinstance(function, FUNCTIONS) and _off_parameter(flow, function, binding.statement.arg, depth)
    return binding.value is not None and _is_off(flow, binding.value, depth + 1)


def _off_parameter(flow: Flow, function: Function, name: str, depth: int) -> bool:
    """Whether a parameter is False by default, and no call in the project gives another value."""
    if not _is_false(default_of(function, name)):
        return False
    for other, call in callers_of(flow, function) or ():
        given = given_to(function, call, name)
        if given is not None and not _is_false(given) and not _is_off(other, given, depth + 1):
            return False
    return True


def _is_false(value: ast.expr | bool | None) -> bool:
    return value is False or (isinstance(value, ast.Constant) and value.value is False)
