from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from envtool.adapters.text_files import replace_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_the_encoding_stays(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "r.txt"
    file.write_bytes("é = 1\r\n".encode(encoding))
    assert replace_text(file, "é = 1\r\n", "é = 2\r\n", encoding) == ""
    assert file.read_bytes() == "é = 2\r\n".encode(encoding)
    assert [path.name for path in tmp_path.iterdir()] == ["r.txt"]


def test_the_byte_order_stays(tmp_path: Path) -> None:
    file = tmp_path / "r.txt"
    file.write_bytes(b"\xfe\xff" + "a".encode("utf-16-be"))
    assert replace_text(file, "a", "b", "utf-16") == ""
    assert file.read_bytes() == b"\xfe\xff" + "b".encode("utf-16-be")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_mode_stays(tmp_path: Path) -> None:
    file = tmp_path / "a.sh"
    file.write_text("a", encoding="utf-8")
    file.chmod(0o750)
    assert replace_text(file, "a", "b", "utf-8") == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o750


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "r.txt"
    file.write_text("new", encoding="utf-8")
    assert replace_text(file, "old", "x", "utf-8") == "it changed while envtool ran"
    assert file.read_text(encoding="utf-8") == "new"


def test_a_text_that_does_not_fit_the_encoding_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "r.txt"
    file.write_bytes(b"a")
    assert replace_text(file, "a", "→", "latin-1") == "its text does not fit latin-1"
    assert file.read_bytes() == b"a"


def test_a_file_that_is_gone_is_a_reason_and_not_an_error(tmp_path: Path) -> None:
    assert replace_text(tmp_path / "gone", "a", "b", "utf-8").startswith("cannot be written: ")
