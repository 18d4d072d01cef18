"""CPU211: hidden imports of ``torch.backends.cuda`` and ``.cudnn``, which are harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of

_HARMLESS = frozenset({"torch.backends.cuda", "torch.backends.cudnn"})


class HarmlessHiddenimport:
    """They look like CUDA, exist in the CPU wheel, and torch needs them."""

    code = "CPU211"
    name = "harmless-cuda-hiddenimport"
    summary = "A hidden import that looks like CUDA is part of CPU-only torch"
    kinds: Sequence[SourceKind] = ("spec", "python")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Items of hiddenimports."""
        spec = spec_of(source, project)
        report = Report(self.code, source, project)
        for item in spec.items("hiddenimports") if spec is not None else ():
            if item.text in _HARMLESS:
                yield report.note(
                    item.node, f"{item.text} is part of CPU-only torch: harmless here, and excluding it breaks the app"
                )


RULE = HarmlessHiddenimport()
