"""Pythons on this machine, found by uv: its own, those on the PATH and in the Windows registry, and pyenv's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from pathlib import Path

from packaging.version import InvalidVersion, Version

from envtool.adapters.platform import is_windows, real_path
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
    path = is_path(request)
    named = str(Path.cwd() / request) if path else request  # uv is asked from another folder
    done = _ask("find", "--no-python-downloads", "--no-project", "--", named)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    hint = "Name a version such as 3.12, or the path of an interpreter that runs."
    if path:
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


def is_generation(environment: Path) -> bool:
    """Whether an environment is one that envtool made: a generation of a chain, or a plain one."""
    real = real_path(environment)
    return real.parts[-3:-1] == (".envtool", "generations") or os.path.exists(real / ".envtool.json")  # noqa: PTH110


def _ask(*words: str) -> Completed:
    """Ask uv, from the top of the file system: it takes a .venv of the current folder, or above it, first."""
    from envtool.adapters.uv import run_uv  # late: most commands are told a path, and look for nothing

    top = Path(Path.cwd().anchor)
    system = ["--system"] if words[0] == "find" and os.path.lexists(top / ".venv") else []
    return run_uv(["python", words[0], *system, *words[1:]], env=_search_path(), cwd=top)


def _search_path() -> dict[str, str]:
    """PATH without environments of ours, an activated one as a rule, which are built from a Python and are none to
    build from; and with the folders of all of pyenv's versions behind it: its shims run the selected ones only."""
    ambient = os.environ.get("PATH", os.defpath)
    entries = [entry for entry in ambient.split(os.pathsep) if not (entry and is_generation(Path(entry).parent))]
    path = os.pathsep.join([*entries, *_folders_of_pyenv()])
    return {"PATH": path} if path != ambient else {}


def _folders_of_pyenv() -> list[str]:
    if is_windows():
        return []  # uv reads the registry there
    home = os.path.expanduser(os.environ.get("PYENV_ROOT") or "~/.pyenv")  # noqa: PTH111 - Path's raises without a home
    found: list[tuple[Version, str]] = []
    for folder in (Path(home) / "versions").glob("*/bin"):
        with contextlib.suppress(InvalidVersion):  # its environments and PyPys have other names
            found.append((Version(folder.parent.name), str(folder)))
    return [path for _, path in sorted(found)[::-1]]
