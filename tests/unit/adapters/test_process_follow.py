"""Programs that take minutes: every line is passed on, and nothing is left running."""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

import pytest

from envtool.adapters.process import clean_environment, follow, run
from envtool.errors import EnvtoolError

posix = pytest.mark.skipif(os.name == "nt", reason="needs process groups")


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


@posix
@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("listened", [True, False])
def test_what_it_started_is_ended_with_it(tmp_path: Path, listened: bool, heeds: bool) -> None:
    ignore = "" if heeds else "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    started = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"{ignore}import subprocess, sys\nsubprocess.run([sys.executable, '-c', {started!r}])"
    command = [sys.executable, "-c", code]
    listen = functools.partial(follow, command, print, env=clean_environment())
    with pytest.raises(EnvtoolError, match="did not end within 2 s"):
        (listen if listened else functools.partial(run, command))(cwd=tmp_path, timeout=2)
    _gone(int((tmp_path / "pid").read_text(encoding="ascii")))


def _gone(process: int) -> None:
    """It was no child of ours, so whoever adopts it may take a moment to bury it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.02)
    pytest.fail(f"process {process} lives on")


@posix
def test_what_draws_on_the_terminal_stays_in_its_foreground() -> None:
    command = [sys.executable, "-c", "import os; print(os.getpgid(0), os.getsid(0))"]
    ours = f"{os.getpgid(0)} {os.getsid(0)}"
    assert run(command, show_stderr=True).stdout.strip() == ours
    apart = run(command).stdout.split()
    assert apart[0] == apart[1]
    assert apart[1] != str(os.getsid(0))


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvtoolError) as caught:
        follow([tmp_path / "nothing"], print, env={}, cwd=tmp_path)
    assert caught.value.code == "process.missing"
