"""CPU101: ``.cuda()`` and ``.to("cuda")``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.syntax import locate, tree_of


class CudaCall:
    """A tensor or module is moved to a CUDA device."""

    code = "CPU101"
    name = "cuda-call"
    summary = "A tensor or module is moved to a CUDA device"
    kinds: Sequence[SourceKind] = ("python", "notebook", "setup-py")

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Calls of a method ``cuda``."""
        tree = tree_of(source, project)
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
                yield Finding(
                    code=self.code,
                    severity="error",
                    confidence="high",
                    path=source.path,
                    location=locate(node, source, project),
                    message=".cuda() raises AssertionError: Torch not compiled with CUDA enabled",
                )


RULE = CudaCall()
