"""Run a program as if the environment were activated."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from envtool.adapters import platform
from envtool.adapters.process import run
from envtool.env.replaceable import before_setup, check_path
from envtool.errors import EnvtoolError, UsageError
from envtool.lock.above import project_above
from envtool.models import Layout

NOT_FOUND = 127
"""Exit status for a command that is not there, as in every POSIX shell."""
NOT_EXECUTABLE = 126
"""Exit status for a command that is there and cannot be started."""
_LACKS = 86
_HAS_PIP = f"import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('pip') else {_LACKS})"
_FLAGS = "[bBdEIOPqRsSuvx]"
"""Options of Python that take no value and let it run a module."""
_PATIENCE = 30.0
"""Seconds for an interpreter to start."""


def activated(environment: Path, ambient: Mapping[str, str]) -> dict[str, str]:
    """``ambient`` as the environment's own activate script would change it: PATH, VIRTUAL_ENV, no PYTHONHOME.

    Raises UsageError as :func:`check_path` does.
    """
    check_path(environment)
    inside = {name: value for name, value in ambient.items() if name not in ("PYTHONHOME", "__PYVENV_LAUNCHER__")}
    path = ambient.get("PATH", os.defpath)
    inside["PATH"] = os.pathsep.join([str(platform.scripts_folder(environment)), *([path] if path else [])])
    inside["VIRTUAL_ENV"] = str(environment)
    return inside


def is_pip(name: str) -> bool:
    """Whether a program's name is one that pip has."""
    return re.fullmatch(r"pip[\d.]*(\.exe)?", name) is not None


def lacks_pip(layout: Layout, command: Sequence[str], ambient: Mapping[str, str]) -> bool:
    """Whether a command is ``python -m pip`` of an environment without pip: one that a setup made has none.

    The interpreter is asked, started as the command would start it.
    """
    options = _before_pip(command[1:])
    inside = activated(layout.venv, ambient)
    program = shutil.which(command[0], path=inside["PATH"])
    if options is None or program is None or Path(program).parent != platform.scripts_folder(layout.venv):
        return False
    try:
        return run([program, *options, "-c", _HAS_PIP], env=inside, timeout=_PATIENCE).returncode == _LACKS
    except EnvtoolError:
        return False  # the command itself will tell


def _before_pip(words: Sequence[str]) -> Sequence[str] | None:
    """Python's own options in front of ``-m pip``; None where something else is run."""
    taken = False
    for place, word in enumerate(words):
        if taken:
            taken = False
        elif word in ("-W", "-X"):
            taken = True
        elif (found := re.fullmatch(rf"-({_FLAGS}*)m(.*)", word)) is not None:
            module = [found[2]] if found[2] else words[place + 1 : place + 2]
            flags = [f"-{found[1]}"] if found[1] else []
            return [*words[:place], *flags] if list(module) == ["pip"] else None
        elif not re.fullmatch(rf"-{_FLAGS}+|-[WX].+", word):
            return None
    return None


def program_elsewhere(layout: Layout, name: str, ambient: Mapping[str, str]) -> Path | None:
    """The Python program that a bare name would start although the environment has none of that name.

    It runs with another environment's packages: ``pip`` or ``pytest`` of the machine, where this one has none. None for
    a program of the environment, a path, and what is no Python script (a shell, make). A pip is one, whatever
    starts it.
    """
    if not platform.has_interpreter(layout.venv):
        return None  # there is none at all, which is the thing to say
    found = shutil.which(name, path=activated(layout.venv, ambient)["PATH"]) if os.sep not in name else None
    if found is None or Path(found).parent == platform.scripts_folder(layout.venv):
        return None
    if is_pip(name):
        return Path(found)
    try:
        with Path(found).open("rb") as file:
            head = file.read(256)
    except OSError:
        return None
    # Launchers name their interpreter at the top, pyenv's shims name pyenv.
    return Path(found) if head.startswith(b"#!") and (b"python" in head or b"pyenv" in head) else None


def run_inside(layout: Layout, command: Sequence[str], ambient: Mapping[str, str]) -> tuple[int, bool]:
    """Run ``command`` in the environment at ``.venv``: its exit status, and whether it was started at all.

    On POSIX it takes our place, so that only a failure to start comes back. Raises UsageError when there is no
    environment (``env.missing``).
    """
    if not platform.has_interpreter(layout.venv):
        before = before_setup(layout)
        hint = project_above(layout.root) or (
            f"{before} Then make one: envtool setup --cpu"
            if before
            else "Make one: envtool setup --cpu. See what there is: envtool status"
        )
        raise UsageError("env.missing", f"there is no environment at {layout.venv}", hint)
    inside = activated(layout.venv, ambient)
    program = shutil.which(command[0], path=inside["PATH"])
    if program is None:
        # A path to something that is there but may not be executed is 126 in a shell, and everything else is 127.
        return (NOT_EXECUTABLE if os.sep in command[0] and Path(command[0]).exists() else NOT_FOUND), False
    try:
        return platform.become(Path(program), command, inside), True
    except OSError:
        return NOT_EXECUTABLE, False
