"""CPU219: a relative path in ``runtime_hooks``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from envtool.audit.edits import replace_node
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of

_ABSOLUTE = re.compile(r"[\\/]|[A-Za-z]:")


class RelativeRuntimeHook:
    """Scripts are looked up from the spec's folder, runtime hooks from the working folder."""

    code = "CPU219"
    name = "relative-runtime-hook"
    summary = "A runtime hook is looked up from the working folder, not from the spec"
    kinds: Sequence[SourceKind] = ("spec",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Plain relative strings in runtime_hooks."""
        spec = spec_of(source, project)
        report = Report(self.code, source, project)
        for item in spec.items("runtime_hooks") if spec is not None else ():
            if item.text is None or not item.text or _ABSOLUTE.match(item.text):
                continue
            path = item.text.replace("\\", "/").removeprefix("./")
            edit = replace_node(item.node, f'SPECPATH + "/{path}"', source, project)
            yield report.warning(
                item.node,
                f"runtime hook {item.text!r} is looked up from the folder that PyInstaller is started in, not from the "
                "spec's: use SPECPATH",
                fix=Fix(message="look it up from the spec's folder", edits=(edit,), safe=False),
            )


RULE = RelativeRuntimeHook()
