"""Pythons on this machine, found by uv: its own, those on the PATH and in the Windows registry, and pyenv's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from pathlib import Path

from packaging.version import InvalidVersion, Version

from envtool.adapters.platform import is_windows
from envtool.errors import InstallError
from envtool.models import SUPPORTED_PYTHONS, Completed

_VERSION = re.compile(r"[\d<>=!~]")
_PLAIN = re.compile(r"\d+(\.\d+)*")


def is_path(request: str) -> bool:
    """Whether a ``--python`` names a place: what is there, or what is written with a separator."""
    if _PLAIN.fullmatch(request):
        return False
    return os.path.lexists(request) or any(separator in request for separator in (os.sep, os.altsep) if separator)


def find_python(request: str) -> Path:
    """The interpreter for a version (``3.11``), a path, or a name. Raises InstallError (``python.missing``)."""
    done = _ask("find", "--no-python-downloads", "--no-project", "--", request)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    hint = "Name a version such as 3.12, or the path of an interpreter that runs."
    if is_path(request):
        there = os.path.lexists(request)
        message = f"no Python at {request}" if there else f"no file or folder {request}"
        raise InstallError("python.missing", message, hint)
    if not _VERSION.match(request):
        raise InstallError("python.missing", f"no Python found as {request!r}", hint)
    found = installed_pythons()
    here = f": {', '.join(found)} {'are' if len(found) > 1 else 'is'} here" if found else ""
    hint = f"Install it (uv python install {shlex.quote(request)}), or name another one with --python{here}."
    raise InstallError("python.missing", f"no Python {request} found on this machine", hint)


def installed_pythons() -> tuple[str, ...]:
    """The minor versions that envtool supports and uv finds here, oldest first; none where uv cannot say."""
    try:
        told = _ask("list", "--only-installed", "--no-python-downloads", "--output-format", "json")
        rows = json.loads(told.stdout)
        versions = [Version(row["version"]) for row in rows if row["implementation"] == "cpython"]
    except (ValueError, LookupError, TypeError, InvalidVersion):
        return ()
    minors = {f"{version.major}.{version.minor}" for version in versions}
    return tuple(minor for minor in SUPPORTED_PYTHONS if minor in minors)


def _ask(*words: str) -> Completed:
    from envtool.adapters.uv import run_uv  # late: most commands are told a path, and look for nothing

    return run_uv(["python", *words], env=_search_path())


def _search_path() -> dict[str, str]:
    """PATH with the folders of all of pyenv's versions behind it: its shims run the selected ones only."""
    if is_windows():
        return {}  # uv reads the registry there
    home = os.path.expanduser(os.environ.get("PYENV_ROOT") or "~/.pyenv")  # noqa: PTH111 - Path's raises without a home
    root = Path(home) / "versions"
    found: list[tuple[Version, str]] = []
    for folder in root.glob("*/bin"):
        with contextlib.suppress(InvalidVersion):  # its environments and PyPys have other names
            found.append((Version(folder.parent.name), str(folder)))
    if not found:
        return {}
    return {"PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), *(path for _, path in sorted(found)[::-1])])}
