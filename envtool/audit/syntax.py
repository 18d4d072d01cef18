"""One parse of a Python source for all rules, and the places of its nodes."""

from __future__ import annotations

import ast
import re
import warnings

from envtool.audit.models import Location, Project, Skipped, Source

_NEWLINE = re.compile(r"\r\n|\r|\n")
_PYTHON2 = re.compile(r"^\s*(print\s+[\"'\w%(]|exec\s+[\"'\w]|raise\s+\w+\s*,|except\s+[\w.()\s,]+,\s*\w+\s*:)", re.M)
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.S)


def lines_of(source: Source, project: Project) -> list[str]:
    """The lines of a source without their ends, split as Python's parser does (never at a form feed)."""
    key = ("lines", source.path)
    found = project.cache.get(key)
    if not isinstance(found, list):
        found = _NEWLINE.split(source.text)
        project.cache[key] = found
    return found


def tree_of(source: Source, project: Project) -> ast.Module | None:
    """The syntax tree of a Python source, parsed once; None when it is not Python 3, which adds a skipped row."""
    key = ("tree", source.path)
    if key not in project.cache:
        project.cache[key] = _parse(source, project)
    found = project.cache[key]
    return found if isinstance(found, ast.Module) else None


def _parse(source: Source, project: Project) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in someone's string is not ours to report
            return ast.parse(source.text)
    except SyntaxError as error:
        reason = f"not Python 3: {error.msg} (line {error.lineno or 1})"
        if _TEMPLATE.search(source.text):
            reason = f"a template, not Python (line {error.lineno or 1})"
        elif _PYTHON2.search(source.text):
            reason = f"Python 2 (line {error.lineno or 1})"
    except (ValueError, RecursionError, MemoryError) as error:
        reason = f"cannot be parsed: {error or type(error).__name__}"
    template = reason.startswith("a template")
    project.cache["skipped", source.path] = Skipped(path=source.path, reason=reason, amiss=not template)
    return None


def locate(node: ast.expr | ast.stmt | ast.arg | ast.keyword | ast.alias, source: Source, project: Project) -> Location:
    """Where a node stands. The parser counts bytes of UTF-8, a Location counts characters."""
    lines = lines_of(source, project)
    end_line = node.end_lineno or node.lineno
    return Location(
        line=node.lineno,
        column=_column(lines, node.lineno, node.col_offset),
        end_line=end_line,
        end_column=_column(lines, end_line, node.end_col_offset or node.col_offset),
    )


def locate_method(call: ast.Call, source: Source, project: Project) -> Location:
    """Where the method of a call is written: ``cuda()`` at the end of a chain that may begin many lines above."""
    place = locate(call, source, project)
    func = call.func
    if not isinstance(func, ast.Attribute) or func.end_lineno is None or func.end_col_offset is None:
        return place
    end = _column(lines_of(source, project), func.end_lineno, func.end_col_offset)
    return Location(
        line=func.end_lineno,
        column=max(1, end - len(func.attr)),
        end_line=place.end_line,
        end_column=place.end_column,
    )


def _column(lines: list[str], line: int, offset: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if text.isascii():
        return offset + 1
    return len(text.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore")) + 1


def offset_of(line: int, column: int, source: Source, project: Project) -> int:
    """The 0-based character offset in ``source.text`` of a 1-based line and column (for an Edit)."""
    key = ("offsets", source.path)
    starts = project.cache.get(key)
    if not isinstance(starts, list):
        starts = [0, *(match.end() for match in _NEWLINE.finditer(source.text))]
        project.cache[key] = starts
    return int(starts[line - 1]) + column - 1
