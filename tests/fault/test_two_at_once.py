"""Two envtools at once, and one that dies with the lock in its hand."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killing import add_generation, assert_tidy, make_environment, name_of, record

import envtool
from envtool.env.generations import activate, exclusive, list_generations, next_id, recover, write_record
from envtool.errors import BusyError
from envtool.models import Layout

_WRITER = """
import pathlib, sys, time
end = time.monotonic() + 0.3
number = 0
while time.monotonic() < end:
    number += 1
    try:
        pathlib.Path(sys.argv[1], str(number)).write_text("x")
    except OSError:
        pass
"""


def _envtool(layout: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(envtool.__file__).parents[1])}
    command = [sys.executable, "-m", "envtool", *words]
    return subprocess.run(command, cwd=layout.root, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_second_is_told_who_the_first_is(layout: Layout) -> None:
    with exclusive(layout):
        done = _envtool(layout, "prune", "--json")
    assert done.returncode == 9
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "busy"
    assert error["message"] == f"another envtool (process {os.getpid()}) is working in {layout.root}"
    assert _envtool(layout, "prune").returncode == 0


def test_waiting_ends_when_the_first_ends(layout: Layout) -> None:
    child = os.fork()
    if child == 0:
        with exclusive(layout):
            (layout.root / "app.py").write_text("", encoding="utf-8")
            time.sleep(0.4)
        os._exit(0)
    while not (layout.root / "app.py").exists():
        time.sleep(0.01)
    with pytest.raises(BusyError), exclusive(layout):
        pass
    with exclusive(layout, wait=30):
        pass
    os.waitpid(child, 0)


def test_the_lock_dies_with_its_holder(layout: Layout) -> None:
    make_environment(layout.venv, "own")
    child = os.fork()
    if child == 0:
        with exclusive(layout):
            number = next_id(layout)
            make_environment(layout.generation(number), "half done")
            (layout.root / "app.py").write_text("", encoding="utf-8")
            time.sleep(60)
        os._exit(0)
    while not (layout.root / "app.py").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with exclusive(layout):
        assert recover(layout) == ("removed generation 1, which was never finished",)
        assert next_id(layout) == 2, "a child of the killed one may still write into 1"
    assert name_of(layout.venv) == "own"
    assert_tidy(layout)


def test_many_at_once_each_get_a_generation_of_their_own(layout: Layout) -> None:
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with exclusive(layout, wait=60):
                    recover(layout)
                    activate(layout, add_generation(layout, next_id(layout)))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert [one.id for one in list_generations(layout)] == [1, 2, 3, 4, 5, 6]
    assert name_of(layout.venv) == "generation 6"
    assert_tidy(layout)


def test_a_child_that_outlives_its_envtool_does_not_hinder_the_sweep(layout: Layout, tmp_path: Path) -> None:
    """uv may write on for a moment after envtool was killed; its folder goes all the same."""
    with exclusive(layout):
        make_environment(layout.generation(1), "half done")
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(layout.generation(1) / "lib")])
        time.sleep(0.1)
        recover(layout)
        writer.wait()
        recover(layout)
        assert next_id(layout) == 2
    assert_tidy(layout)
    one = record(2)
    make_environment(layout.generation(2), "new")
    write_record(layout, one)
    activate(layout, one)
    assert name_of(layout.venv) == "new"


def test_what_fails_takes_its_folder_away_again(layout: Layout) -> None:
    """And only then: one that was there, or that holds something, stays."""
    shutil.rmtree(layout.state, ignore_errors=True)
    for words, status in ((("rollback",), 8), (("setup", "--cpu", "--frozen"), 5)):
        assert _envtool(layout, *words).returncode == status
        assert [path.name for path in layout.root.iterdir()] == []
    with contextlib.suppress(KeyboardInterrupt), exclusive(layout):
        make_environment(layout.generation(1), "half done")
        raise KeyboardInterrupt
    assert sorted(path.name for path in layout.state.iterdir()) == [".gitignore", "generations", "lock"]
    assert _envtool(layout, "rollback").returncode == 8
    assert sorted(path.name for path in layout.state.iterdir()) == [".gitignore", "generations", "lock", "state.json"]


def test_one_at_a_time_while_folders_come_and_go(layout: Layout) -> None:
    """Who waits for a lock that is taken away with its folder gets another one, and is alone with it."""
    shutil.rmtree(layout.state, ignore_errors=True)
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(30):
                    try:
                        with exclusive(layout, wait=60):
                            assert layout.generations.is_dir()
                            mark = os.open(layout.root / "alone", os.O_CREAT | os.O_EXCL)
                            time.sleep(0.001 * number)
                            os.close(mark)
                            (layout.root / "alone").unlink()
                            raise ValueError("it fails")
                    except ValueError:
                        pass
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert not (layout.root / "alone").exists()
