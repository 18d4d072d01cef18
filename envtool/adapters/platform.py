"""What differs between POSIX and Windows, all of it: links, the exchange of two names, hard links, exec, fsync.

Linux is measured; the macOS and Windows branches are held by unit tests with the system call injected (ADR 0032).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import os
import platform as _machine
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINK_SUFFIX = ".envtool-link"
"""Ending of the name that a new link waits under before it is renamed into place."""
OLD_SUFFIX = ".envtool-old"
"""Ending of the name that what was there before waits under, where two names cannot be exchanged in one step."""

_RENAME_EXCHANGE = 2  # linux/fs.h
_RENAME_SWAP = 2  # sys/stdio.h on macOS
_AT_FDCWD = -100
_SYNCHRONIZE = 0x00100000  # winnt.h
_SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "arm64": 276, "riscv64": 276, "ppc64le": 357, "s390x": 347}
# What a kernel or a file system answers when it does not know the operation: an old kernel, NFS, FUSE, gVisor.
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def is_windows() -> bool:
    """Whether this is Windows (a function, so that a test can say yes)."""
    return os.name == "nt"


def system() -> str:
    """``linux``, ``darwin`` or ``win32``: ``sys.platform`` (a function, so that a test can answer another)."""
    return sys.platform


def is_running(process: int) -> bool:
    """Whether a process of this number runs now; another one may have got the number since."""
    if is_windows():
        # os.kill would end it here. It can be opened as long as it runs, or somebody holds it open.
        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined, unused-ignore]  # typed on Windows only
        handle = kernel.OpenProcess(_SYNCHRONIZE, False, process)
        if handle:
            kernel.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


# --- links ------------------------------------------------------------------------------------------------------------


def is_link(path: Path) -> bool:
    """Whether ``path`` itself is a symlink, or a junction on Windows; False when there is nothing."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(status.st_mode):
        return True
    # os.path.isjunction exists from Python 3.12 on; the tag is what it looks at.
    return getattr(status, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0xA0000003)


def is_folder(path: Path) -> bool:
    """Whether ``path`` itself is a real directory: no link, no junction."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode) and not is_link(path)
    except OSError:
        return False


def exists(path: Path) -> bool:
    """Whether the name is taken, be it by a dangling link."""
    return os.path.lexists(path)


def read_link(path: Path) -> Path:
    """Where a link points, absolute and without ``..``, whether that exists or not. Raises OSError for no link."""
    content = os.readlink(path)  # noqa: PTH115 - Path.readlink is a plain copy of it without junctions on 3.10
    if content.startswith("\\\\?\\"):
        content = content[4:]
    return Path(os.path.normpath(path.parent.resolve() / content))


def real_path(path: Path) -> Path:
    """A path with all links followed; as far as they go where they lead in a circle (before 3.13 resolve() raises)."""
    return Path(os.path.realpath(path))


def make_link(path: Path, folder: Path, *, final: Path | None = None) -> None:
    """Create a link at ``path`` that leads to ``folder`` once it stands at ``final`` (default: at ``path``).

    POSIX: a relative symlink, so that the project can be moved. Windows: a junction, since symlinks need a privilege
    there; a junction is always absolute. Raises OSError.
    """
    if is_windows():
        importlib.import_module("_winapi").CreateJunction(str(folder), str(path))
        return
    home = (final or path).parent.resolve()
    path.symlink_to(os.path.relpath(folder.parent.resolve() / folder.name, home), target_is_directory=True)


def remove_link(path: Path) -> None:
    """Remove a link or a junction, never what it leads to; nothing there is fine."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def rename(source: Path, destination: Path) -> None:
    """Rename; the destination must not exist (what a rename does to an existing one differs). Raises OSError."""
    if exists(destination):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
    source.rename(destination)


def point(link: Path, folder: Path) -> None:
    """Let ``link`` lead to ``folder``, replacing a link that is there, in one atomic rename.

    Windows cannot replace a junction by a rename: there the old one steps aside first, for a moment. Killed in that
    moment, the old one is found under ``OLD_SUFFIX`` by the recovery. Raises OSError; then ``link`` is as it was.
    """
    waiting = link.with_name(link.name + LINK_SUFFIX)
    remove_link(waiting)
    make_link(waiting, folder, final=link)
    try:
        if not is_windows():
            waiting.replace(link)
        elif exists(link):
            step_aside(link, waiting)
        else:
            rename(waiting, link)
    except OSError:
        remove_link(waiting)
        raise
    sync_folder(link.parent)


def step_aside(path: Path, replacement: Path) -> Path:
    """Two renames in place of an exchange: ``path`` to its ``OLD_SUFFIX`` name, then ``replacement`` to ``path``.

    Returns the name under which the old one waits, if it is no link (a link is removed). Raises OSError after having
    put back what was there.
    """
    aside = path.with_name(path.name + OLD_SUFFIX)
    remove_link(aside)
    rename(path, aside)
    try:
        rename(replacement, path)
    except OSError:
        rename(aside, path)
        raise
    if is_link(aside):
        # The new one stands; a link that stays behind is the recovery's to sweep.
        with contextlib.suppress(OSError):
            remove_link(aside)
    return aside


# --- exchange ---------------------------------------------------------------------------------------------------------


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step, whatever they are. False where kernel or file system cannot.

    Linux: renameat2(2) with RENAME_EXCHANGE; macOS: renamex_np(2) with RENAME_SWAP; Windows has no such call. Raises
    OSError when it can but must not (EXDEV, EACCES, EBUSY, ENOENT); then nothing has changed.
    """
    if system().startswith("linux"):
        call = _linux_exchange
    elif system() == "darwin":
        call = _macos_exchange
    else:
        return False
    code = call(os.fsencode(first), os.fsencode(second))
    if code == 0:
        sync_folder(first.parent)
        sync_folder(second.parent)
        return True
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(first), None, str(second))


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _linux_exchange(first: bytes, second: bytes) -> int:
    libc = _libc()
    if hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE))
    else:
        # musl had no wrapper for years: Alpine images go through the system call by number.
        number = _SYS_RENAMEAT2.get(_machine.machine())
        if number is None:
            return errno.ENOSYS
        failed = libc.syscall(
            ctypes.c_long(number), _AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE)
        )
    return ctypes.get_errno() if failed else 0


def _macos_exchange(first: bytes, second: bytes) -> int:
    libc = _libc()
    if not hasattr(libc, "renamex_np"):
        return errno.ENOSYS
    return ctypes.get_errno() if libc.renamex_np(first, second, ctypes.c_uint(_RENAME_SWAP)) else 0


def identity(path: Path) -> tuple[int, int]:
    """Device and inode (on Windows volume and file id) of ``path`` itself: they survive a rename. Raises OSError."""
    status = os.lstat(path)
    return status.st_dev, status.st_ino


# --- sizes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Bytes of a set of folders. ``apparent``: each file of it once; ``unique``: what deleting the set would free,
    that is the files none of whose hard links lie outside (a package that uv's cache shares is not among them)."""

    apparent: int
    unique: int


def disk_usage(folders: Iterable[Path]) -> Usage:
    """Sizes of all files under ``folders`` together, links not followed. What vanishes meanwhile counts nothing."""
    seen: dict[tuple[int, int], list[int]] = {}
    pending = [folder for folder in folders if is_folder(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not (is_windows() and is_link(Path(entry.path))):
                            pending.append(Path(entry.path))
                        continue
                    # On Windows DirEntry.stat() knows neither the inode nor the number of links.
                    status = os.lstat(entry.path) if is_windows() else entry.stat(follow_symlinks=False)
                    count = seen.setdefault((status.st_dev, status.st_ino), [status.st_size, status.st_nlink, 0])
                    count[2] += 1
        except OSError:
            continue
    return Usage(
        apparent=sum(size for size, _, _ in seen.values()),
        unique=sum(size for size, links, found in seen.values() if found >= links),
    )


def is_read_only(folder: Path) -> bool:
    """Whether the file system of a folder takes no changes at all. On Windows that is not known: False."""
    with contextlib.suppress(OSError, AttributeError):
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    return False


def free_bytes(path: Path) -> int:
    """Free bytes for this user on the file system that holds ``path`` or its nearest existing parent."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


# --- durability -------------------------------------------------------------------------------------------------------


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; where a folder cannot be synced (Windows, some network mounts), nothing."""
    if is_windows():
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# --- environments and processes ---------------------------------------------------------------------------------------


def scripts_folder(environment: Path) -> Path:
    """Where an environment keeps its programs: ``bin``, or ``Scripts`` on Windows."""
    return environment / ("Scripts" if is_windows() else "bin")


def interpreter(environment: Path) -> Path:
    """The interpreter of an environment, whether it is there or not."""
    return scripts_folder(environment) / ("python.exe" if is_windows() else "python")


def spelled(program: Path) -> str:
    """A program as a person calls it here: by its name where the PATH has one of it, else by its path."""
    if shutil.which(program.stem):
        return program.stem
    here = Path.cwd()
    return str(program.relative_to(here)) if program.is_relative_to(here) else str(program)


def has_interpreter(environment: Path) -> bool:
    """Whether this user can reach the interpreter of an environment (Path.exists would raise on a closed folder)."""
    return os.path.exists(interpreter(environment))  # noqa: PTH110


def become(program: Path, args: Sequence[str], env: Mapping[str, str]) -> int:
    """Run ``program`` in our place (POSIX: exec, never returns), or beside us (Windows) and return its exit status.

    Windows has an exec that gives the terminal back before the new program ends, which no caller can wait for.
    Raises OSError when it cannot start.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if not is_windows():
        os.execve(program, list(args), dict(env))  # noqa: S606 - the user's own command, no shell
    return subprocess.run([os.fspath(program), *args[1:]], env=dict(env), check=False).returncode


def make_writable(folder: Path, change: Callable[[Path, int], None] = Path.chmod) -> None:
    """Give the owner every right on the folders below ``folder``, so that it can be deleted.

    POSIX needs that of folders only, and a file must not be touched: its inode is shared with uv's cache. Windows
    refuses to delete a read-only file, so there files are made writable too.
    """
    for top, _, names in os.walk(folder):
        with contextlib.suppress(OSError):
            change(Path(top), stat.S_IRWXU)
        if is_windows():
            for name in names:
                with contextlib.suppress(OSError):
                    change(Path(top, name), stat.S_IWRITE)
