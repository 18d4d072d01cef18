"""CPU205: ``torch.compile`` in a frozen app."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from envtool.audit.dotted import FUNCTIONS, dotted, imported_names, parents_of, text_of
from envtool.audit.frozen import apps_of, only_unfrozen
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.syntax import tree_of

_NO_WORKERS = ("eager", "aot_eager")


class CompileInFrozenApp:
    """Inductor starts workers with ``sys.executable``: in a frozen app that is the app itself, again and again."""

    code = "CPU205"
    name = "frozen-compile"
    summary = "torch.compile in a frozen app starts the app again and again"
    kinds: Sequence[SourceKind] = ("python",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Calls and decorators in every module of an app."""
        app = next((app for app in apps_of(project) if source.path in (*app.started, *app.modules)), None)
        tree = tree_of(source, project)
        if app is None or tree is None or "compile" not in source.text:
            return
        names = imported_names(source, project)
        parents = parents_of(tree)
        report = Report(self.code, source, project)
        message = (
            f"torch.compile in an app frozen by {app.spec.source.path} starts the app again and again: its workers are "
            "sys.executable; leave it out when sys.frozen is set"
        )
        for node in _places(tree, names):
            if only_unfrozen(node, tree):
                continue
            if _by_choice(node, parents):
                yield report.warning(node, message, confidence="medium")
            else:
                yield report.error(node, message)


def _places(tree: ast.Module, names: dict[str, str]) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func, names) == "torch.compile":
            options = {keyword.arg: keyword.value for keyword in node.keywords}
            disabled = options.get("disable")
            if isinstance(disabled, ast.Constant) and disabled.value is True:
                continue
            if text_of(options.get("backend")) not in _NO_WORKERS:
                yield node
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield from (mark for mark in node.decorator_list if dotted(mark, names) == "torch.compile")


def _by_choice(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a condition stands before it; a name guard (``__main__``) is none."""
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.If) and "__main__" not in ast.dump(node.test):
            return True
    return False


RULE = CompileInFrozenApp()
