"""What to do after a gate that did not hold: one next step, whatever the hint of the failed stage says."""

from __future__ import annotations

import re

RESUME = "envtool migrate --resume"

# "run the command again" is what a hint of another command ends with; after a gate the command is --resume.
_AGAIN = re.compile(
    r"(?:,? (?:and|or) )?(?:\b[Rr]un (?:it|the (?:same )?command)|\b[Tt]ry) again(?: to go on)?(?=[.:;]|$)"
)


def go_on(hint: str, *, resume: bool = True) -> str:
    """The hint of a gate, and how to go on: with ``--resume``, or by the same command. Pure."""
    if "envtool migrate" in hint:
        return hint
    cause = re.sub(r"^[.:;,\s]+", "", _AGAIN.sub("", hint)).rstrip(". ")
    first = f"{cause}{'' if cause.endswith('?') else '.'} Then " if cause else ""
    last = f"go on: {RESUME}" if resume else "run the same command again."
    return f"{first}{last}" if cause else last[0].upper() + last[1:]
