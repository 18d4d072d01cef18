"""CPU201: ``torch.jit.script`` in the entry script or a runtime hook of a frozen app."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.frozen import apps_of, ships_source
from envtool.audit.jit import compiled_places
from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind


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
            )


RULE = ScriptInEntry()
