"""CPU501: a model file holds storages of a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.weights import model_of
from envtool.reports.escape import printable


class GpuStorages:
    """Storages remember their device; without map_location, torch puts them there again."""

    code = "CPU501"
    name = "model-gpu-storages"
    summary = "A model file was saved on a GPU and needs map_location"
    kinds: Sequence[SourceKind] = ("model",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Files whose verdict is map-location, and plain pickles, where none can be given."""
        model = model_of(source, project)
        report = Report(self.code, source, project)
        if model is None:
            return
        if model.verdict == "map-location":
            yield report.warning(None, printable(model.because))
        elif model.verdict == "never" and model.kind == "pickle":
            yield report.error(None, printable(model.because))
        elif model.verdict == "cpu":
            yield report.safe(None, printable(f"{model.title}: {model.because}"))


RULE = GpuStorages()
