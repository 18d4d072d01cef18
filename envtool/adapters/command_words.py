"""A command that a user wrote as one text, as words: no shell runs it, and what only a shell can do is refused."""

from __future__ import annotations

import shlex

from envtool.adapters.platform import is_windows

_OPERATORS = "|&;<>"


def command_words(text: str) -> list[str]:
    """The words, by the rules of a POSIX shell (on Windows, by its own). Raises ValueError for an open quote."""
    return shlex.split(text, posix=not is_windows())


def shell_operator(text: str) -> str | None:
    """The first operator of a shell (``|``, ``&&``, ``2>&1``: ``>&``) that is not in quotes; None without one.

    As an argument it would reach the program, which as a rule ignores it: the check would pass and prove nothing.
    """
    quote, place, escapes = "", 0, not is_windows()
    while place < len(text):
        sign = text[place]
        if escapes and sign == "\\" and quote != "'":
            place += 1  # the next one is meant as it stands
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in _OPERATORS:
            rest = text[place:]
            return rest[: len(rest) - len(rest.lstrip(_OPERATORS))]
        place += 1
    return None


def in_a_shell(text: str) -> str:
    """The command that lets a shell run ``text``, as it is written for :func:`command_words`."""
    return f'cmd /c "{text}"' if is_windows() else f"sh -c {shlex.quote(text)}"
