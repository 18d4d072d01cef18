"""Options of scripts: what ``args.device`` is when nobody gives it, from argparse calls anywhere in the project."""

from __future__ import annotations

import ast

from envtool.audit.flow import Flow, keyword
from envtool.audit.models import Project
from envtool.audit.modules import flows_naming

OPTION_HOLDERS = frozenset(
    {"args", "arg", "opt", "opts", "options", "cfg", "config", "flags", "FLAGS", "hparams", "parsed"}
)
"""Names under which scripts keep parsed options."""

_FLAGS = {"store_true": False, "store_false": True}


def _collect(project: Project) -> dict[str, list[tuple[Flow, ast.expr | bool | None]]]:
    key = ("options", "")
    cached = project.cache.get(key)
    if isinstance(cached, dict):
        return cached
    found: dict[str, list[tuple[Flow, ast.expr | bool | None]]] = {}
    for flow in flows_naming(project, "add_argument"):
        for call in flow.calls:
            if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument":
                name, default = _option(call)
                if name:
                    found.setdefault(name, []).append((flow, default))
    project.cache[key] = found
    return found


def option_name(call: ast.Call) -> str:
    """Under which attribute argparse (or click, as a parameter) keeps an option; empty if it cannot be told."""
    names = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    dest = keyword(call, "dest")
    if isinstance(dest, ast.Constant) and isinstance(dest.value, str):
        return dest.value
    name = next((name for name in names if name.startswith("--")), names[0] if names else "")
    return name.lstrip("-").replace("-", "_")


def _option(call: ast.Call) -> tuple[str, ast.expr | bool | None]:
    name = option_name(call)
    default = keyword(call, "default")
    if default is not None:
        return name, default
    action = keyword(call, "action")
    if isinstance(action, ast.Constant) and action.value in _FLAGS:
        return name, _FLAGS[action.value]
    return name, None


def option_defaults(flow: Flow, name: str) -> list[tuple[Flow, ast.expr | bool | None]]:
    """The defaults of an option: those of the module itself if it has any, else of the whole project."""
    found = _collect(flow.project).get(name, [])
    own = [row for row in found if row[0] is flow]
    return own or found
