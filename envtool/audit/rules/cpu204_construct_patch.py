"""CPU204: patching ``RecursiveScriptModule._construct``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import dotted, imported_names, parents_of, text_of
from envtool.audit.edits import remove_statement
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.syntax import tree_of


class ConstructPatch:
    """A patch of ``_construct`` hides that TorchScript is switched off, and breaks with torch's next change."""

    code = "CPU204"
    name = "construct-patch"
    summary = "RecursiveScriptModule._construct is patched"
    kinds: Sequence[SourceKind] = ("python", "notebook", "spec")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Assignments to the method, and setattr of it."""
        if "_construct" not in source.text:
            return
        tree, names = tree_of(source, project), imported_names(source, project)
        report = Report(self.code, source, project)
        message = "patching RecursiveScriptModule._construct hides its cause (PYTORCH_JIT=0): remove both"
        parents = parents_of(tree) if tree is not None else {}
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if (
                        isinstance(target, ast.Attribute)
                        and target.attr == "_construct"
                        and _owner(target.value, names)
                    ):
                        yield report.warning(target, message, fix=_fix(node, parents, source, project))
            elif isinstance(node, ast.Call) and _is_patch(node, names):
                yield report.warning(node, message, fix=_fix(parents.get(node), parents, source, project))


def _is_patch(call: ast.Call, names: dict[str, str]) -> bool:
    if dotted(call.func, names) != "setattr" or len(call.args) != 3:
        return False
    return text_of(call.args[1]) == "_construct" and _owner(call.args[0], names)


def _fix(patch: ast.AST | None, parents: dict[ast.AST, ast.AST], source: Source, project: Project) -> Fix | None:
    """Take the patch out, with the test whether it is needed. Not safe: who sets PYTORCH_JIT=0 then sees the error."""
    if not isinstance(patch, ast.Assign | ast.Expr):
        return None
    statement: ast.stmt = patch
    test = parents.get(patch)
    if isinstance(test, ast.If) and len(test.body) == 1 and not test.orelse and "_construct" in ast.dump(test.test):
        statement = test
    edit = remove_statement(statement, parents.get(statement), source, project)
    return None if edit is None else Fix(message="take the patch out", edits=(edit,), safe=False)


def _owner(node: ast.expr, names: dict[str, str]) -> bool:
    return dotted(node, names).rpartition(".")[2] == "RecursiveScriptModule"


RULE = ConstructPatch()
