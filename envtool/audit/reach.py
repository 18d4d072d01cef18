"""Whether code runs at all on a CPU-only build: branches, early exits, asserts, try blocks, callers, importers."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Literal

from envtool.audit import values
from envtool.audit.flow import FUNCTIONS, Flow, Function
from envtool.audit.leaning import is_device_test, leaning
from envtool.audit.modules import callers_of, importers_of, resolve_definition

State = Literal["always", "maybe", "never"]


_GPU_FUNCTION = re.compile(r"(^|_)(cuda|gpus?|pin_memory|nccl)(_|$)", re.IGNORECASE)
_DISTRIBUTED = re.compile(r"(^|_)(ddp|dist|fsdp|distributed|slurm)(_|$)", re.IGNORECASE)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


_EXITS = frozenset({"sys.exit", "os._exit", "os.abort", "pytest.skip", "pytest.exit", "unittest.skip"})
_EXIT_NAMES = frozenset({"exit", "quit"})
_EXIT_METHODS = frozenset({"skipTest", "skip"})
_PARENTS_OF = {
    "AssertionError": {"AssertionError", "Exception", "BaseException"},
    "RuntimeError": {"RuntimeError", "Exception", "BaseException"},
    "AttributeError": {"AttributeError", "Exception", "BaseException"},
    "KeyError": {"KeyError", "LookupError", "Exception", "BaseException"},
    "TypeError": {"TypeError", "Exception", "BaseException"},
    "ValueError": {"ValueError", "Exception", "BaseException"},
    "OSError": {"OSError", "IOError", "EnvironmentError", "Exception", "BaseException"},
    "ZeroDivisionError": {"ZeroDivisionError", "ArithmeticError", "Exception", "BaseException"},
    "ModuleNotFoundError": {"ModuleNotFoundError", "ImportError", "Exception", "BaseException"},
}


def state_within(flow: Flow, node: ast.AST, scope: ast.AST) -> State:
    """Whether a node is run when its scope is: always, maybe or never on a CPU-only build."""
    result: State = "always"
    child = node
    for parent in flow.ancestors(node):
        found = _step(flow, parent, child)
        if found == "never" or _cut_off(flow, parent, child):
            return "never"
        if found == "maybe" or (isinstance(parent, (*FUNCTIONS, ast.Lambda)) and parent is not scope):
            result = "maybe"
        if parent is scope:
            break
        child = parent
    return result


def _step(flow: Flow, parent: ast.AST, child: ast.AST) -> State:
    if isinstance(parent, ast.If | ast.While | ast.IfExp):
        return _branch(flow, parent, child)
    if isinstance(parent, ast.BoolOp):
        return _operand(flow, parent, child)
    if isinstance(parent, ast.For | ast.AsyncFor) and child is not parent.iter:
        return "never" if child in parent.body and _is_empty(flow, parent.iter) else "maybe"
    if isinstance(parent, ast.ExceptHandler | ast.match_case):
        return "maybe"
    if isinstance(parent, _COMPREHENSIONS) and not isinstance(child, ast.comprehension):
        tests = [test for generator in parent.generators for test in generator.ifs]
        if any(values.truth(flow, test) is False for test in tests):
            return "never"
        if any(_is_empty(flow, generator.iter) for generator in parent.generators):
            return "never"
    if isinstance(parent, ast.Assert) and child is parent.msg:
        return "maybe"
    return "always"


def _is_empty(flow: Flow, node: ast.expr) -> bool:
    """``range(torch.cuda.device_count())``: a loop over the GPUs, of which there are none."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and node.args):
        return False
    stop = values.evaluate(flow, node.args[min(1, len(node.args) - 1)])
    return bool(stop) and all(isinstance(value.const, int) and value.const <= 0 for value in stop or ())


def _branch(flow: Flow, parent: ast.If | ast.While | ast.IfExp, child: ast.AST) -> State:
    if child is parent.test:
        return "always"
    answer = values.truth(flow, parent.test)
    if answer is None:
        return "maybe"
    if isinstance(parent, ast.While):
        return "never" if not answer and child in parent.body else "maybe"
    inside = child is parent.body if isinstance(parent, ast.IfExp) else child in parent.body
    return "always" if inside == answer else "never"


def _operand(flow: Flow, parent: ast.BoolOp, child: ast.AST) -> State:
    stops = isinstance(parent.op, ast.Or)
    result: State = "always"
    for operand in parent.values:
        if operand is child:
            break
        answer = values.truth(flow, operand)
        if answer is stops:
            return "never"
        if answer is None:
            result = "maybe"
    return result


def _cut_off(flow: Flow, parent: ast.AST, child: ast.AST) -> bool:
    """Whether an earlier statement of the same block surely leaves it."""
    if isinstance(child, ast.stmt):
        for block in _blocks(parent):
            if child in block:
                return any(exits(flow, statement) for statement in block[: block.index(child)])
    return False


def _blocks(node: ast.AST) -> list[list[ast.stmt]]:
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    return [block for block in found if isinstance(block, list)]


def exits(flow: Flow, statement: ast.stmt, depth: int = 0) -> bool:
    """Whether a statement surely leaves its block on a CPU-only build."""
    if isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
        return True
    if isinstance(statement, ast.If):
        answer = values.truth(flow, statement.test)
        body, orelse = _exits_block(flow, statement.body, depth), _exits_block(flow, statement.orelse, depth)
        return body if answer is True else orelse if answer is False else body and orelse
    if isinstance(statement, ast.Assert):
        return values.truth(flow, statement.test) is False
    if isinstance(statement, ast.With):
        return _exits_block(flow, statement.body, depth)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _exit_call(flow, statement.value, depth)
    return False


def _exits_block(flow: Flow, block: Sequence[ast.stmt], depth: int) -> bool:
    return any(exits(flow, statement, depth) for statement in block)


def _exit_call(flow: Flow, call: ast.Call, depth: int) -> bool:
    dotted = flow.dotted(call.func)
    if dotted in _EXITS:
        return True
    if isinstance(call.func, ast.Name) and call.func.id in _EXIT_NAMES:
        return True
    if isinstance(call.func, ast.Attribute) and call.func.attr in _EXIT_METHODS:
        return isinstance(call.func.value, ast.Name) and call.func.value.id == "self"
    if depth < 2:
        definition = resolve_definition(flow, call.func)
        if definition is not None and isinstance(definition[1], FUNCTIONS):
            return _raises(definition[0], definition[1], depth + 1)
    return False


def _raises(flow: Flow, function: Function, depth: int) -> bool:
    """Whether a helper surely raises or ends the program (``require_cuda()``)."""
    for statement in function.body:
        if isinstance(statement, ast.Return):
            return False
        if isinstance(statement, ast.If):
            answer = values.truth(flow, statement.test)
            block = statement.body if answer is True else statement.orelse if answer is False else []
            if any(isinstance(inner, ast.Return) for inner in block):
                return False
            if any(_ends(flow, inner, depth) for inner in block):
                return True
        elif _ends(flow, statement, depth):
            return True
    return False


def _ends(flow: Flow, statement: ast.stmt, depth: int) -> bool:
    if isinstance(statement, ast.Raise):
        return True
    if isinstance(statement, ast.Assert | ast.Expr):
        return exits(flow, statement, depth)
    return False


def by_choice(flow: Flow, node: ast.AST) -> str:
    """Why a node is reached only when someone asks for a GPU, or an empty string."""
    child = node
    for parent in flow.ancestors(node):
        if isinstance(parent, ast.If | ast.IfExp | ast.While) and child is not parent.test:
            body = parent.body if isinstance(parent.body, list) else [parent.body]
            side = leaning(parent.test)
            inside = 1 if child in body else -1
            known = values.truth(flow, parent.test)
            if side == inside and (known is None or (side == 1 and is_device_test(parent.test))):
                return f"line {parent.lineno} chooses the GPU"
        elif isinstance(parent, ast.BoolOp):
            sides = [leaning(part) for part in parent.values[: _position(parent.values, child)]]
            if (1 if isinstance(parent.op, ast.And) else -1) in sides:
                return f"line {parent.lineno} chooses the GPU"
        elif isinstance(parent, _COMPREHENSIONS) and not isinstance(child, ast.comprehension):
            if any(leaning(test) == 1 for generator in parent.generators for test in generator.ifs):
                return f"line {parent.lineno} chooses the GPU"
        elif isinstance(parent, ast.match_case) and "cuda" in ast.dump(parent.pattern).lower():
            return "a case for the GPU"
        if (reason := _left_early(parent, child)) or (reason := _gpu_function(parent, child)):
            return reason
        child = parent
    return ""


def _position(items: Sequence[ast.AST], item: ast.AST) -> int:
    return next((index for index, other in enumerate(items) if other is item), 0)


def _left_early(parent: ast.AST, child: ast.AST) -> str:
    """``if device == "cpu": return`` before the node."""
    if not isinstance(child, ast.stmt):
        return ""
    for block in _blocks(parent):
        for statement in block[: block.index(child)] if child in block else ():
            if (
                isinstance(statement, ast.If)
                and not statement.orelse
                and leaning(statement.test) == -1
                and isinstance(statement.body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)
            ):
                return f"line {statement.lineno} leaves when there is no GPU"
    return ""


def _gpu_function(parent: ast.AST, child: ast.AST) -> str:
    if isinstance(parent, FUNCTIONS) and child in parent.body:
        if _GPU_FUNCTION.search(parent.name):
            return f"in {parent.name}(), which is for the GPU"
        for decorator in parent.decorator_list:
            if re.search(r"cuda|gpu|triton", ast.unparse(decorator), re.IGNORECASE):
                return f"{parent.name}() is marked for the GPU"
    if isinstance(parent, ast.ClassDef):
        for decorator in parent.decorator_list:
            if re.search(r"cuda|gpu", ast.unparse(decorator), re.IGNORECASE):
                return f"class {parent.name} is marked for the GPU"
    return ""


# --- caught ----------------------------------------------------------------------------------------------------------


def caught(flow: Flow, node: ast.AST, raised: Sequence[str]) -> str:
    """Which try block catches all of ``raised`` (names of built-in exceptions) and goes on; empty if none does."""
    child = node
    for parent in flow.ancestors(node):
        if isinstance(parent, (*FUNCTIONS, ast.Lambda)):
            return ""
        if isinstance(parent, ast.Try) and child in parent.body:
            if all(_catches(flow, parent, name) for name in raised):
                return f"caught at line {parent.lineno}"
        elif isinstance(parent, ast.With) and child in parent.body:
            for item in parent.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and (flow.dotted(call.func) or "").endswith("contextlib.suppress"):
                    named = {ast.unparse(argument) for argument in call.args}
                    if all(named & _PARENTS_OF[name] for name in raised):
                        return f"suppressed at line {parent.lineno}"
        child = parent
    return ""


def _catches(flow: Flow, node: ast.Try, raised: str) -> bool:
    for handler in node.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {ast.unparse(kind).rsplit(".", 1)[-1] for kind in kinds if kind is not None}
        if handler.type is None or names & _PARENTS_OF[raised]:
            return not _gives_up(flow, handler)
    return False


def _gives_up(flow: Flow, handler: ast.ExceptHandler) -> bool:
    """A handler that raises again or ends the program is no guard."""
    return any(
        isinstance(statement, ast.Raise)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and exits(flow, statement))
        for statement in handler.body
    )


# --- callers and importers -------------------------------------------------------------------------------------------


def why_unreached(flow: Flow, node: ast.AST, raised: Sequence[str], depth: int = 0) -> str:
    """Why a node does no harm on a CPU-only build, or an empty string when nothing stands before it."""
    if state_within(flow, node, flow.tree) == "never":
        return "not reached without CUDA"
    if reason := by_choice(flow, node) or caught(flow, node, raised):
        return reason
    if depth >= 3:
        return ""
    for definition in flow.ancestors(node):
        if isinstance(definition, (*FUNCTIONS, ast.ClassDef)):
            reason = _guarded_callers(flow, definition, raised, depth)
            if reason:
                return reason
    return _guarded_module(flow, raised, depth)


def _guarded_callers(flow: Flow, definition: Function | ast.ClassDef, raised: Sequence[str], depth: int) -> str:
    """Whether everyone who calls a function, or makes a class, does so only for the GPU."""
    calls = callers_of(flow, definition)
    # A call from inside itself says nothing.
    outside = [(other, call) for other, call in calls or () if definition not in set(other.ancestors(call))]
    if outside:
        guarded = all(why_unreached(other, call, raised, depth + 1) for other, call in outside)
        return "every caller is guarded" if guarded else ""
    if isinstance(definition, FUNCTIONS) and _DISTRIBUTED.search(definition.name):
        return f"in {definition.name}(), which is for distributed runs"
    return ""


def _guarded_module(flow: Flow, raised: Sequence[str], depth: int) -> str:
    key = ("guarded", flow.source.path)
    if key not in flow.project.cache:
        flow.project.cache[key] = ""  # for modules that import each other
        imports = importers_of(flow)
        guarded = bool(imports) and all(why_unreached(other, node, raised, depth + 1) for other, node in imports)
        flow.project.cache[key] = "its module is imported only for the GPU" if guarded else ""
    return str(flow.project.cache[key])
