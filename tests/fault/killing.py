"""A child that is killed, or meets a full disk, just before its k-th change to the file system.

The child is a fork with an audit hook (PEP 578): the interpreter itself announces each rename, removal, mkdir, symlink
and open-for-writing, so no step can be forgotten here. Killed before step k means killed after step k-1.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from envtool.adapters import platform
from envtool.env.generations import write_record
from envtool.errors import EnvtoolError
from envtool.models import Generation, Layout

DONE, SURVIVED, REFUSED, KILLED, BROKEN = "done", "done in spite of the fault", "refused", "killed", "broken"
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "open", "ctypes.dlsym"}
_CREATES = {"os.mkdir", "os.symlink", "open"}


def record(number: int, backend: str = "cpu", kind: str = "built") -> Generation:
    return Generation(
        id=number,
        backend=backend,
        torch="2.13.0",
        python="3.11.7",
        created="2026-11-23T08:00:00Z",
        kind=kind,  # type: ignore[arg-type]
        healthy=True,
    )


def make_environment(folder: Path, name: str) -> None:
    """A tiny environment with an interpreter that is there and a file that says which one it is."""
    bin_ = platform.scripts_folder(folder)
    bin_.mkdir(parents=True)
    platform.interpreter(folder).symlink_to(sys.executable)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    (folder / "lib").mkdir()
    (folder / "lib" / "name.txt").write_text(name, encoding="utf-8")


def name_of(folder: Path) -> str | None:
    """Which environment stands there, whole; None for none."""
    if not (platform.interpreter(folder).exists() and (folder / "pyvenv.cfg").exists()):
        return None
    try:
        return (folder / "lib" / "name.txt").read_text(encoding="utf-8")
    except OSError:
        return None


def add_generation(layout: Layout, number: int, backend: str = "cpu", kind: str = "built") -> Generation:
    one = record(number, backend, kind)
    make_environment(layout.generation(number), f"generation {number}")
    write_record(layout, one)
    return one


def _relevant(event: str, args: tuple[object, ...], root: str) -> bool:
    if event not in _CHANGES:
        return False
    if event == "ctypes.dlsym":
        return args[1] == "renameat2"
    if event == "open":
        flags = args[2]
        if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return False
    paths = [os.fsdecode(arg) for arg in args if isinstance(arg, (str, bytes))]
    # shutil.rmtree works with names relative to an open folder: those count too.
    return any(path.startswith(root) or not Path(path).is_absolute() for path in paths)


def in_child(
    action: Callable[[], object], root: Path, *, at: int | None, fault: str = "kill", exchange: bool = True
) -> str:
    """Run ``action`` in a forked child and let the fault strike before its ``at``-th change below ``root``.

    ``fault``: ``kill`` (SIGKILL); ``once`` (that one change says ENOSPC); ``full`` (from there on whatever creates
    something says ENOSPC). Returns how the child ended; BROKEN: by an error that is not envtool's own.
    """
    child = os.fork()
    if child == 0:
        status = 3
        try:
            if not exchange:
                platform.exchange = lambda first, second: False  # type: ignore[assignment]
            struck = _arm(str(root), at, fault)
            action()
            status = 5 if struck else 0
        except EnvtoolError:
            status = 4
        except BaseException as error:
            with contextlib.suppress(BaseException):
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        assert os.WTERMSIG(ended) == signal.SIGKILL
        return KILLED
    return {0: DONE, 4: REFUSED, 5: SURVIVED}.get(os.WEXITSTATUS(ended), BROKEN)


def _arm(root: str, at: int | None, fault: str) -> list[str]:
    seen = -1
    struck: list[str] = []

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal seen
        if at is None or not _relevant(event, args, root):
            return
        seen += 1
        if fault == "kill" and seen == at:
            os.kill(os.getpid(), signal.SIGKILL)
        if (fault == "once" and seen == at) or (fault == "full" and seen >= at and event in _CREATES):
            struck.append(event)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)
    return struck


def assert_tidy(layout: Layout) -> None:
    """No rest of an interrupted run: every folder has its record, every record its folder, nothing else lies about."""
    beside = {path.name for path in layout.root.iterdir()}
    assert beside <= {".venv", ".envtool", "app.py"}, beside
    inside = {path.name for path in layout.state.iterdir()}
    assert inside <= {".gitignore", "flip.json", "generations", "lock", "lock.pid", "state.json"}, inside
    names = {path.name for path in layout.generations.iterdir()}
    folders = {name for name in names if platform.is_folder(layout.generations / name)}
    assert names == folders | {f"{name}.json" for name in folders}
