"""CPU207: a broad except around torch's start-up that switches a feature off."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import dotted, imported_names
from envtool.audit.frozen import apps_of
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.syntax import tree_of

_OFF = frozenset({"", "0", "disabled", "false", "no", "none", "off"})
"""How a switch that is a string, such as an environment variable, is set off."""

_BROAD = frozenset({"Exception", "BaseException"})
_LOUD = frozenset(
    {
        "print",
        "info",
        "debug",
        "log",
        "exception",
        "error",
        "critical",
        "warning",
        "warn",
        "print_exc",
        "exit",
        "_exit",
        "showerror",
        "abort",
    }
)


class SilentStart:
    """A bundle whose torch does not start looks as if it worked, without the feature."""

    code = "CPU207"
    name = "frozen-silent-start"
    summary = "A broad except around torch's start-up hides why it fails"
    kinds: Sequence[SourceKind] = ("python",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Handlers that catch everything, say nothing, and go on, in the modules of an app."""
        if not any(source.path in (*app.started, *app.modules) for app in apps_of(project)):
            return
        tree, names = tree_of(source, project), imported_names(source, project)
        report = Report(self.code, source, project)
        for node in ast.walk(tree) if tree is not None else ():
            if not isinstance(node, ast.Try) or not _starts_torch(node.body, names):
                continue
            for handler in node.handlers:
                if _is_broad(handler, names) and not _speaks(handler, names) and _switches_off(handler):
                    yield report.warning(
                        handler.type or _first(node),
                        "a broad except around torch's start-up switches the feature off without a word: a frozen app "
                        "hides its OSError or missing library that way; log the error, or let it end the app",
                    )


def _first(node: ast.Try) -> ast.expr | None:
    for child in ast.walk(node):
        if isinstance(child, ast.expr):
            return child
    return None


def _starts_torch(body: list[ast.stmt], names: dict[str, str]) -> bool:
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "torch" for alias in node.names):
                return True
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
                return True
            if isinstance(node, ast.Call) and dotted(node.func, names).startswith(("torch.jit.", "torch.load")):
                return True
            marks = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if any(dotted(mark, names).startswith("torch.jit.") for mark in marks):
                return True
    return False


def _is_broad(handler: ast.ExceptHandler, names: dict[str, str]) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind, names) in _BROAD for kind in kinds)


def _speaks(handler: ast.ExceptHandler, names: dict[str, str]) -> bool:
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call) and dotted(node.func, names).rpartition(".")[2] in _LOUD:
            return True
    return False


def _switches_off(handler: ast.ExceptHandler) -> bool:
    for node in handler.body:
        if isinstance(node, ast.Pass):
            return True
        value = node.value if isinstance(node, ast.Assign | ast.Return) else node
        if isinstance(value, ast.Constant) and (value.value in (False, None) or str(value.value).lower() in _OFF):
            return True
    return False


RULE = SilentStart()
