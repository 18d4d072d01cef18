"""Options of scripts: what ``args.device`` is when nobody gives it, from argparse calls anywhere in the project."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from envtool.audit.flow import Flow, keyword
from envtool.audit.models import Project
from envtool.audit.modules import flows_naming, loaded_paths

OPTION_HOLDERS = frozenset(
    {"args", "arg", "opt", "opts", "options", "cfg", "config", "flags", "FLAGS", "hparams", "parsed"}
)
"""Names under which scripts keep parsed options."""

_HOLDER_ENDS = ("_args", "_opt", "_cfg", "_config")
_DATACLASS_PARSERS = ("HfArgumentParser", "simple_parsing", "tyro", "draccus", "pyrallis", "chz")

_FLAGS = {"store_true": False, "store_false": True}
_PARSES = frozenset({"parse_args", "parse_known_args", "parse_intermixed_args", "parse_known_intermixed_args"})


def holds_options(name: str) -> bool:
    """Whether a name is one under which scripts keep their options."""
    return name in OPTION_HOLDERS or name.endswith(_HOLDER_ENDS)


def is_holder(flow: Flow, node: ast.expr) -> bool:
    """Whether an expression holds the options of a script: by its name, or because a parser gave it."""
    if isinstance(node, ast.Attribute):
        return holds_options(node.attr)
    if not isinstance(node, ast.Name):
        return False
    bound = flow.lookup(node.id, node)
    return holds_options(node.id) or (bound is not None and all(_is_parsed(item.statement) for item in bound[1]))


def _is_parsed(statement: ast.AST) -> bool:
    """``a = parser.parse_args()`` and ``a, rest = parser.parse_known_args()``."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign | ast.NamedExpr) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _PARSES


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
    for parser in _DATACLASS_PARSERS:
        for flow in flows_naming(project, parser):
            for owner in flow.classes:
                for name, value in _dataclass_options(flow, owner):
                    found.setdefault(name, []).append((flow, value))
    project.cache[key] = found
    return found


def _dataclass_options(flow: Flow, owner: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """The fields of a dataclass whose defaults are those of options: ``bits: int = field(default=4)``."""
    if not any("dataclass" in ast.unparse(decorator) for decorator in owner.decorator_list):
        return
    for statement in owner.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = statement.value
            if isinstance(value, ast.Call) and (flow.dotted(value.func) or "").endswith("field"):
                value = keyword(value, "default")
            yield statement.target.id, value


def option_name(call: ast.Call) -> str:
    """Under which attribute argparse (or click, as a parameter) keeps an option; empty if it cannot be told."""
    names = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    dest = keyword(call, "dest")
    if isinstance(dest, ast.Constant) and isinstance(dest.value, str):
        return dest.value
    name = next((name for name in names if name.startswith("--")), names[0] if names else "")
    return name.split("/")[0].lstrip("-").replace("-", "_")  # click: "--gpu/--no-gpu"


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
    """The defaults of an option: those of the module itself if it has any, else of what it imports, else of all."""
    found = _collect(flow.project).get(name, [])
    own = [row for row in found if row[0] is flow]
    if own or len(found) < 2:
        return own or found
    loaded = loaded_paths(flow)
    return [row for row in found if row[0].source.path in loaded] or found
