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


def test_ctrl_c_before_anything_began(place: Place, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'envtool.cli.app': raise KeyboardInterrupt\n"
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
