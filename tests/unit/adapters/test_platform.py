"""The platform branches: Linux for real, macOS and Windows with their system call injected."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from envtool.adapters import platform

posix = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")


class Libc:
    """A C library whose calls are recorded; ``code`` is the errno that they fail with, 0 for success."""

    def __init__(self, names: tuple[str, ...], code: int = 0) -> None:
        self.calls: list[tuple[object, ...]] = []
        for name in names:
            setattr(self, name, self._call(name, code))

    def _call(self, name: str, code: int) -> object:
        def call(*args: object) -> int:
            plain = tuple(arg.value if isinstance(arg, (ctypes.c_uint, ctypes.c_long)) else arg for arg in args)
            self.calls.append((name, *plain))
            ctypes.set_errno(code)
            return -1 if code else 0

        return call


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_linux_exchanges_a_folder_and_a_link_in_one_step(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x", encoding="utf-8")
    (tmp_path / "link").symlink_to("elsewhere")
    assert platform.exchange(tmp_path / "folder", tmp_path / "link") is True
    assert (tmp_path / "folder").readlink() == Path("elsewhere")
    assert (tmp_path / "link" / "file").read_text(encoding="utf-8") == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_an_exchange_with_nothing_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError):
        platform.exchange(tmp_path / "folder", tmp_path / "nothing")
    assert (tmp_path / "folder").is_dir()


@posix
def test_macos_swaps_by_renamex_np(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    libc = Libc(("renamex_np",))
    monkeypatch.setattr(platform, "system", lambda: "darwin")
    monkeypatch.setattr(platform, "_libc", lambda: libc)
    assert platform.exchange(tmp_path / "a", tmp_path / "b") is True
    assert libc.calls == [("renamex_np", os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b"), 2)]


@posix
def test_musl_without_the_wrapper_goes_by_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    libc = Libc(("syscall",))
    monkeypatch.setattr(platform, "system", lambda: "linux")
    monkeypatch.setattr(platform, "_libc", lambda: libc)
    monkeypatch.setattr(platform, "_machine", SimpleNamespace(machine=lambda: "aarch64"))
    assert platform.exchange(tmp_path / "a", tmp_path / "b") is True
    first, second = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    assert libc.calls == [("syscall", 276, -100, first, -100, second, 2)]
    monkeypatch.setattr(platform, "_machine", SimpleNamespace(machine=lambda: "m68k"))
    assert platform.exchange(tmp_path / "a", tmp_path / "b") is False


@posix
@pytest.mark.parametrize(("system", "call"), [("linux", "renameat2"), ("darwin", "renamex_np")])
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.ENOTSUP])
def test_what_cannot_exchange_says_no(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, call: str, code: int
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "_libc", lambda: Libc((call,), code))
    assert platform.exchange(tmp_path / "a", tmp_path / "b") is False


@posix
@pytest.mark.parametrize("code", [errno.EXDEV, errno.EACCES, errno.EBUSY])
def test_what_may_not_exchange_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int) -> None:
    monkeypatch.setattr(platform, "system", lambda: "linux")
    monkeypatch.setattr(platform, "_libc", lambda: Libc(("renameat2",), code))
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        platform.exchange(tmp_path / "a", tmp_path / "b")
    assert caught.value.errno == code


def test_windows_has_no_exchange(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "system", lambda: "win32")
    assert platform.exchange(tmp_path / "a", tmp_path / "b") is False


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Windows as far as it goes here: junctions are absolute symlinks, and what was created is recorded."""
    created: list[tuple[str, str]] = []

    def create(source: str, destination: str) -> None:
        created.append((source, destination))
        Path(destination).symlink_to(source)

    monkeypatch.setattr(platform, "is_windows", lambda: True)
    monkeypatch.setattr(
        platform, "importlib", SimpleNamespace(import_module=lambda name: SimpleNamespace(CreateJunction=create))
    )
    return created


@posix
def test_windows_makes_junctions_and_steps_aside(windows: list[tuple[str, str]], tmp_path: Path) -> None:
    link = tmp_path / ".venv"
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        platform.point(link, tmp_path / number)
        assert platform.read_link(link) == tmp_path / number
    waiting = str(tmp_path / ".venv.envtool-link")
    assert windows == [(str(tmp_path / "1"), waiting), (str(tmp_path / "2"), waiting)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".venv", "1", "2"]


@posix
def test_windows_puts_the_old_junction_back_when_the_new_one_is_refused(
    windows: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / ".venv"
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
    platform.point(link, tmp_path / "1")
    real = platform.rename

    def refuse(source: Path, destination: Path) -> None:
        if source.name.endswith(platform.LINK_SUFFIX):
            raise PermissionError(errno.EACCES, "in use")
        real(source, destination)

    monkeypatch.setattr(platform, "rename", refuse)
    with pytest.raises(PermissionError):
        platform.point(link, tmp_path / "2")
    assert platform.read_link(link) == tmp_path / "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".venv", "1", "2"]


def test_a_junction_is_a_link_and_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = SimpleNamespace(st_mode=0o040755, st_reparse_tag=0xA0000003)
    monkeypatch.setattr(platform, "os", SimpleNamespace(lstat=lambda path: status))
    assert platform.is_link(tmp_path)
    assert not platform.is_folder(tmp_path)


def test_the_prefix_of_a_junction_is_dropped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def read(path: Path) -> str:
        return "\\\\?\\" + str(tmp_path / "1")

    monkeypatch.setattr(platform.os, "readlink", read)
    assert platform.read_link(tmp_path / ".venv") == tmp_path / "1"


@posix
def test_a_rename_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("dangling")
    with pytest.raises(FileExistsError):
        platform.rename(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").is_symlink()


# --- sizes ------------------------------------------------------------------------------------------------------------


@posix
def test_unique_counts_what_deleting_would_free(tmp_path: Path) -> None:
    one, two, cache = (tmp_path / name for name in ("one", "two", "cache"))
    for folder in (one, two, cache):
        folder.mkdir()
    (one / "alone").write_bytes(b"x" * 100)
    (one / "twice").write_bytes(b"x" * 20)
    (one / "again").hardlink_to(one / "twice")
    (one / "shared").write_bytes(b"x" * 3000)
    (two / "shared").hardlink_to(one / "shared")
    (one / "cached").write_bytes(b"x" * 50_000)
    (cache / "cached").hardlink_to(one / "cached")
    (two / "outside").symlink_to(cache, target_is_directory=True)
    link = len(os.fsencode(cache))
    assert platform.disk_usage([one]) == platform.Usage(apparent=53_120, unique=120)
    assert platform.disk_usage([two]) == platform.Usage(apparent=3000 + link, unique=link)
    assert platform.disk_usage([one, two]) == platform.Usage(apparent=53_120 + link, unique=3120 + link)
    assert platform.disk_usage([tmp_path / "nothing"]) == platform.Usage(apparent=0, unique=0)


def test_free_bytes_looks_at_the_nearest_parent_that_is_there(tmp_path: Path) -> None:
    assert platform.free_bytes(tmp_path / "not" / "yet") > 0


# --- processes --------------------------------------------------------------------------------------------------------


def test_windows_waits_for_the_child_and_gives_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "is_windows", lambda: True)
    program = Path(sys.executable)
    assert platform.become(program, ["python", "-c", "raise SystemExit(7)"], dict(os.environ)) == 7


@posix
def test_a_process_runs_until_it_ends() -> None:
    assert platform.is_running(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert not platform.is_running(child.pid)


@pytest.mark.parametrize("handle", [0, 7])
def test_windows_opens_a_process_and_never_signals_it(monkeypatch: pytest.MonkeyPatch, handle: int) -> None:
    calls: list[tuple[object, ...]] = []

    def open_process(*args: object) -> int:
        calls.append(args)
        return handle

    kernel = SimpleNamespace(OpenProcess=open_process, CloseHandle=lambda given: calls.append((given,)))
    monkeypatch.setattr(platform, "is_windows", lambda: True)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail("os.kill ends a process on Windows"))
    assert platform.is_running(123) is bool(handle)
    assert calls == [(0x00100000, False, 123), *([(handle,)] if handle else [])]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say so")
def test_a_file_system_that_takes_no_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert platform.is_read_only(tmp_path) is False
    assert platform.is_read_only(tmp_path / "not there") is False
    found = os.statvfs(tmp_path)
    flags = SimpleNamespace(f_flag=found.f_flag | os.ST_RDONLY)
    monkeypatch.setattr(os, "statvfs", lambda folder: flags)
    assert platform.is_read_only(tmp_path) is True
