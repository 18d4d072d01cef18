"""Read setup.py (by its syntax tree, never run) and setup.cfg (configparser)."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from dataclasses import replace

from packaging.requirements import Requirement

from envtool.audit.deps.model import NOTHING, Declarations, Declared, Scope
from envtool.audit.deps.routes import parse_requirement
from envtool.audit.models import Project, Source
from envtool.audit.syntax import locate, offset_of, tree_of

_FILE = re.compile(r"[\w./-]*(?:require|reqs)[\w./-]*\.(?:txt|in)$")


def read_setup_py(source: Source, project: Project) -> Declarations:
    """``install_requires`` and ``extras_require`` of a literal ``setup(...)``, and the requirements files it reads."""
    tree = tree_of(source, project)
    if tree is None:
        return NOTHING
    lists: dict[str, ast.expr] = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, (ast.List, ast.Tuple, ast.Dict))
    }
    found: list[Declared] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name(node.func) != "setup":
            continue
        for keyword in node.keywords:
            if keyword.arg == "install_requires":
                found += _strings(_resolved(keyword.value, lists), source, project, "default", "")
            elif keyword.arg == "extras_require":
                extras = _resolved(keyword.value, lists)
                for key, value in zip(extras.keys, extras.values, strict=True) if isinstance(extras, ast.Dict) else ():
                    group = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else "?"
                    found += _strings(_resolved(value, lists), source, project, "extra", group)
    reads = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _FILE.fullmatch(node.value)
    }
    return Declarations(requirements=tuple(found), reads=frozenset(reads))


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _resolved(node: ast.expr, lists: dict[str, ast.expr]) -> ast.expr:
    return lists.get(node.id, node) if isinstance(node, ast.Name) else node


def _elements(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        yield from node.elts
    elif isinstance(node, ast.BinOp):
        yield from _elements(node.left)
        yield from _elements(node.right)


def _strings(node: ast.expr, source: Source, project: Project, scope: Scope, group: str) -> Iterator[Declared]:
    """The requirement strings of a list; of ``[...] + other`` those that stand there."""
    for item in _elements(node):
        if not isinstance(item, ast.Constant) or not isinstance(item.value, str):
            continue
        parsed = parse_requirement(item.value)
        if parsed is None:
            continue
        where = locate(item, source, project)
        start = offset_of(where.line, where.column, source, project)
        end = offset_of(where.end_line, where.end_column, source, project)
        yield replace(_declared(*parsed, (start, end)), scope=scope, group=group)


def read_setup_cfg(text: str) -> Declarations:
    """``[options] install_requires`` and ``[options.extras_require]``."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return NOTHING
    found: list[Declared] = []
    reads: set[str] = set()
    if parser.has_section("options"):
        value = parser.get("options", "install_requires", fallback="") or ""
        if value.strip().startswith("file:"):
            reads |= {name.strip() for name in value.strip().removeprefix("file:").split(",")}
        else:
            found += _lines(text, "options", value, "default", "")
    if parser.has_section("options.extras_require"):
        for group in parser.options("options.extras_require"):
            found += _lines(text, "options.extras_require", parser.get("options.extras_require", group), "extra", group)
    return Declarations(requirements=tuple(found), reads=frozenset(reads))


def _lines(text: str, section: str, value: str | None, scope: Scope, group: str) -> Iterator[Declared]:
    header = re.search(rf"^\[{re.escape(section)}\]", text, re.M)
    cursor = header.end() if header else 0
    for line in (value or "").splitlines():
        parsed = parse_requirement(line) if line.strip() else None
        at = text.find(line.strip(), cursor) if line.strip() else -1
        if parsed is None or at < 0:
            continue
        cursor = at + len(line.strip())
        yield replace(_declared(*parsed, (at, cursor)), scope=scope, group=group)


def _declared(name: str, requirement: Requirement, span: tuple[int, int]) -> Declared:
    return Declared(
        name=name,
        start=span[0],
        end=span[1],
        specifier=str(requirement.specifier),
        marker=str(requirement.marker) if requirement.marker else None,
        url=requirement.url,
        extras=frozenset(requirement.extras),
    )
