"""CPU113: ``PackageImporter.load_pickle`` without map_location (AUDIT P13)."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.loads import has_map_location


class PackageLoad(CodeRule):
    """A pickle in a torch.package archive is loaded to the device that it was saved from."""

    code = "CPU113"
    name = "package-load-without-map-location"
    summary = "PackageImporter.load_pickle without map_location fails on an archive saved from a GPU"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Calls of load_pickle on a torch.package importer."""
        for call in flow.calls:
            if not isinstance(call.func, ast.Attribute) or call.func.attr != "load_pickle":
                continue
            if _is_importer(flow, call.func.value) and not has_map_location(flow, call, 2):
                message = 'without map_location="cpu" an archive that was saved on a GPU raises RuntimeError'
                yield from self.report(flow, call, message, raised="RuntimeError", severity="warning")


def _is_importer(flow: Flow, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        bound = flow.lookup(node.id, node)
        values = [binding.value for binding in bound[1]] if bound is not None else []
        return any(
            value is not None and not isinstance(value, ast.Name) and _is_importer(flow, value) for value in values
        )
    return isinstance(node, ast.Call) and (flow.dotted(node.func) or "") in (
        "torch.package.PackageImporter",
        "torch.package.package_importer.PackageImporter",
    )


RULE = PackageLoad()
