"""What loads of files have in common: where map_location is, and what the scan of the model file knows."""

from __future__ import annotations

import ast
import posixpath

from envtool.audit.flow import Flow, keyword
from envtool.audit.values import evaluate
from envtool.audit.weights import Scan, model_at

_INPUTS = ("f", "path", "file")


def has_map_location(flow: Flow, call: ast.Call, position: int) -> bool:
    """Whether a load says where to put what it reads. Unknown keywords (``**kwargs``) may, so they count."""
    if len(call.args) > position or any(isinstance(argument, ast.Starred) for argument in call.args):
        given: ast.expr | None = call.args[position] if len(call.args) > position else None
        return not (isinstance(given, ast.Constant) and given.value is None)
    if any(word.arg is None for word in call.keywords):
        return True
    value = keyword(call, "map_location")
    return value is not None and not (isinstance(value, ast.Constant) and value.value is None)


def model_scan(flow: Flow, call: ast.Call) -> tuple[str, Scan] | None:
    """The file that a load reads, and what the scan of model files found there; None when either is not known.

    A file that is not a model, or that cannot be read, is not known.
    """
    argument = call.args[0] if call.args else keyword(call, *_INPUTS)
    values = evaluate(flow, argument)
    if not values or len(values) != 1:
        return None
    name = next(iter(values)).const
    if not isinstance(name, str):
        return None
    folder = posixpath.dirname(flow.source.path)
    for path in (posixpath.normpath(posixpath.join(folder, name)), posixpath.normpath(name)):
        found = model_at(path, flow.project)
        if found is not None:
            return path, found
    return None
