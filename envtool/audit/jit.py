"""Where a module compiles TorchScript from source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from envtool.audit.dotted import FUNCTIONS, dotted, imported_names
from envtool.audit.frozen import only_unfrozen
from envtool.audit.models import Project, Source
from envtool.audit.syntax import tree_of

_COMPILERS = frozenset({"torch.jit.script", "torch.jit.script_method", "torch.jit.interface"})


def compiled_places(source: Source, project: Project) -> Iterator[ast.expr]:
    """Decorators and calls of ``torch.jit.script`` that need this module's own source when the app is frozen.

    Scripting an object that another package made is left out: that package is collected with its source.
    """
    tree = tree_of(source, project)
    if tree is None:
        return
    names = imported_names(source, project)
    foreign = {name for name, target in names.items() if target.partition(".")[0] in ("torch", "torchvision")}
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            for decorator in node.decorator_list:
                plain = decorator.func if isinstance(decorator, ast.Call) else decorator
                if dotted(plain, names) in _COMPILERS and not only_unfrozen(node, tree):
                    yield decorator
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func, names) in _COMPILERS
            and node.args
            and not _made_elsewhere(node.args[0], foreign)
            and not only_unfrozen(node, tree)
        ):
            yield node


def _made_elsewhere(argument: ast.expr, foreign: set[str]) -> bool:
    root = argument
    while isinstance(root, ast.Call | ast.Attribute):
        root = root.func if isinstance(root, ast.Call) else root.value
    return isinstance(root, ast.Name) and root.id in foreign
