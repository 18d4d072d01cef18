"""CPU505: a pt2 file was exported for a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.weights import model_of
from envtool.reports.escape import printable


class ExportedForGpu:
    """torch.export fixes the device of every tensor, and torch.export.load has no map_location."""

    code = "CPU505"
    name = "model-exported-for-gpu"
    summary = "A pt2 file was exported for a GPU"
    kinds: Sequence[SourceKind] = ("model",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """pt2 files that name a device other than the CPU."""
        model = model_of(source, project)
        if model is not None and model.kind == "pt2" and model.verdict == "never":
            yield Report(self.code, source, project).error(None, printable(model.because))


RULE = ExportedForGpu()
