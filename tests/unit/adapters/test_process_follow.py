"""Programs that take minutes: every line is passed on, and nothing is left running."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from envtool.adapters.process import clean_environment, follow
from envtool.errors import EnvtoolError


def call(code: str, folder: Path, heard: list[str], timeout: float | None = None) -> tuple[int, str, str]:
    command = [sys.executable, "-c", code]
    done = follow(command, heard.append, env=clean_environment(), cwd=folder, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


def test_lines_are_passed_on_and_kept(tmp_path: Path) -> None:
    heard: list[str] = []
    code = "import sys, os; print('out', os.getcwd()); sys.stderr.write('err\\nno end'); sys.exit(3)"
    assert call(code, tmp_path, heard) == (3, f"out {tmp_path.resolve()}\n", "err\nno end")
    assert sorted(heard) == ["err", "no end", f"out {tmp_path.resolve()}"]


def test_a_line_is_heard_while_the_program_runs(tmp_path: Path) -> None:
    heard: list[str] = []
    # It ends only when what it said has been heard.
    code = "import os, time; print('now', flush=True)\nwhile not os.path.exists('heard'): time.sleep(0.01)"
    command = [sys.executable, "-c", code]

    def listen(line: str) -> None:
        heard.append(line)
        (tmp_path / "heard").touch()

    assert follow(command, listen, env=clean_environment(), cwd=tmp_path, timeout=30).returncode == 0
    assert heard == ["now"]


def test_bytes_that_are_no_text_and_much_of_both(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(b'\\xff\\n' * 100000); sys.stderr.write('x\\n' * 100000)"
    status, out, err = call(code, tmp_path, [])
    assert (status, out, err) == (0, "\ufffd\n" * 100000, "x\n" * 100000)


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(EnvtoolError) as caught:
        call(code, tmp_path, [], timeout=2)
    assert (caught.value.code, "did not end within 2 s" in caught.value.message) == ("process.timeout", True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text(encoding="ascii")), 0)


def test_one_that_leaves_another_behind_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envtool.adapters.process._LAST_WORDS", 0.1)
    code = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)']); print('said')"
    )
    start = time.monotonic()
    assert call(code, tmp_path, [])[:2] == (0, "said\n")
    assert time.monotonic() - start < 15


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvtoolError) as caught:
        follow([tmp_path / "nothing"], print, env={}, cwd=tmp_path)
    assert caught.value.code == "process.missing"
