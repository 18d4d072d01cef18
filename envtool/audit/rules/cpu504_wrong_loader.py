"""CPU504: a model file is loaded by a function for another kind."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.loads import model_scan
from envtool.torch.archive import KIND_NAMES

# torch.load reads safetensors too (torch 2.13). torch.load and torch.jit.load with each other's files: CPU112.
_TAKES = {
    "torch.jit.load": frozenset({"torchscript", "checkpoint", "state-dict"}),
    "torch.load": frozenset({"checkpoint", "state-dict", "torchscript", "safetensors"}),
    "torch.export.load": frozenset({"pt2"}),
}
_RAISES = {
    "torch.jit.load": "RuntimeError: PytorchStreamReader failed locating file constants.pkl",
    "torch.load": "RuntimeError: PytorchStreamReader failed locating file data.pkl",
    "torch.export.load": "RuntimeError: We ran into an error when deserializing the saved file",
}
_LOADERS = {
    "torchscript": "torch.jit.load",
    "checkpoint": "torch.load",
    "state-dict": "torch.load",
    "pickle": "pickle.load",
    "pt2": "torch.export.load",
    "package": "torch.package.PackageImporter",
    "safetensors": "safetensors.torch.load_file",
}


class WrongLoader(CodeRule):
    """Each kind of file has one loader; the suffix says nothing about the kind."""

    code = "CPU504"
    name = "model-wrong-loader"
    summary = "A model file is loaded by a function for another kind of file"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of a loader with the path of a file in the project."""
        for call in flow.calls:
            loader = flow.dotted(call.func)
            scan = model_scan(flow, call) if loader in _TAKES else None
            if scan is None or loader is None:
                continue
            path, model = scan
            if model.kind in _LOADERS and model.kind not in _TAKES[loader]:
                raised = _RAISES[loader]
                if (loader, model.kind) == ("torch.load", "pickle"):
                    raised = "UnpicklingError, and without weights_only RuntimeError: Invalid magic number"
                message = (
                    f"{path} is a {KIND_NAMES[model.kind]} file: {loader} raises {raised}; use {_LOADERS[model.kind]}"
                )
                yield from self.report(flow, call, message, raised="RuntimeError")


RULE = WrongLoader()
