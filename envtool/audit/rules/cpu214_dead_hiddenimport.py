"""CPU214: hidden imports that a CPU-only environment does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from envtool.audit.dotted import parents_of
from envtool.audit.edits import remove_element
from envtool.audit.made import Report
from envtool.audit.models import Finding, Fix, Project, Safe, Source, SourceKind
from envtool.audit.pyinstaller import spec_of

_DEAD = re.compile(r"(nvidia|triton|torch\._C\._\w+|pycuda|cupy|tensorrt|bitsandbytes|xformers|flash_attn)(\..*)?")
_HELPERS = re.compile(r"nvidia_smi|pynvml")


class DeadHiddenimport:
    """PyInstaller prints an ERROR line for each and goes on, which hides the errors that matter."""

    code = "CPU214"
    name = "dead-hiddenimport"
    summary = "A hidden import is not there in a CPU-only environment"
    kinds: Sequence[SourceKind] = ("spec", "python")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Items of hiddenimports that name GPU packages or parts of torch._C."""
        spec = spec_of(source, project)
        if spec is None:
            return
        report = Report(self.code, source, project)
        parents = parents_of(spec.tree)
        for item in spec.items("hiddenimports"):
            if item.text is None or not _DEAD.fullmatch(item.text) or _HELPERS.match(item.text):
                continue
            edit = remove_element(item.node, parents.get(item.node), source, project)
            yield report.warning(
                item.node,
                f"hidden import {item.text!r} is not there with CPU-only torch: PyInstaller prints "
                f"ERROR: Hidden import {item.text!r} not found and goes on; take it out",
                fix=None if edit is None else Fix(message=f"take {item.text} out", edits=(edit,)),
            )


RULE = DeadHiddenimport()
