"""Ctrl-C, kill -9, and a second envtool: ``.venv`` works as before, and the next command cleans up."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from place import Place, tree

CHANGING = ("lockfiles", ".envtool/state.json", ".envtool/lock", ".envtool/lock.pid", "importing", "started")


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"no {path.name}"
        time.sleep(0.005)


def works(place: Place, leaf: str) -> None:
    code = "import leaf; print(leaf.__version__)"
    ran = subprocess.run([place.venv / "bin/python", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == leaf


def test_ctrl_c_during_the_probe(place: Place) -> None:
    place.done("--cpu")
    before = tree(place.root, *CHANGING)
    place.write("import-slowly", "")
    process = place.start("setup", "--full")
    wait_for(place.root / "importing", process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    (place.root / "import-slowly").unlink()
    assert process.returncode == 130
    assert "error[interrupted]: interrupted; the environment is as it was" in err
    assert "Traceback" not in err
    assert tree(place.root, *CHANGING) == before
    works(place, "2.0")


def test_ctrl_c_of_the_whole_group_during_the_install(place: Place) -> None:
    place.done("--cpu")
    place.write("requirements.txt", "torch\nleaf<2\n")
    assert place.call("lock").code == 0
    before = tree(place.root, *CHANGING)
    command = [sys.executable, "-m", "envtool", "setup", "--cpu", "--no-probe", "--json"]
    with subprocess.Popen(
        command, cwd=place.root, env=place.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(place.root / ".envtool/generations/2/pyvenv.cfg", process)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert '"code": "interrupted"' in out
    assert tree(place.root, *CHANGING) == before
    works(place, "2.0")


# The second is what a dataclass does while its module is imported: CPython keeps in mind that a KeyboardInterrupt left
# an exec, and would end itself with SIGINT at its exit, although we had caught it.
@pytest.mark.parametrize("statement", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_ctrl_c_before_anything_began(place: Place, tmp_path: Path, statement: str) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'envtool.cli.app': {statement}\n"
        "sys.meta_path.insert(0, Stop())\n"
    )
    done = place.setup("--cpu", PYTHONPATH=f"{hook}:{place.environment['PYTHONPATH']}")
    assert (done.code, done.out, done.err) == (130, "", "error[interrupted]: interrupted\n")


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment(place: Place, seed: int) -> None:
    place.done("--cpu")
    place.write("requirements.txt", "torch\nleaf<2\n")
    assert place.call("lock").code == 0
    process = place.start("setup", "--cpu", "--no-probe")
    time.sleep(0.3 + random.Random(seed).random() * 1.5)
    process.kill()
    process.communicate()
    works(place, "2.0" if place.venv.readlink().name == "1" else "1.0")
    done = place.done("--cpu")
    assert place.installed() == {"leaf": "1.0", "torch": "2.13.0+cpu"}, done.err
    works(place, "1.0")
    rows = place.status()["generations"]
    assert [row["healthy"] for row in rows] == [True, True]
    state = {path.name for path in (place.root / ".envtool/generations").iterdir()}
    numbers = {str(row["id"]) for row in rows}
    assert state == numbers | {f"{number}.json" for number in numbers}


def test_a_second_envtool(place: Place) -> None:
    place.done("--cpu")
    started = place.root / "started"
    code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    first = place.start("setup", "--no-probe", "--full", "--check", f'python -c "{code}"')
    wait_for(started, first)
    for words in (("setup", "--cpu", "--check", "true"), ("rollback",), ("prune",)):
        second = place.call(*words, "--json")
        assert (second.code, second.error["code"]) == (9, "busy")
        assert f"another envtool (process {first.pid})" in second.error["message"]
    assert place.call("status").code == 0
    assert place.call("setup", "--no-probe", "--cpu").out.startswith("already satisfied"), "which needs no lock"
    assert place.call("verify", "--static").code == 0
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    assert place.call("rollback", "--dry-run", "--json").code == 0


def test_sigterm_ends_what_it_started(place: Place, tmp_path: Path) -> None:
    place.done("--cpu")
    place.write("requirements.txt", "torch\nleaf<2\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = tree(place.root, *CHANGING)
    code = "import os, pathlib, time; pathlib.Path('started').write_text(str(os.getpid())); time.sleep(60)"
    process = place.start("setup", "--cpu", "--no-probe", "--check", f'python -c "{code}"', TMPDIR=str(temporary))
    wait_for(place.root / "started", process)
    time.sleep(0.2)
    child = int((place.root / "started").read_text())
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert err.splitlines()[-2:] == [
        "error[terminated]: terminated; the environment is as it was; lockfiles/ is new",
        "  hint: Run the same command again to go on.",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert tree(place.root, *CHANGING) == before
    assert not (place.root / ".envtool/lock.pid").exists()
    assert list(temporary.iterdir()) == []
    works(place, "2.0")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)], ids=str
)
def test_what_a_check_started_is_ended_too(place: Place, number: signal.Signals, status: int) -> None:
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("who started the tests ignores it (nohup), and so does envtool")
    place.done("--cpu")
    process = place.start(
        "setup", "--full", "--no-probe", "--check", "sh -c 'sleep 4321 & echo $! >started; wait; true'"
    )
    wait_for(place.root / "started", process)
    time.sleep(0.2)
    child = int((place.root / "started").read_text())
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == status
    for _ in range(500):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("sleep lives on")
    works(place, "2.0")


def test_sigterm_during_the_install_ends_uv(place: Place, tmp_path: Path) -> None:
    place.done("--cpu")
    before = tree(place.root, *CHANGING)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = place.start("setup", "--full", "--no-probe", "--json", TMPDIR=str(temporary))
    wait_for(place.root / ".envtool/generations/2/pyvenv.cfg", process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, '"code": "terminated"' in out) == (143, True)
    assert tree(place.root, *CHANGING) == before
    assert list(temporary.iterdir()) == []


def test_sigterm_that_is_ignored_stays_ignored(place: Place) -> None:
    code = "import pathlib, time; pathlib.Path('started').touch(); time.sleep(0.5)"
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        process = place.start("setup", "--cpu", "--no-probe", "--check", f'python -c "{code}"')
    finally:
        signal.signal(signal.SIGTERM, before)
    wait_for(place.root / "started", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_progress_that_nobody_reads_does_not_end_the_work(place: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "envtool", "setup", "--cpu", "--no-probe"]
    done = subprocess.run(command, cwd=place.root, env=place.environment, stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}


def test_a_full_disk_under_stderr_is_told_by_the_exit_code(place: Place) -> None:
    command = [sys.executable, "-m", "envtool", "setup", "--cpu", "--no-probe"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, cwd=place.root, env=place.environment, stderr=full, check=False)
    assert done.returncode == 2


def test_a_check_that_fails_after_a_new_lock_tells_of_it(place: Place) -> None:
    failed = place.setup("--cpu", "--check", "false", "--json")
    assert (failed.code, failed.error["message"]) == (
        7,
        "check `false` failed with status 1; the environment is as it was; lockfiles/ is new",
    )
    failed = place.setup("--cpu", "--check", "false", "--json")
    assert failed.error["message"] == "check `false` failed with status 1; the environment is as it was"
