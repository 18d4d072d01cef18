"""CPU217: ``strip=True`` in the spec of an app with torch."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.edits import replace_node
from envtool.audit.frozen import apps_of, uses_torch
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind

_STEPS = frozenset({"EXE", "COLLECT", "BUNDLE"})


class Stripped:
    """binutils' strip moves the segments of numpy's bundled OpenBLAS."""

    code = "CPU217"
    name = "stripped-libraries"
    summary = "strip=True damages numpy's libraries on Linux"
    kinds: Sequence[SourceKind] = ("spec",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """``strip=True`` of EXE and COLLECT."""
        app = next((app for app in apps_of(project) if app.spec.source.path == source.path), None)
        if app is None or not uses_torch(app, project):
            return
        if any(item.text == "numpy" for item in app.spec.items("excludes")):
            return
        report = Report(self.code, source, project)
        for name, call in app.spec.calls():
            if name not in _STEPS or _without_binaries(call):
                continue
            for keyword in call.keywords:
                value = keyword.value
                if keyword.arg == "strip" and isinstance(value, ast.Constant) and value.value is True:
                    edit = replace_node(value, "False", source, project)
                    yield report.error(
                        value,
                        "strip=True damages numpy's libraries on Linux: ImportError: ELF load command address/offset "
                        "not page-aligned; strip libtorch alone after the build",
                        fix=Fix(message="switch strip off", edits=(edit,)),
                    )


def _without_binaries(call: ast.Call) -> bool:
    """The executable of a one-folder bundle holds no library."""
    return any(
        keyword.arg == "exclude_binaries" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )


RULE = Stripped()
