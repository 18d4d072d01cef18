"""Whether a lock can be written, and why not: asked before the work."""

from __future__ import annotations

import errno
import os

from envtool.adapters import files, platform
from envtool.errors import LockError
from envtool.lock.workspace import Project

_RIGHTS = "Mend its permissions, or lock as the owner of the project."
_REMEDIES = {
    errno.EROFS: "Make the file system writable, or lock in a copy of the project.",
    errno.ENOSPC: "Free some space.",
    errno.EDQUOT: "Free some space.",
}


def check_writable(project: Project) -> None:
    """Raise LockError (``lock.write``, ``lock.outside``) where ``lockfiles/`` cannot be written."""
    check_inside(project)
    folder = project.lockfiles
    if files.may_write(folder):
        return
    if folder.exists() and not folder.is_dir():
        message = f"{folder.name}/ cannot be written: it is no folder"
        raise LockError("lock.write", message, "Move it away, and lock again.")
    if platform.is_read_only(project.root):
        raise unwritable(folder.name, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    raise LockError("lock.write", f"{folder.name}/ cannot be written by this user", _RIGHTS)


def check_inside(project: Project) -> None:
    """A repository from a stranger may hold such a link: requirements.txt of another project would be replaced."""
    folder = platform.real_path(project.lockfiles)
    if not folder.is_relative_to(platform.real_path(project.root)):
        message = f"{project.lockfiles.name}/ is a link that leads out of the project, to {folder}"
        raise LockError("lock.outside", message, "Nothing was written. Make it a folder of the project.")


def unwritable(name: str, error: OSError) -> LockError:
    """The error for what the system refuses, with what mends it."""
    remedy = _REMEDIES.get(error.errno or 0, _RIGHTS)
    return LockError("lock.write", f"{name}/ cannot be written: {error.strerror}", remedy)
