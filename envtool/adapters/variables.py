"""``${VARIABLES}`` in requirements files: pip has them for secrets, so their values stay out of files and messages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from envtool.errors import UsageError

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
USERINFO = re.compile(r"(?<=://)[^/\s]*@")
"""User name and password of a URL, which may hold an ``@`` themselves, with the last one."""
_SHORTEST = 4
"""Shorter ones are no secrets, and would be found in every other word."""

_values: dict[str, str] = {}
"""What was put into a URL, and the variable that it came from."""


def expand(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text as pip reads it: ``${UPPER_CASE}`` only, and what is not set stays as it is.

    What is put into a URL is remembered, see :func:`conceal`.
    """
    for url in re.findall(r"\S*://\S*", text):
        _remember(url, environ)
    return _VARIABLE.sub(lambda match: environ.get(match[1], match[0]), text)


def filled_in(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The URL of an index, to ask there. Raises UsageError (``request.variable``) for a variable that is not set."""
    missing = next((name for name in _VARIABLE.findall(url) if name not in environ), None)
    if missing is not None:
        message = f"{missing} is not set, which the index {USERINFO.sub('', url)} needs"
        raise UsageError("request.variable", message, "Set it in the environment: the lock holds no values.")
    _remember(url, environ)
    return expand(url, environ)


def _remember(url: str, environ: Mapping[str, str]) -> None:
    for name in _VARIABLE.findall(url):
        value = environ.get(name, "")
        _values.update(dict.fromkeys((value, quote(value), quote(value, safe="")), f"${{{name}}}"))


def conceal(text: str) -> str:
    """The text with the variables again, where there are their values."""
    for value in sorted(_values, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, _values[value])
    return text


def shows(texts: Iterable[str]) -> bool:
    """Whether there is something to conceal in one of the texts."""
    return any(conceal(text) != text for text in texts)
