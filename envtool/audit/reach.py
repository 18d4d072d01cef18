"""Whether code runs at all on a CPU-only build: branches, early exits, asserts, try blocks, callers, importers."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Sequence
from typing import Literal

from envtool.audit import choice, patterns, raising, values
from envtool.audit.flow import COMPREHENSIONS, FUNCTIONS, Flow, Function
from envtool.audit.modules import callers_of, importers_of, resolve_definition

State = Literal["always", "maybe", "never"]
_LEFT_EARLY = (ast.Try, ast.For, ast.AsyncFor, ast.While)


_GPU_NAME = re.compile(r"(^|_)(cuda|gpus?|pin_memory|nccl|parallelize)(_|$)", re.IGNORECASE)
_GPU_ENGINE = re.compile(r"(TRT|Trt|TensorRT|VLLM|Vllm)(?![a-z])")
_GPU_CLASS = re.compile(r"(CUDA|Cuda|NCCL|Nccl)(?![a-z])")
_DISTRIBUTED = re.compile(r"(^|_)(ddp|dist|fsdp|distributed|slurm)(_|$)", re.IGNORECASE)


_EXITS = frozenset({"sys.exit", "os._exit", "os.abort", "pytest.skip", "pytest.exit", "unittest.skip"})
_EXIT_NAMES = frozenset({"exit", "quit"})
_EXIT_METHODS = frozenset({"skipTest", "skip"})
PARENTS_OF = {
    "AssertionError": {"AssertionError", "Exception", "BaseException"},
    "RuntimeError": {"RuntimeError", "Exception", "BaseException"},
    "AttributeError": {"AttributeError", "Exception", "BaseException"},
    "KeyError": {"KeyError", "LookupError", "Exception", "BaseException"},
    "TypeError": {"TypeError", "Exception", "BaseException"},
    "ValueError": {"ValueError", "Exception", "BaseException"},
    "OSError": {"OSError", "IOError", "EnvironmentError", "Exception", "BaseException"},
    "ZeroDivisionError": {"ZeroDivisionError", "ArithmeticError", "Exception", "BaseException"},
    "ImportError": {"ImportError", "Exception", "BaseException"},
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


def state_before(flow: Flow, statement: ast.AST, use: ast.AST, scope: ast.AST) -> State:
    """Whether a statement was run when its scope comes to ``use``: the block that holds both is run by then."""
    inner_of_use: dict[ast.AST, ast.AST] = {}
    child = use
    for parent in flow.ancestors(use):
        inner_of_use[parent] = child
        child = parent
    child = statement
    for parent in flow.ancestors(statement):
        other = inner_of_use.get(parent)
        if other is not None:
            if isinstance(parent, ast.If) and parent.test not in (child, other):
                if (child in parent.body) != (other in parent.body):
                    return "maybe" if _loops(flow, parent, scope) else "never"
            elif isinstance(parent, _LEFT_EARLY) and child in parent.body and other not in parent.body:
                break
            return "always" if child is statement else state_within(flow, statement, child)
        child = parent
    return state_within(flow, statement, scope)


def _loops(flow: Flow, node: ast.AST, scope: ast.AST) -> bool:
    """Whether a loop of the scope is around a node."""
    for parent in flow.ancestors(node):
        if parent is scope:
            return False
        if isinstance(parent, ast.For | ast.AsyncFor | ast.While):
            return True
    return False


def _step(flow: Flow, parent: ast.AST, child: ast.AST) -> State:
    if isinstance(parent, ast.If | ast.While | ast.IfExp):
        return _branch(flow, parent, child)
    if isinstance(parent, ast.BoolOp):
        return _operand(flow, parent, child)
    if isinstance(parent, ast.For | ast.AsyncFor) and child is not parent.iter:
        return "never" if child in parent.body and _is_empty(flow, parent.iter) else "maybe"
    if isinstance(parent, ast.ExceptHandler):
        block = flow.parents.get(parent)
        stop = raising.stop_of(flow, block) if isinstance(block, ast.Try) else None
        return "always" if stop is not None and stop[1] is parent else "maybe"
    if isinstance(parent, ast.Match) and isinstance(child, ast.match_case):
        return patterns.case_state(flow, parent, child)
    if isinstance(parent, COMPREHENSIONS) and not isinstance(child, ast.comprehension):
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
    """Whether an earlier statement of the same block surely leaves it, also by what it raises where that is caught."""
    if isinstance(parent, ast.Try) and (child in parent.body or child in parent.orelse):
        stop = raising.stop_of(flow, parent)
        if stop is not None and child not in parent.body[: stop[0] + 1]:
            return True
    place = flow.position(parent, child) if isinstance(child, ast.stmt) else None
    if place is None:
        return False
    block, end = place
    # What was looked at for a statement further up is not looked at again.
    done, leaves = flow.left.get(block[0], (0, False))
    if leaves:
        return done <= end
    for index in range(done, end):
        if exits(flow, block[index]):
            done, leaves = index + 1, True
            break
    else:
        done = max(done, end)
    if not flow.busy:  # while a value is looked for, what depends on it is not known yet
        flow.left[block[0]] = (done, leaves)
    return leaves


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
    if isinstance(statement, ast.Try):
        stop = raising.stop_of(flow, statement)
        return stop is not None and _exits_block(flow, stop[1].body, depth)
    if isinstance(statement, ast.Match):
        states = [(patterns.case_state(flow, statement, case), case) for case in statement.cases]
        return any(state == "always" and _exits_block(flow, case.body, depth) for state, case in states)
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
                    if all(named & PARENTS_OF[name] for name in raised):
                        return f"suppressed at line {parent.lineno}"
        child = parent
    return ""


def _catches(flow: Flow, node: ast.Try, raised: str) -> bool:
    handler = handler_of(node, raised)
    return handler is not None and not gives_up(flow, handler)


def handler_of(node: ast.Try, raised: str) -> ast.ExceptHandler | None:
    """The handler of a try block that catches a built-in exception."""
    for handler in node.handlers:
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {ast.unparse(kind).rsplit(".", 1)[-1] for kind in kinds if kind is not None}
        if handler.type is None or names & PARENTS_OF[raised]:
            return handler
    return None


def gives_up(flow: Flow, handler: ast.ExceptHandler) -> bool:
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
    if reason := choice.by_choice(flow, node) or caught(flow, node, raised):
        return reason
    if depth >= 3:
        return _guarded_module(flow, raised)
    for definition in flow.ancestors(node):
        if isinstance(definition, (*FUNCTIONS, ast.ClassDef)):
            reason = _guarded_callers(flow, definition, raised, depth)
            if reason:
                return reason
    return _guarded_module(flow, raised)


def _guarded_callers(flow: Flow, definition: Function | ast.ClassDef, raised: Sequence[str], depth: int) -> str:
    """Whether everyone who calls a function, or makes a class, does so only for the GPU."""
    calls = callers_of(flow, definition)
    # A call from inside itself says nothing.
    outside = [(other, call) for other, call in calls or () if definition not in set(other.ancestors(call))]
    if outside:
        guarded = all(why_unreached(other, call, raised, depth + 1) for other, call in outside)
        return "every caller is guarded" if guarded else ""
    return _by_name(flow, definition, passed_around=calls is None)


def _by_name(flow: Flow, definition: Function | ast.ClassDef, *, passed_around: bool) -> str:
    """What names tell where the callers are not known: ``to_cuda()``, ``init_distributed()``, ``CudaAccelerator``."""
    name = definition.name
    stem = posixpath.basename(flow.source.path).removesuffix(".py")
    if isinstance(definition, ast.ClassDef):
        for_gpu = _GPU_ENGINE.search(name) or (passed_around and _GPU_CLASS.search(name))
        return f"in {name}, which is for the GPU" if for_gpu else ""
    if _GPU_NAME.search(name):
        return f"in {name}(), which is for the GPU"
    if _DISTRIBUTED.search(name) or (passed_around and _DISTRIBUTED.search(stem)):
        return f"in {name}(), which is for distributed runs"
    return ""


def _guarded_module(flow: Flow, raised: Sequence[str]) -> str:
    key = ("guarded", f"{flow.source.path}:{'|'.join(raised)}")
    if key not in flow.project.cache:
        flow.project.cache[key] = ""  # for modules that import each other
        imports = importers_of(flow)
        guarded = bool(imports) and all(why_unreached(other, node, raised) for other, node in imports)
        flow.project.cache[key] = "its module is imported only for the GPU" if guarded else ""
    return str(flow.project.cache[key])
