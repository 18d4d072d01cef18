"""CPU213: ``collect_submodules("torch")`` in a spec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.dotted import parents_of, text_of
from envtool.audit.edits import remove_list_expression
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of


class CollectedSubmodules:
    """PyInstaller's hook for torch collects its submodules already."""

    code = "CPU213"
    name = "collected-torch-submodules"
    summary = "collect_submodules of torch repeats what the hook does"
    kinds: Sequence[SourceKind] = ("spec",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Calls with a name in torch."""
        spec = spec_of(source, project)
        if spec is None:
            return
        report = Report(self.code, source, project)
        parents = parents_of(spec.tree)
        for name, call in spec.calls():
            package = text_of(call.args[0]) if call.args else None
            if name.rpartition(".")[2] != "collect_submodules" or package is None:
                continue
            if package.partition(".")[0] == "torch":
                edit = remove_list_expression(call, parents, source, project)
                yield report.warning(
                    call,
                    f"collect_submodules({package!r}) repeats what PyInstaller's hook for torch does: "
                    "about 9 s longer, and a wall of ERROR lines; take it out",
                    fix=None if edit is None else Fix(message="take collect_submodules out", edits=(edit,)),
                )


RULE = CollectedSubmodules()
