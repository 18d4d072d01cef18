"""CPU126: code that refuses to run without CUDA."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import FUNCTIONS, Flow
from envtool.audit.models import Severity
from envtool.audit.modules import callers_of
from envtool.audit.reach import PARENTS_OF
from envtool.audit.values import truth

_MAIN = re.compile(r"_?(main|run|train|cli|app|start|launch)(_|$)")


class CudaRequired(CodeRule):
    """An assert or a raise ends the program when there is no CUDA."""

    code = "CPU126"
    name = "cuda-required"
    summary = "The code refuses to run without CUDA"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Asserts that fail, and branches that raise or exit, by a test of CUDA itself."""
        for node in flow.parents:
            if isinstance(node, ast.Assert):
                if _speaks(flow, node.test) and truth(flow, node.test) is False:
                    message = "the assertion fails on a CPU-only build: AssertionError"
                    severity = _weight(flow, node)
                    yield from self.report(flow, node.test, message, severity=severity, confidence="medium")
            elif isinstance(node, ast.If) and _speaks(flow, node.test):
                answer = truth(flow, node.test)
                block = node.body if answer else node.orelse if answer is False else []
                how = _ends(flow, block)
                if how:
                    message = f"on a CPU-only build this branch is taken, and ends with {how}"
                    severity = _weight(flow, node)
                    raised = how if how in PARENTS_OF else "RuntimeError"
                    yield from self.report(
                        flow, node.test, message, raised=raised, severity=severity, confidence="medium"
                    )


def _weight(flow: Flow, node: ast.AST) -> Severity:
    """A helper for the GPU that nobody here calls may refuse; the main path may not."""
    function = next((parent for parent in flow.ancestors(node) if isinstance(parent, FUNCTIONS)), None)
    if function is None or _MAIN.match(function.name) or callers_of(flow, function):
        return "error"
    return "warning"


def _speaks(flow: Flow, test: ast.expr) -> bool:
    """Whether torch is asked for CUDA in the test itself."""
    return any((flow.dotted(part) or "").startswith("torch.cuda.") for part in ast.walk(test))


def _ends(flow: Flow, block: Sequence[ast.stmt]) -> str:
    for statement in block:
        if isinstance(statement, ast.Raise) and statement.exc is not None:
            raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
            name = ast.unparse(raised)
            return "" if "skip" in name.lower() else name
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            name = flow.dotted(statement.value.func) or ast.unparse(statement.value.func)
            if name in ("sys.exit", "exit", "quit", "os._exit"):
                return f"{name}()"
    return ""


RULE = CudaRequired()
