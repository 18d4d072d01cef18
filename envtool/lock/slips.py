"""What somebody meant who wrote something else than a requirement: the nearest right form, as a hint. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envtool.adapters.http import redact_text
from envtool.errors import UsageError
from envtool.models import Requested, Route

_COMMAND = re.compile(
    r"""^[$!%>\s]*(?:sudo\s+)?(?:\S*python\S*\s+-m\s+)?
    (?:(?:uv\s+)?pip[\d.]*\s+install|(?:uv|poetry|pdm)\s+add|pipenv\s+install)\b(.*)$""",
    re.VERBOSE,
)
_VALUED = re.compile(r"(?:^|\s)(?:--[\w-]+(?:=\S*)?|-[A-Za-z])(?:\s+(?:\S+://\S*|\S+\.(?:txt|in)\b|\S*[/\\]\S*))?")
"""Options of such a command, with the URL or the file behind one."""
_NAME = r"^(?P<name>[\w.-]+(?:\[[\w.,\s-]*\])?)"
_SINGLE = re.compile(rf"{_NAME}\s*=(?!=)")
_VERSION = re.compile(rf"{_NAME}(?:\s*[=:]\s*|\s+)v?['\"]?(?P<version>[^\s;=:'\"]+)['\"]?")
_STUB = "pytorch"
"""On the default index this is a package that only says so, by failing when it is built."""


def nearest(text: str) -> str:
    """The hint for a text that is no requirement; empty where nothing is near."""
    if is_command(text):
        return _packages_of(text)
    head, semicolon, marker = text.partition(";")
    found = _VERSION.match(head.strip())
    if found is not None and _is_version(found["version"]):
        pin = f"{found['name']}=={found['version']}"
        # conda writes a build behind a second sign: it is nothing that an index of Python packages knows.
        meant = f"{pin} ; {marker.strip()}" if semicolon else pin
        return f"Did you mean {meant}?" if _is_one(meant) else ""
    return ""


def reason(text: str) -> str:
    """Why a text is no requirement, where a parser would speak of semicolons; empty for anything else."""
    if is_command(text):
        return "it is a command"
    return "a version stands behind ==, not =" if _SINGLE.match(text) else ""


def is_command(text: str) -> bool:
    """Whether a text is a command that installs, or adds, packages."""
    return _COMMAND.match(text) is not None


def _packages_of(text: str) -> str:
    command = _COMMAND.match(text)
    words = [word.strip("'\"") for word in _VALUED.sub(" ", command[1] if command else "").split()]
    named = f": {', '.join(dict.fromkeys(words))}" if words and all(map(_is_one, words)) else ""
    return redact_text(f"A requirement is the package alone{named}.")


def refuse_pytorch(items: Iterable[Requested], routes: Iterable[Route]) -> None:
    """Raise UsageError (``request.pytorch``) for torch by its project's name, but where an index is named for it."""
    item = next((item for item in items if canonicalize_name(item.requirement.name) == _STUB), None)
    if item is None or any(_STUB in route.packages for route in routes):
        return
    meant = Requirement(str(item.requirement))
    meant.name = "torch"
    message = f"{item.origin}: the package of PyTorch is called torch on the index, not {_STUB}"
    raise UsageError("request.pytorch", message, f"Did you mean {meant}?")


def _is_one(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _is_version(text: str) -> bool:
    try:
        Version(text.removesuffix(".*"))
    except InvalidVersion:
        return False
    return True
