"""Whether a condition leaves Linux out: ``runner.os == 'macOS'``, ``[ "$(uname)" = Darwin ]``, a branch of ``case``.

On Windows and macOS the default index holds CPU builds; what runs there alone brings no GPU packages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

_SUBJECT = re.compile(
    r"matrix\.|runner\.|inputs\.|uname|ostype|platform|system|(^|[^a-z])(os|agent|host)([^a-z]|$)", re.I
)
_ELSEWHERE = re.compile(r"macos|darwin|osx|windows|win32|win-|msys|mingw|cygwin|(^|[^a-z])(mac|win)([^a-z]|$)", re.I)
_LINUX = re.compile(r"linux|ubuntu|debian", re.I)
_NOT = re.compile(r"!=|-ne\b|^(?:if\s+)?\s*(?:\[\[?\s*)?!", re.I)


@lru_cache(maxsize=2048)
def leaves_out_linux(condition: str) -> bool:
    """Whether what stands under these conditions (as :class:`~envtool.audit.install.lex.Command` has them) never runs
    on Linux. A condition that does not speak of systems leaves nothing out."""
    return any(_part(part) for part in condition.split(" / "))


def _part(text: str) -> bool:
    """One condition; ``if A elif B else``: what is left after the branches before."""
    *_, last = re.split(r"\s(?:elif|elseif)\s", text)
    otherwise = last.endswith(" else")
    alternatives = re.split(r"\|\||\s-o\s", last.removesuffix(" else"))
    if otherwise:
        # Not (A or B): any alternative that is Linux, and nothing more, is gone.
        return any(_term(alternative) == "linux" for alternative in alternatives)
    return all(
        any(_term(term) == "elsewhere" for term in re.split(r"&&|\s-a\s", alternative)) for alternative in alternatives
    )


def _term(text: str) -> Literal["linux", "elsewhere", ""]:
    if not _SUBJECT.search(text):
        return ""
    elsewhere, linux = _ELSEWHERE.search(text) is not None, _LINUX.search(text) is not None
    if elsewhere == linux:
        return ""
    return "elsewhere" if elsewhere != (_NOT.search(text.strip()) is not None) else "linux"
