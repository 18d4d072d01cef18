"""What stands in a file of another kind: the shell lines of a notebook, the metadata block of a script (PEP 723).

Each is a view: a source of its own kind whose text is the file's with everything else blank. So offsets, lines, fixes
and suppressions are those of the file, and every rule for commands or declarations reads it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from envtool.audit.models import Finding, Project, Safe, Source, SourceKind
from envtool.audit.notebooks import shell_text
from envtool.audit.syntax import lines_of

# The reference expression of PEP 723, for files with CRLF, too.
_BLOCK = re.compile(r"(?m)^# /// script[ \t]*\r?$\n(?P<content>(?:^#(?: .*)?\r?$\n)+)^# ///[ \t]*\r?$")
_OTHER = re.compile(r"[^\r\n]")


def script_block(text: str) -> str:
    """The metadata block of a script as TOML that stands where it stands in the file; empty where there is none."""
    found = _BLOCK.search(text)
    if found is None:
        return ""
    start, end = found.span("content")
    content = re.sub(r"(?m)^#(?: |(?=\r?$))", lambda mark: " " * len(mark.group()), text[start:end])
    return _OTHER.sub(" ", text[:start]) + content + _OTHER.sub(" ", text[end:])


_VIEWS: dict[SourceKind, tuple[SourceKind, Callable[[str], str]]] = {
    "notebook": ("shell", shell_text),
    "python": ("pyproject", script_block),
}


def embedded(project: Project, kinds: Iterable[SourceKind]) -> Iterator[Source]:
    """The views of these kinds, in path order."""
    wanted = frozenset(kinds)
    for kind, (given, text_of) in _VIEWS.items():
        for source in project.of_kind(kind) if given in wanted else ():
            key = ("embedded", source.path)
            if key not in project.cache:
                text = text_of(source.text)
                project.cache[key] = replace(source, kind=given, text=text) if text else None
                lines_of(source, project)  # what is shown is the file's own line
            view = project.cache[key]
            if isinstance(view, Source):
                yield view


def as_written(row: Finding | Safe, source: Source, project: Project) -> Finding | Safe:
    """A row as it holds for the file: a view's fix is one only where it adds no line, and for no notebook."""
    host = project.sources.get(source.path, source).kind
    if not isinstance(row, Finding) or row.fix is None or host == source.kind:
        return row
    kept = host == "python" and not any("\n" in edit.replacement for edit in row.fix.edits)
    return row if kept else replace(row, fix=None)
