"""CPU504: a model file is loaded by a function for another kind."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.made import Report
from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.names import dotted, imported_names, text_of
from envtool.audit.syntax import tree_of
from envtool.audit.weights import model_named
from envtool.torch.archive import KIND_NAMES

# torch.load of TorchScript is CPU112's; torch.load reads safetensors too.
_TAKES = {
    "torch.jit.load": frozenset({"torchscript"}),
    "torch.load": frozenset({"checkpoint", "state-dict", "torchscript", "safetensors", "pickle"}),
    "torch.export.load": frozenset({"pt2"}),
}
_RAISES = {
    "torch.jit.load": "RuntimeError: PytorchStreamReader failed locating file constants.pkl",
    "torch.load": "RuntimeError: PytorchStreamReader failed locating file data.pkl",
    "torch.export.load": "RuntimeError",
}
_LOADERS = {
    "torchscript": "torch.jit.load",
    "checkpoint": "torch.load",
    "state-dict": "torch.load",
    "pt2": "torch.export.load",
    "package": "torch.package.PackageImporter",
    "safetensors": "safetensors.torch.load_file",
}


class WrongLoader:
    """Each kind of file has one loader; the suffix says nothing about the kind."""

    code = "CPU504"
    name = "model-wrong-loader"
    summary = "A model file is loaded by a function for another kind of file"
    kinds: Sequence[SourceKind] = ("python", "notebook")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Calls of a loader with the plain path of a file in the project."""
        if "load" not in source.text or not any(True for _ in project.of_kind("model")):
            return
        tree, names = tree_of(source, project), imported_names(source, project)
        report = Report(self.code, source, project)
        for node in ast.walk(tree) if tree is not None else ():
            if not isinstance(node, ast.Call) or not node.args:
                continue
            loader, path = dotted(node.func, names), text_of(node.args[0])
            if loader not in _TAKES or path is None:
                continue
            model = model_named(path, source.path, project)
            if model is not None and model.kind in _LOADERS and model.kind not in _TAKES[loader]:
                yield report.error(
                    node,
                    f"{path} is a {KIND_NAMES[model.kind]} file, and {loader} raises {_RAISES[loader]}: "
                    f"use {_LOADERS[model.kind]}",
                )


RULE = WrongLoader()
