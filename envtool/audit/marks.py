"""Marks of tests that skip them where there is no GPU, written at the test or kept under a name."""

from __future__ import annotations

import ast
import re

from envtool.audit import values
from envtool.audit.flow import FUNCTIONS, Flow, keyword
from envtool.audit.modules import imported_symbol

_SKIPS = {"pytest.mark.skipif": True, "unittest.skipIf": True, "unittest.skipUnless": False}
_GPU_MARK = re.compile(r"cuda|gpu|triton", re.IGNORECASE)
_NO_MARK = re.compile(r"^[\w.]*\b(option|argument|autocast|custom_fwd|custom_bwd)\b")


def marked_for_gpu(flow: Flow, parent: ast.AST, child: ast.AST) -> str:
    """Whether a function, class or module is skipped without a GPU, by what its mark is worth or else by its words."""
    if isinstance(parent, ast.Module):
        # What stands in the module itself runs when it is imported.
        marked = isinstance(child, (*FUNCTIONS, ast.ClassDef)) and _pytestmark(flow, parent)
        return "pytestmark skips this without CUDA" if marked else ""
    if not isinstance(parent, (*FUNCTIONS, ast.ClassDef)) or child not in parent.body:
        return ""
    for decorator in parent.decorator_list:
        skipped = _skips(flow, decorator)
        text = ast.unparse(decorator)
        if skipped or (skipped is None and _GPU_MARK.search(text) and not _NO_MARK.search(text)):
            return f"{parent.name} is marked for the GPU"
    marked = isinstance(parent, ast.ClassDef) and _pytestmark(flow, parent)
    return f"{parent.name} is marked for the GPU" if marked else ""


def _pytestmark(flow: Flow, scope: ast.Module | ast.ClassDef) -> bool:
    for binding in flow.bindings.get(scope, {}).get("pytestmark", []):
        value = binding.value
        marks = value.elts if isinstance(value, ast.List | ast.Tuple) else [value] if value is not None else []
        if any(_skips(flow, mark) for mark in marks):
            return True
    return False


def _skips(flow: Flow, mark: ast.expr) -> bool | None:
    """Whether a mark skips on a CPU-only build; None for what is no such mark or depends on more."""
    found = _made(flow, mark)
    if found is None:
        return None
    home, call = found
    wanted = _SKIPS.get(home.dotted(call.func) or "")
    condition = call.args[0] if call.args else keyword(call, "condition")
    if wanted is None or condition is None:
        return None
    if isinstance(condition, ast.Constant) and isinstance(condition.value, str):
        try:
            condition = ast.parse(condition.value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return None
    answer = values.truth(home, condition)
    return None if answer is None else answer is wanted


def _made(flow: Flow, mark: ast.expr, depth: int = 0) -> tuple[Flow, ast.Call] | None:
    """The call that makes a mark: here, or under the one value of a name of this module or another."""
    if isinstance(mark, ast.Call):
        return flow, mark
    if depth > 3:
        return None
    home, name = flow, mark.id if isinstance(mark, ast.Name) else ""
    bound = flow.lookup(name, mark) if name else None
    bindings = bound[1] if bound is not None else []
    if bound is None:
        base = mark.value if isinstance(mark, ast.Attribute) else mark
        imported = flow.imported.get(base.id) if isinstance(base, ast.Name) else None
        target = imported_symbol(flow, imported) if imported is not None else None
        if target is None:
            return None
        home, name = target[0], target[1] or (mark.attr if isinstance(mark, ast.Attribute) else "")
        bindings = home.bindings[home.tree].get(name, [])
    value = bindings[0].value if len(bindings) == 1 else None
    return _made(home, value, depth + 1) if value is not None else None
