"""Suppression comments: ``# envtool: ignore[CPU101] why`` on a line, ``# envtool: ignore-file[CPU101]`` in a file."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass

from envtool.audit.models import Finding, Project, Source
from envtool.audit.syntax import lines_of

_MARK = re.compile(r"#\s*envtool:\s*ignore(?P<file>-file)?\b(?!-)(?:\[(?P<codes>[^\]]*)\])?", re.IGNORECASE)
_PYTHON = ("python", "notebook", "spec", "setup-py")
_EVERY: frozenset[str] = frozenset({""})


@dataclass(frozen=True, slots=True)
class Suppressions:
    """What the comments of one source suppress: prefixes of codes for the file, and for each line."""

    file: frozenset[str]
    lines: dict[int, frozenset[str]]

    def covers(self, finding: Finding) -> bool:
        """Whether a comment on one of the finding's lines, or for the file, names its code."""
        if _names(self.file, finding.code):
            return True
        span = range(finding.location.line, finding.location.end_line + 1)
        return any(_names(codes, finding.code) for line, codes in self.lines.items() if line in span)


def _names(prefixes: frozenset[str], code: str) -> bool:
    return any(code.startswith(prefix) for prefix in prefixes)


def suppressions_of(source: Source, project: Project) -> Suppressions:
    """Read the comments of a source. In Python, text in a string is no comment."""
    file: set[str] = set()
    lines: dict[int, frozenset[str]] = {}
    if "envtool:" in source.text:
        for number, comment in _comments(source, project):
            for match in _MARK.finditer(comment):
                named = match.group("codes")
                codes = _EVERY if named is None else frozenset(re.findall(r"[A-Z]+\d*", named.upper()))
                if match.group("file"):
                    file |= codes
                else:
                    lines[number] = lines.get(number, frozenset()) | codes
    return Suppressions(frozenset(file), lines)


def _comments(source: Source, project: Project) -> list[tuple[int, str]]:
    if source.kind in _PYTHON:
        found = []
        try:
            for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
                if token.type == tokenize.COMMENT:
                    found.append((token.start[0], token.string))
        except (tokenize.TokenError, SyntaxError):  # what was read until then counts
            pass
        return found
    return [(number, line) for number, line in enumerate(lines_of(source, project), start=1) if "envtool:" in line]
