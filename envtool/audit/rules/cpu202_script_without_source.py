"""CPU202: ``torch.jit.script`` in a module that a frozen app collects without its source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.edits import span
from envtool.audit.frozen import App, apps_of, ships_source
from envtool.audit.jit import compiled_places
from envtool.audit.made import Report
from envtool.audit.models import Edit, Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of

_WITH_SOURCE = ("py", "pyz+py", "py+pyz", "pyc+py", "py+pyc")


class ScriptWithoutSource:
    """Application modules go into the archive as bytecode unless ``module_collection_mode`` says otherwise."""

    code = "CPU202"
    name = "frozen-script-without-source"
    summary = "A module that compiles TorchScript is frozen without its source"
    kinds: Sequence[SourceKind] = ("spec",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """The Analysis of a spec, for each module of the app that calls torch.jit.script."""
        report = Report(self.code, source, project)
        for app in apps_of(project):
            if app.spec.source.path != source.path or app.spec.computed_modes:
                continue
            modes = {**_hook_modes(project), **app.spec.modes}
            for path, module in sorted(app.modules.items()):
                places = list(compiled_places(project.sources[path], project))
                if not places or _has_source(modes, module) or ships_source(app, path):
                    continue
                where = f"{path}:{places[0].lineno}"
                call = app.spec.analyses[0]
                yield report.error(
                    app.spec.mode_dict or call.func,
                    f"torch.jit.script in {where} raises OSError: Can't get source when frozen: "
                    f'collect {module} with its source (module_collection_mode={{"{module}": "pyz+py"}})',
                    fix=_fix(app, call, module, project),
                )


def _hook_modes(project: Project) -> dict[str, tuple[str, ast.expr]]:
    """What the project's own hooks say: PyInstaller reads them, and the spec goes before them."""
    hooks = (spec_of(source, project) for source in project.of_kind("python"))
    return {name: mode for hook in hooks if hook is not None for name, mode in hook.modes.items()}


def _has_source(modes: dict[str, tuple[str, ast.expr]], module: str) -> bool:
    """The mode of the module or of its nearest package, as PyInstaller looks it up."""
    name = module
    while name:
        if name in modes:
            return modes[name][0] in _WITH_SOURCE
        name = name.rpartition(".")[0]
    return False


def _fix(app: App, call: ast.Call, module: str, project: Project) -> Fix | None:
    source = app.spec.source
    message = f"collect {module} with its source"
    if module in app.spec.modes:
        start, end = span(app.spec.modes[module][1], source, project)
        return Fix(message=message, edits=(Edit(start=start, end=end, replacement='"pyz+py"'),))
    if app.spec.mode_dict is not None:
        at = span(app.spec.mode_dict, source, project)[0] + 1
        comma = ", " if app.spec.mode_dict.keys else ""
        return Fix(message=message, edits=(Edit(start=at, end=at, replacement=f'"{module}": "pyz+py"{comma}'),))
    if any(keyword.arg in ("module_collection_mode", None) for keyword in call.keywords) or len(app.spec.analyses) > 1:
        return None
    last = max(
        [*call.args, *(keyword.value for keyword in call.keywords)], key=lambda node: span(node, source, project)
    )
    at = span(last, source, project)[1]
    # A keyword of its own line gets the same indentation; else it follows on the line.
    first = min((keyword.value for keyword in call.keywords), key=lambda node: node.lineno, default=last)
    gap = " "
    if first.lineno > call.lineno:
        line = source.text[source.text.rfind("\n", 0, span(first, source, project)[0]) + 1 :]
        gap = "\n" + line[: len(line) - len(line.lstrip(" \t"))]
    return Fix(
        message=message,
        edits=(Edit(start=at, end=at, replacement=f',{gap}module_collection_mode={{"{module}": "pyz+py"}}'),),
    )


RULE = ScriptWithoutSource()
