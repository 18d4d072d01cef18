"""CPU112: a loader that does not fit the file (AUDIT P12, A04)."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow, keyword
from envtool.audit.loads import model_scan
from envtool.torch.archive import KIND_NAMES

_LOAD = "RuntimeError: Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``"
_JIT = "RuntimeError: PytorchStreamReader failed locating file constants.pkl: file not found"


class LoadOfTorchScript(CodeRule):
    """torch.load of a TorchScript archive, or torch.jit.load of a checkpoint."""

    code = "CPU112"
    name = "wrong-loader"
    summary = "A model file is loaded by the function for another kind of file"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Loads of files whose kind the model scan knows."""
        for call in flow.calls:
            dotted = flow.dotted(call.func)
            if dotted not in ("torch.load", "torch.jit.load"):
                continue
            scan = model_scan(flow, call)
            kind = str(getattr(scan[1], "kind", "")) if scan is not None else ""
            if scan is None or not kind:
                continue
            if dotted == "torch.load" and "torchscript" in kind.lower() and keyword(call, "weights_only") is None:
                message = f"{scan[0]} is a TorchScript archive: raises {_LOAD}; use torch.jit.load"
                yield from self.report(flow, call, message, raised="RuntimeError")
            elif dotted == "torch.jit.load" and kind in ("checkpoint", "state-dict"):
                message = f"{scan[0]} is a {KIND_NAMES.get(kind, kind)}, not TorchScript: raises {_JIT}; use torch.load"
                yield from self.report(flow, call, message, raised="RuntimeError")


RULE = LoadOfTorchScript()
