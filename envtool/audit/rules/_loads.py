"""What rules about loads without map_location have in common."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.loads import model_scan
from envtool.audit.models import Safe


def of_load(rule: CodeRule, flow: Flow, call: ast.Call, what: tuple[str, str]) -> Iterator[Row]:
    """A warning where the file is not known, an error where it holds CUDA storages. ``what``: a word for the file, and
    the error that is raised."""
    word, error = what
    scan = model_scan(flow, call)
    if scan is None:
        message = f'without map_location="cpu" {word} that was saved on a GPU raises {error}'
        yield from rule.report(flow, call, message, raised="RuntimeError", severity="warning")
    elif getattr(scan[1], "has_cuda", False):
        yield from rule.report(flow, call, f"{scan[0]} holds CUDA storages: raises {error}", raised="RuntimeError")
    else:
        yield Safe(path=flow.source.path, line=call.lineno, reason=f"{rule.name}: {scan[0]} holds no CUDA storage")
