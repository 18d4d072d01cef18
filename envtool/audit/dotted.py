"""Dotted names of expressions, through the imports of their module: ``th.jit.load`` is ``torch.jit.load``."""

from __future__ import annotations

import ast

from envtool.audit.models import Project, Source
from envtool.audit.syntax import tree_of

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def imported_names(source: Source, project: Project) -> dict[str, str]:
    """What each imported name of a module stands for (``{"th": "torch", "script": "torch.jit.script"}``)."""
    key = ("imported-names", source.path)
    found = project.cache.get(key)
    if isinstance(found, dict):
        return found
    names: dict[str, str] = {}
    tree = tree_of(source, project)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    project.cache[key] = names
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of an expression, or "" when it is not one."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(names.get(node.id, node.id))
    return ".".join(reversed(parts))


def parents_of(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """The parent of each node."""
    return {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


def text_of(node: ast.AST | None) -> str | None:
    """The value of a string constant, else None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
