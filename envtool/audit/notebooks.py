"""Notebooks as Python: the code cells become one virtual source whose lines stand where they stand in the .ipynb file.

So a finding's line is the line of the JSON file that an editor or a code host shows, and no line map is needed but for
naming the cell. Only when a notebook keeps several lines of code on one of its own do lines count through the cells.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A code cell: its number among all cells (from 1) and the lines that it takes in the virtual source."""

    number: int
    first_line: int
    last_line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Notebook:
    """The virtual source, its cells in order, and the cells that are not Python: ``(number, reason)``."""

    text: str
    cells: tuple[Cell, ...]
    dropped: tuple[tuple[int, str], ...]


_DECODER = json.JSONDecoder()
_SOURCE_KEY = re.compile(r'"source"\s*:\s*(?=["\[])')
_MAGIC = re.compile(r"^(\s*)([%!?]|[\w.]+\?+\s*$)")
_SHELL = re.compile(r"^[ \t]*(?:!!?|%(?:sx|system|env|set_env)\b|%(?=(?:pip|uv|conda|mamba|micromamba)\b))")
_INERT = "pass  # "
"""What stands for a line of IPython's own: after it, the line as it is written."""
_ASSIGNED_MAGIC = re.compile(r"^(\s*[\w, .\[\]]+=\s*)[%!].*$")


def notebook_source(raw: str) -> Notebook:
    """The Python of a notebook. Raises ValueError when it is no notebook (version 4 or 3) with Python code."""
    try:
        data = json.loads(raw)
    except ValueError:
        raise ValueError("not a notebook: the JSON is broken") from None
    cells = _cells(data)
    language = str(_table(_table(data, "metadata"), "kernelspec").get("language") or "python")
    if language.lower() not in ("python", "ipython"):
        raise ValueError(f"a notebook in {language}")
    places = _places(raw, cells)
    virtual: list[str] = []
    spans: list[Cell] = []
    dropped: list[tuple[int, str]] = []
    for number, (lines, code) in enumerate(cells, start=1):
        if not code or lines == [""]:
            continue
        python = _python_lines(lines)
        if python is None or not _parses(python):
            dropped.append((number, "a cell that is not Python"))
            continue
        where = places[number - 1] if places else list(range(len(virtual) + 1, len(virtual) + 1 + len(python)))
        virtual.extend([""] * (where[-1] - len(virtual)))
        for line, text in zip(where, python, strict=True):
            virtual[line - 1] = text
        spans.append(Cell(number=number, first_line=where[0], last_line=where[-1]))
    return Notebook(text="\n".join(virtual) + "\n", cells=tuple(spans), dropped=tuple(dropped))


def _table(data: object, key: str) -> dict[str, object]:
    """The object under a key; an empty one where there is something else, as tools that write notebooks leave it."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _cells(data: object) -> list[tuple[list[str], bool]]:
    """Lines (without newlines) of every cell, and whether it is code."""
    if not isinstance(data, dict):
        raise ValueError("not a notebook: no object at the top")
    found = data.get("cells")
    if found is None:  # version 3 keeps them in worksheets
        sheets = data.get("worksheets", [])
        if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
            raise ValueError("not a notebook: no cells")
        groups = [sheet.get("cells", []) for sheet in sheets]
        found = [cell for group in groups for cell in group] if all(isinstance(g, list) for g in groups) else None
    if not isinstance(found, list) or not all(isinstance(cell, dict) for cell in found):
        raise ValueError("not a notebook: no cells")
    result = []
    for cell in found:
        source = cell.get("source", cell.get("input", ""))
        text = "".join(str(part) for part in source) if isinstance(source, list) else str(source)
        result.append((text.split("\n"), cell.get("cell_type") == "code"))
    return result


def _places(raw: str, cells: list[tuple[list[str], bool]]) -> list[list[int]] | None:
    """The line in the raw text of every line of every cell; None when they are not one JSON string a line."""
    places: list[list[int]] = []
    cursor = taken = 0
    for lines, code in cells:
        if lines == [""]:
            places.append([])
            continue
        for match in _SOURCE_KEY.finditer(raw, cursor):
            strings, numbers, end = _strings(raw, match.end())
            if "".join(strings).split("\n") == lines:
                break
        else:
            return None
        cursor = end
        if not code:
            places.append([])
            continue
        # A cell may end in a newline: the last, empty, line then has no string of its own.
        numbers += [numbers[-1] + 1] * (len(lines) - len(numbers))
        if len(numbers) != len(lines) or len(set(numbers[: len(strings)])) != len(strings):
            return None
        if numbers[0] <= taken:  # a notebook without newlines
            return None
        places.append(numbers)
        taken = numbers[-1]
    return places


def _strings(raw: str, at: int) -> tuple[list[str], list[int], int]:
    strings: list[str] = []
    numbers: list[int] = []
    line = raw.count("\n", 0, at) + 1
    if raw[at] == '"':  # the whole cell in one string
        value, end = _DECODER.raw_decode(raw, at)
        return [value], [line], end
    at += 1
    while at < len(raw) and raw[at] != "]":
        if raw[at] == '"':
            value, end = _DECODER.raw_decode(raw, at)
            strings.append(value)
            numbers.append(line)
            at = end
        else:
            line += raw[at] == "\n"
            at += 1
    return strings, numbers, at


def _python_lines(lines: list[str]) -> list[str] | None:
    """The lines with IPython's own syntax made inert; None for a cell in another language (``%%bash``)."""
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%") and first.split()[0] not in ("%%time", "%%timeit", "%%capture", "%%prun"):
        return None
    result: list[str] = []
    continued = shell = False
    for line in lines:
        if continued:
            result.append(f"# {line}" if shell and line.replace("\t", " ").isprintable() else "")
            continued = line.rstrip().endswith("\\")
        elif match := _MAGIC.match(line):
            shell = _SHELL.match(line) is not None and line.replace("\t", " ").isprintable()
            kept = f"{_INERT}{line.lstrip()}" if shell else "pass"
            result.append(f"{match.group(1)}{kept}")
            continued = line.rstrip().endswith("\\")
        elif match := _ASSIGNED_MAGIC.match(line):
            shell = False
            result.append(f"{match.group(1)}None")
            continued = line.rstrip().endswith("\\")
        else:
            result.append(line)
    return result


def shell_text(text: str) -> str:
    """The shell commands of a notebook's virtual source, each where it stands there; empty where there are none."""
    result: list[str] = []
    continued = found = False
    for line in text.split("\n"):
        at = inert_until(line)
        mark = 2 if continued and line.startswith("# ") else 0
        if at and (match := _SHELL.match(line[at:])):
            mark = at + match.end()
        found |= bool(mark)
        result.append(" " * mark + line[mark:] if mark else " " * len(line))
        continued = bool(mark) and line.rstrip().endswith("\\")
    return "\n".join(result) if found else ""


def inert_until(line: str) -> int:
    """How much of a line of the virtual source stands before what is written in the notebook; 0 for Python."""
    indent = len(line) - len(line.lstrip())
    return indent + len(_INERT) if re.match(rf"{_INERT}[%!]", line[indent:]) else 0


def _parses(lines: list[str]) -> bool:
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
