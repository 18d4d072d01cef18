"""CPU206: ``torch.compile`` of a TorchScript module."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from envtool.audit.classify import is_test
from envtool.audit.dotted import FUNCTIONS, dotted, imported_names
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.syntax import tree_of

_MAKERS = frozenset({"torch.jit.load", "torch.jit.script", "torch.jit.freeze"})
_MESSAGE = "torch.compile raises RuntimeError: it does not take a TorchScript module; use the module as it is"
_Path: TypeAlias = tuple[tuple[ast.If, bool], ...]
_KEEPERS = frozenset({"eval", "to", "cpu", "cuda", "float", "half", "train"})


class CompileOfScripted:
    """Dynamo does not take TorchScript modules."""

    code = "CPU206"
    name = "compile-of-scripted"
    summary = "torch.compile is given a TorchScript module"
    kinds: Sequence[SourceKind] = ("python", "notebook")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Calls whose argument is made by torch.jit in the same scope."""
        if "torch" not in source.text or "compile" not in source.text:
            return
        tree, names = tree_of(source, project), imported_names(source, project)
        if tree is None:
            return
        report = Report(self.code, source, project)
        scopes = [tree, *(node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))]
        for scope in scopes:
            scripted: dict[str, _Path] = {}
            for node, path in _in_order(scope, ()):
                here = {name for name, made in scripted.items() if not _apart(made, path)}
                if isinstance(node, ast.Call) and dotted(node.func, names) == "torch.compile" and node.args:
                    if _is_scripted(node.args[0], names, here):
                        yield report.warning(node, _MESSAGE) if is_test(source.path) else report.error(node, _MESSAGE)
                elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    if _is_scripted(node.value, names, here):
                        scripted[name] = path
                    elif name in here:
                        del scripted[name]


def _in_order(scope: ast.AST, path: _Path) -> Iterator[tuple[ast.AST, _Path]]:
    """Nodes of a scope in source order, a call before the assignment of its result; without inner functions.

    Each with the branches that it stands in.
    """
    for child in ast.iter_child_nodes(scope):
        inner = path
        if isinstance(scope, ast.If) and child is not scope.test:
            inner = (*path, (scope, child in scope.body))
        if not isinstance(child, (*FUNCTIONS, ast.Lambda)):
            yield from _in_order(child, inner)
            yield child, inner


def _apart(first: _Path, second: _Path) -> bool:
    """Whether two nodes stand in different branches of one ``if``: not both are run."""
    sides = dict(first)
    return any(sides.get(branch, side) != side for branch, side in second)


def _is_scripted(node: ast.expr, names: dict[str, str], scripted: Collection[str]) -> bool:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPERS:
        node = node.func.value
    if isinstance(node, ast.Name):
        return node.id in scripted
    return isinstance(node, ast.Call) and dotted(node.func, names) in _MAKERS


RULE = CompileOfScripted()
