"""CPU503: TorchScript code fixes a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.weights import model_of
from envtool.reports.escape import printable


class DeviceInCode:
    """A device in the code of an archive was a constant when the model was exported."""

    code = "CPU503"
    name = "model-device-in-code"
    summary = "The code inside a model file fixes a GPU device"
    kinds: Sequence[SourceKind] = ("model",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Errors for TorchScript, notes for the Python source of a torch.package."""
        model = model_of(source, project)
        if model is None or model.kind not in ("torchscript", "package"):
            return
        report = Report(self.code, source, project)
        # A device object that code reads is CPU502's; a device made of a string is code.
        held = any(not use.device.startswith(("cpu", "meta")) for use in model.attributes)
        if model.verdict == "never" and (model.constants or not held):
            yield report.error(None, printable(model.because))
        elif model.constants:
            first = model.constants[0]
            where = f"{first.device} ({first.entry}:{first.line})"
            yield report.note(None, printable(f"its Python source names {where}: it may fail when it runs"))


RULE = DeviceInCode()
