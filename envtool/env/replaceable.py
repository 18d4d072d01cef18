"""Whether an environment can take the place of what stands at ``.venv``, and what has to be done where it cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from envtool.env.occupant import Occupant, check_place, occupant
from envtool.errors import EnvtoolError, InstallError, UsageError
from envtool.models import Layout

_REASONS = {
    errno.EXDEV: (
        "it lies on another file system, or in a lower layer of a container image",
        "Delete it, or set up where it was made; a container image is best served by envtool setup --plain.",
    ),
    errno.EBUSY: (
        "it is a mount point, or in use",
        "Mount the volume one level up, or choose another place: venv in [tool.envtool].",
    ),
    errno.ENOSPC: ("no space is left on the device", "Free some disk space (envtool prune) and run it again."),
}


def check_path(environment: Path) -> None:
    """Raise UsageError (``env.path``) where PATH cannot name an environment: another program would run in its place.

    The standard library's venv refuses such a folder too.
    """
    if os.pathsep in str(environment):
        message = f"{environment} contains {os.pathsep!r}, which separates the entries of PATH"
        raise UsageError("env.path", message, "Move the project to a folder without it in its name.")


def check_replaceable(layout: Layout) -> Occupant:
    """What stands at ``.venv``, if an environment can take its place. Ask before gigabytes are fetched.

    Raises InstallError (``env.foreign``, ``env.activate``) where it is not envtool's to replace, or cannot be, and
    UsageError (``env.path``, ``settings.venv``) where no environment can work.
    """
    check_path(layout.venv)
    check_place(layout)
    try:
        found = occupant(layout)
    except OSError as error:
        raise InstallError(
            "env.foreign", f"cannot look at {layout.venv}: {error.strerror}", "Make it readable for this user."
        ) from error
    if found.kind == "link":
        raise InstallError(
            "env.foreign",
            f"{layout.venv} is a link to {found.target}, which envtool did not make",
            "Remove the link (what it leads to stays), or choose another place: venv in [tool.envtool].",
        )
    if found.kind == "file":
        raise InstallError(
            "env.foreign",
            f"{layout.venv} is no folder",
            "Move it away, or choose another place: venv in [tool.envtool].",
        )
    if found.kind in ("directory", "empty", "plain", "other") and layout.venv.is_mount():
        raise cannot_switch(layout, OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
    if found.kind == "other":
        raise InstallError(
            "env.foreign",
            f"{layout.venv} is a folder and no environment: it has neither a pyvenv.cfg nor a conda-meta",
            "Choose another place: venv in [tool.envtool]. If it was an environment, move it away.",
        )
    return found


def before_setup(layout: Layout) -> str:
    """What to do before a setup can put an environment at ``.venv``, in sentences; empty where it can at once.

    For hints that advise a setup: it would end with this error.
    """
    error = obstacle(layout)
    return f"{error.message}. {error.hint}" if error is not None else ""


def obstacle(layout: Layout) -> EnvtoolError | None:
    """The error that a setup would end with because of what stands at ``.venv``."""
    try:
        check_replaceable(layout)
    except EnvtoolError as error:
        return error
    return None


def cannot_switch(layout: Layout, error: OSError) -> InstallError:
    """The error for a switch that the system refuses."""
    reason, hint = _REASONS.get(
        error.errno or 0, (error.strerror or str(error), "Close what uses the folder and run the command again.")
    )
    return InstallError("env.activate", f"cannot switch {layout.venv}: {reason}", hint)
