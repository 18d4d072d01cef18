"""CPU118: imports of packages that a CPU-only environment does not have (AUDIT P18)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row, is_script
from envtool.audit.flow import FUNCTIONS, Flow
from envtool.audit.models import Confidence, Severity
from envtool.audit.modules import importers_of
from envtool.audit.reach import why_unreached

_PACKAGES = frozenset(
    {
        "apex",
        "bitsandbytes",
        "cudf",
        "cuml",
        "cupy",
        "cupyx",
        "flash_attn",
        "pycuda",
        "tensorrt",
        "torch_tensorrt",
        "transformer_engine",
        "triton",
        "xformers",
    }
)


_ENGINE = re.compile(r"(^|[/_])(trt|tensorrt|trtllm)(_|\.py$)", re.IGNORECASE)


class GpuImport(CodeRule):
    """A package that comes with the GPU stack is imported."""

    code = "CPU118"
    name = "gpu-import"
    summary = "A package of the GPU stack is imported"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Imports that are not optional. One inside a function is reached by choice, so it is a warning."""
        for node in flow.imports:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level:
                continue
            for package in sorted({name.split(".")[0] for name in names} & _PACKAGES):
                if _local(flow, package):
                    continue
                message = (
                    f"raises ModuleNotFoundError: No module named '{package}', unless it is installed by other means"
                )
                severity, confidence = _weight(flow, node)
                yield from self.report(
                    flow, node, message, raised="ModuleNotFoundError", severity=severity, confidence=confidence
                )


def _local(flow: Flow, package: str) -> bool:
    """Whether the project has a top-level module of that name itself."""
    return any(path in flow.project.sources for path in (f"{package}.py", f"{package}/__init__.py"))


def _weight(flow: Flow, node: ast.stmt) -> tuple[Severity, Confidence]:
    if any(isinstance(parent, FUNCTIONS) for parent in flow.ancestors(node)):
        return "warning", "medium"
    importers = importers_of(flow)
    if importers and all(_lazy(other, statement) for other, statement in importers):
        return "warning", "medium"
    if not importers and _ENGINE.search(flow.source.path) and not is_script(flow):
        return "warning", "medium"  # loaded by its name, for those who asked for the engine
    return "error", "high" if not importers else "medium"


def _lazy(flow: Flow, node: ast.stmt) -> bool:
    if any(isinstance(parent, (*FUNCTIONS, ast.Try)) for parent in flow.ancestors(node)):
        return True
    return bool(why_unreached(flow, node, ("ModuleNotFoundError",)))


RULE = GpuImport()
