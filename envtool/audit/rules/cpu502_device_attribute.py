"""CPU502: a model file holds a device object of a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.weights import model_of
from envtool.reports.escape import printable


class DeviceAttribute:
    """A ``torch.device`` in a pickle is a value: map_location does not touch it."""

    code = "CPU502"
    name = "model-device-attribute"
    summary = "A model file holds a GPU device as an attribute"
    kinds: Sequence[SourceKind] = ("model",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Device objects; an error where TorchScript code reads them."""
        model = model_of(source, project)
        held = [use for use in model.attributes if not use.device.startswith(("cpu", "meta"))] if model else []
        if model is None or not held:
            return
        report = Report(self.code, source, project)
        if model.kind == "torchscript" and model.verdict == "never" and not model.constants:
            yield report.error(None, printable(model.because))
        else:
            message = (
                f"it stores torch.device({held[0].device!r}) ({held[0].entry or 'the pickle'}), which survives "
                "map_location and fails only where it is used"
            )
            yield report.note(None, printable(message))


RULE = DeviceAttribute()
