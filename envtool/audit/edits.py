"""Exact edits of Python source: take an element out of a list, an operand out of a sum, a statement out of a block."""

from __future__ import annotations

import ast
import re

from envtool.audit.models import Edit, Project, Source
from envtool.audit.syntax import locate, offset_of


def span(node: ast.expr | ast.stmt, source: Source, project: Project) -> tuple[int, int]:
    """Start and end offset of a node."""
    place = locate(node, source, project)
    start = offset_of(place.line, place.column, source, project)
    return start, offset_of(place.end_line, place.end_column, source, project)


def replace_node(node: ast.expr | ast.stmt, text: str, source: Source, project: Project) -> Edit:
    """Put other text in the place of a node."""
    start, end = span(node, source, project)
    return Edit(start=start, end=end, replacement=text)


def remove_element(node: ast.expr, parent: ast.AST | None, source: Source, project: Project) -> Edit | None:
    """Take an element out of the list, tuple or set that holds it, with its comma; None when it is in none."""
    if not isinstance(parent, ast.List | ast.Set) or node not in parent.elts:
        return None
    at = parent.elts.index(node)
    start, end = span(node, source, project)
    if at + 1 < len(parent.elts):
        return Edit(start=start, end=span(parent.elts[at + 1], source, project)[0], replacement="")
    if at:
        return Edit(start=span(parent.elts[at - 1], source, project)[1], end=end, replacement="")
    if isinstance(parent, ast.Set):
        return None
    whole = span(parent, source, project)
    return Edit(start=whole[0], end=whole[1], replacement="[]")


def remove_statement(statement: ast.stmt, parent: ast.AST | None, source: Source, project: Project) -> Edit | None:
    """Take a whole line out; None when the block would be empty or the line holds something else."""
    body = getattr(parent, "body", None)
    if not isinstance(body, list) or statement not in body or len(body) < 2:
        return None
    start, end = span(statement, source, project)
    line_start = source.text.rfind("\n", 0, start) + 1
    line_end = source.text.find("\n", end)
    line_end = len(source.text) if line_end < 0 else line_end + 1
    if source.text[line_start:start].strip() or source.text[end:line_end].strip():
        return None
    return Edit(start=line_start, end=line_end, replacement="")


def remove_decorator(mark: ast.expr, source: Source, project: Project) -> Edit | None:
    """Take the line of a decorator out; None when it spans lines or shares one."""
    start, end = span(mark, source, project)
    line_start = source.text.rfind("\n", 0, start) + 1
    line_end = source.text.find("\n", end) + 1
    if not line_end or source.text[line_start:start].strip(" \t") != "@" or source.text[end:line_end].strip():
        return None
    return Edit(start=line_start, end=line_end, replacement="")


def remove_list_expression(
    node: ast.expr, parents: dict[ast.AST, ast.AST], source: Source, project: Project
) -> Edit | None:
    """Take an expression that gives a list out of a sum, an ``+=``, an ``extend``, or a list where it is starred."""
    parent = parents.get(node)
    if isinstance(parent, ast.Starred):
        return remove_element(parent, parents.get(parent), source, project)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add):
        return _remove_operand(node, parent, source, project)
    statement = parent
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr == "extend":
        statement = parents.get(parent)
    if isinstance(statement, ast.AugAssign | ast.Expr):
        edit = remove_statement(statement, parents.get(statement), source, project)
        if edit is not None:
            return edit
    return replace_node(node, "[]", source, project)


def _remove_operand(node: ast.expr, sum_: ast.BinOp, source: Source, project: Project) -> Edit:
    left, right = span(sum_.left, source, project), span(sum_.right, source, project)
    # Only a bare plus may go with the operand; a bracket or a comment between the two stays whole.
    if re.fullmatch(r"[\s\\]*\+[\s\\]*", source.text[left[1] : right[0]]):
        if node is sum_.right:
            return Edit(start=left[1], end=right[1], replacement="")
        return Edit(start=left[0], end=right[0], replacement="")
    return replace_node(node, "[]", source, project)
