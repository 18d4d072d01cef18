"""Text that others wrote, made safe to show: no control character reaches a terminal, an XML file or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""``text`` with everything that does not print written as an escape (``\x1b``, ``\u202e``, ``\udc80``).

    That is more than the control characters: direction marks can make a line read as another one, and a lone
    surrogate, which stands for a byte of a file name that is no UTF-8, cannot be written at all.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
