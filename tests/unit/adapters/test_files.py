from __future__ import annotations

import errno
import os
import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from envtool.adapters import files, platform


def test_text_is_written_with_line_feeds(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "één\ntwo\n")
    assert (tmp_path / "a.txt").read_bytes() == "één\ntwo\n".encode()


def test_a_failed_write_leaves_the_old_content_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_text(path, "new")
    assert [(one.name, one.read_text(encoding="utf-8")) for one in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x", encoding="utf-8")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "inside").symlink_to(tmp_path / "kept", target_is_directory=True)
    (tmp_path / "link").symlink_to(tmp_path / "kept", target_is_directory=True)
    files.remove_tree(tmp_path / "link")
    files.remove_tree(tmp_path / "tree")
    files.remove_tree(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_a_tree_that_refuses_is_made_writable_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "file").write_text("x", encoding="utf-8")
    (tree / "inner").chmod(0o500)
    real = shutil.rmtree

    def remove(path: Path) -> None:
        # What the system says to anybody but root.
        if not (tree / "inner").stat().st_mode & 0o200:
            raise PermissionError(errno.EACCES, "read-only")
        real(path)

    monkeypatch.setattr(shutil, "rmtree", remove)
    files.remove_tree(tree)
    assert not tree.exists()


def test_a_tree_that_keeps_refusing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EPERM, "immutable", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(PermissionError):
        files.remove_tree(tmp_path / "tree")


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_files_keep_their_mode_since_the_cache_shares_their_inode(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x", encoding="utf-8")
    (tmp_path / "tree" / "file").chmod(0o444)
    platform.make_writable(tmp_path / "tree")
    assert (tmp_path / "tree" / "file").stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    waiting = tmp_path / f".a.{os.getpid()}{files.TEMPORARY_SUFFIX}"
    waiting.symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        files.write_bytes(tmp_path / "a", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious"]
    assert (tmp_path / "precious").read_bytes() == b"mine"
    files.write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What ``urllib.request.url2pathname`` is on Windows."""
    if sys.version_info < (3, 14):
        import nturl2path

        return nturl2path.url2pathname

    def convert(url: str) -> str:
        # From 3.14 on it asks os.name when it is called; nturl2path is deprecated.
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", "nt")
            return urllib.request.url2pathname(url)

    return convert


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///C:/My%20wheels/a%2Bcpu.whl", "C:\\My wheels\\a+cpu.whl"),
        ("file://localhost/C:/wheels", "C:\\wheels"),
        ("file:///D:/wheels#sha256=0", "D:\\wheels"),
        ("file://server/share/a%20b", "\\\\server\\share\\a b"),
    ],
)
def test_a_file_url_on_windows(url: str, path: str, windows: Callable[[str], str]) -> None:
    assert files._local_path(url, windows=True, convert=windows) == path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///my%20wheels/a%2Bcpu.whl", "/my wheels/a+cpu.whl"),
        ("file://localhost/wheels#sha256=0", "/wheels"),
        ("file:////wheels", "/wheels"),
        ("file:///caf%C3%A9", "/café"),
    ],
)
def test_a_file_url_elsewhere(url: str, path: str) -> None:
    assert files._local_path(url, windows=False, convert=None if os.name != "nt" else unquote) == path


def test_a_file_url_of_this_system(tmp_path: Path) -> None:
    path = tmp_path / "a b" / "torch-2.13.0+cpu.whl"
    assert files.path_of_url(path.as_uri()) == path


@pytest.mark.skipif(sys.platform == "win32", reason="the bits of a folder mean nothing there")
def test_who_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: bool(asked.append((path, mode))))
    assert not files.may_write(tmp_path)
    assert not files.may_write(tmp_path / "new")
    assert asked == [(tmp_path, os.W_OK | os.X_OK)] * 2
