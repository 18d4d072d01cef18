"""Read a requirements file: pip-requirements-parser splits and parses its lines, this adds where things stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Literal

from envtool.audit.deps.model import Declarations, Declared, Include, IndexOption
from envtool.audit.deps.routes import parse_requirement

_COMMENT = re.compile(r"\s*#")
_INLINE = re.compile(r"\s(?=-{1,2}[A-Za-z])")
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{")
_KINDS: dict[str, Literal["index", "extra", "find-links"]] = {
    "index_url": "index",
    "pypi_url": "index",
    "extra_index_urls": "extra",
    "find_links": "find-links",
}


def read_requirements(text: str) -> Declarations:
    """What a requirements (or constraints) file declares. A line that no tool reads is left out."""
    requirements: list[Declared] = []
    options: list[IndexOption] = []
    includes: list[Include] = []
    for line, start, end in _logical_lines(text):
        declared, found, included = _read_line(text, line, start, end)
        requirements.extend(declared)
        options.extend(found)
        includes.extend(included)
    return Declarations(requirements=tuple(requirements), options=tuple(options), includes=tuple(includes))


def _logical_lines(text: str) -> Iterator[tuple[str, int, int]]:
    """Joined lines without comments, each with the span of its raw text up to the end of the content."""
    from pip_requirements_parser import TextLine, preprocess

    # The same split as the parser's own, so that its line numbers are indexes into these offsets.
    raw = text.splitlines(keepends=True)
    starts = [0]
    for piece in raw:
        starts.append(starts[-1] + len(piece))
    for entry in preprocess(text):
        if not isinstance(entry, TextLine):
            continue
        first = last = entry.line_number - 1
        # A line that is a comment ends the logical line, whatever it ends in.
        while last + 1 < len(raw) and raw[last].rstrip("\r\n").endswith("\\") and not _COMMENT.match(raw[last]):
            last += 1
        indent = len(raw[first]) - len(raw[first].lstrip())
        yield entry.line, starts[first] + indent, starts[last] + len(raw[last].rstrip())


def _read_line(text: str, line: str, start: int, end: int) -> tuple[list[Declared], list[IndexOption], list[Include]]:
    if line.startswith("-"):
        return _option_line(text, line, start, end)
    head, *rest = _INLINE.split(line, maxsplit=1)
    parsed = parse_requirement(head)
    if parsed is None or _TEMPLATE.search(head):
        return [], [], []
    name, requirement = parsed
    stop = _end_of(text, head, start, end)
    declared = Declared(
        name=name,
        start=start,
        end=stop,
        specifier=str(requirement.specifier),
        marker=str(requirement.marker) if requirement.marker else None,
        url=requirement.url,
        extras=frozenset(requirement.extras),
        hashed=bool(rest) and "--hash" in rest[0],
    )
    found = _index_options(text, rest[0], stop, end, inline=name) if rest and not declared.hashed else []
    return [declared], found, []


def _end_of(text: str, head: str, start: int, end: int) -> int:
    """Where the requirement itself ends: pieces of a continued line stand apart in the raw text."""
    head = head.rstrip()
    if text.startswith(head, start):
        return start + len(head)
    newline = re.search(r"[\r\n]", text[start:end])
    return start + len(text[start : start + newline.start()].rstrip(" \t\\")) if newline else end


def _option_line(text: str, line: str, start: int, end: int) -> tuple[list[Declared], list[IndexOption], list[Include]]:
    options = _parsed(line)
    if options is None:
        return [], [], []
    includes = [
        Include(path=path, constraint=constraint, start=start, end=start + len(line))
        for attribute, constraint in (("requirements", False), ("constraints", True))
        for path in options.get(attribute) or ()
    ]
    declared = []
    for target in options.get("editables") or ():
        parsed = parse_requirement(target)
        if parsed is not None:
            declared.append(Declared(name=parsed[0], start=start, end=start + len(line), url=parsed[1].url))
    return declared, _index_options(text, line, start, end), includes


def _parsed(line: str) -> dict[str, list[str]] | None:
    """The options of a line as the parser's optparse gives them, or None if it has none that pip knows."""
    from pip_requirements_parser import OptionParsingError, build_parser

    try:
        values, _ = build_parser().parse_args(shlex.split(line))
    except (OptionParsingError, ValueError):
        return None
    found: dict[str, list[str]] = vars(values)
    return found


def _index_options(text: str, line: str, start: int, end: int, *, inline: str = "") -> list[IndexOption]:
    values = _parsed(line)
    found: list[IndexOption] = []
    for attribute, kind in _KINDS.items() if values is not None else ():
        given = (values or {}).get(attribute) or []
        for url in [given] if isinstance(given, str) else given:
            match = re.compile(rf"(?:-{{1,2}}[\w-]+[\s=]*)?[\"']?{re.escape(url)}[\"']?").search(text, start, end)
            span = match.span() if match else (start, end)
            option = IndexOption(kind=kind, url=url, start=span[0], end=span[1], inline=inline, line=(start, end))
            found.append(option)
    return found
