"""CPU201: ``torch.jit.script`` in the entry script or a runtime hook of a frozen app."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import FUNCTIONS, parents_of
from envtool.audit.edits import remove_decorator
from envtool.audit.frozen import apps_of, ships_source
from envtool.audit.jit import compiled_places
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.syntax import tree_of


class ScriptInEntry:
    """PyInstaller keeps entry scripts and runtime hooks as bytecode only, on every build; TorchScript reads source."""

    code = "CPU201"
    name = "frozen-script-in-entry"
    summary = "TorchScript is compiled in the entry script or a runtime hook of a frozen app"
    kinds: Sequence[SourceKind] = ("python",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Uses of torch.jit.script in what the bootloader runs itself."""
        app = next((app for app in apps_of(project) if source.path in app.started), None)
        if app is None or ships_source(app, source.path):
            return
        role = "the entry script" if source.path in app.scripts else "a runtime hook"
        report = Report(self.code, source, project)
        for node in compiled_places(source, project):
            yield report.error(
                node,
                f"torch.jit.script in {role} of {app.spec.source.path} raises OSError: Can't get source: it is frozen "
                "without its source; load a saved TorchScript file instead, or ship the .py as data",
                fix=_fix(node, source, project, is_hook=source.path in app.hooks),
            )


def _fix(mark: ast.expr, source: Source, project: Project, *, is_hook: bool) -> Fix | None:
    """Take the decorator off a function that is only ever called: the call gives the same numbers.

    A runtime hook runs frozen only, where the decorator always raised. An entry script also runs from source, where the
    function was compiled until now: that change is for the user to choose.
    """
    tree = tree_of(source, project)
    if tree is None:
        return None
    parents = parents_of(tree)
    function = parents.get(mark)
    if not isinstance(function, FUNCTIONS) or mark not in function.decorator_list:
        return None
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == function.name]
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    edit = remove_decorator(mark, source, project)
    if edit is None or any(id(use) not in called for use in uses):
        return None
    return Fix(message=f"run {function.name} without compiling it", edits=(edit,), safe=is_hook)


RULE = ScriptInEntry()
