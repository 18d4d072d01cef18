"""``envtool migrate`` that is killed or gets Ctrl-C: undone, resumed, begun anew."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from moving import MIGRATION, MovingPlace, check_moved
from picture import picture
from small_wheels import Indexes

ALL_PASS = ["pass"] * 7


@pytest.fixture
def moving(tmp_path: Path, surroundings: dict[str, str], indexes: Indexes) -> MovingPlace:
    found = MovingPlace(tmp_path / "project", surroundings)
    found.fill(indexes)
    return found


def until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"{words!r} never came")


@pytest.mark.parametrize("words", ["gate 3/7", "gate 4/7", "activate  generation", "gate 6/7", "gate 7/7"])
def test_killed_then_undone(moving: MovingPlace, words: str) -> None:
    before = picture(moving.root)
    process = moving.start(*MIGRATION)
    until(process, words)
    process.kill()
    process.communicate()
    journal = moving.root / ".envtool/migration/journal.json"
    assert journal.exists(), "it was killed in the middle"
    refused = moving.call("rollback", "--json")
    assert (refused.code, refused.error["code"]) == (9, "migrate.unfinished"), refused.out
    assert moving.status()["unfinished_migration"] is True
    undone = moving.call("migrate", "--undo", "--json")
    assert (undone.code, undone.result["state"], undone.result["left"]) == (0, "undone", [])
    assert picture(moving.root) == before
    assert not journal.exists()
    assert moving.call("verify", "--backend", "full", "--static").code == 0


@pytest.mark.parametrize("gate", ["gate 2/7", "gate 5/7", "gate 7/7"])
def test_killed_then_resumed(moving: MovingPlace, gate: str) -> None:
    process = moving.start(*MIGRATION)
    until(process, gate)
    process.kill()
    process.communicate()
    passed = int(gate[5]) - 1
    before = picture(moving.root)
    planned = moving.call("migrate", "--resume", "--dry-run", "--json")
    assert moving.statuses(planned.result)[:passed] == ["pass"] * passed, planned.out
    assert (planned.code, planned.result["state"], moving.statuses(planned.result)[-1]) == (0, "dry-run", "todo")
    assert picture(moving.root) == before
    done = moving.call("migrate", "--resume", "--json")
    assert (done.code, moving.statuses(done.result)) == (0, ALL_PASS), done.out
    check_moved(moving)


def test_killed_then_resumed_with_other_options_begins_anew(moving: MovingPlace) -> None:
    process = moving.start(*MIGRATION)
    until(process, "gate 5/7")
    process.kill()
    process.communicate()
    done = moving.call("migrate", "--resume", "--skip", "bundle", "--check", "python check.py", "--json")
    assert moving.statuses(done.result) == [*["pass"] * 5, "skip", "pass"], done.out
    assert "2 checks of the project passed" in moving.row(done.result, "setup")["evidence"]
    assert (moving.root / "dist/app/app").read_text(encoding="utf-8") == "the old app"


def test_killed_then_begun_anew(moving: MovingPlace) -> None:
    moving.write("fake-bundle", "wait")
    process = moving.start(*MIGRATION)
    until(process, "gate 6/7")
    process.kill()
    process.communicate()
    moving.write("fake-bundle", "fail")
    done = moving.call(*MIGRATION)
    assert done.code == 7
    assert "note  an interrupted migration was undone first" in done.err
    assert moving.call("verify", "--backend", "full", "--static").code == 0
    assert not moving.venv.is_symlink()


@pytest.mark.parametrize(
    ("number", "group", "word", "status"),
    [
        pytest.param(signal.SIGINT, False, "interrupted", 130, id="ctrl-c-envtool"),
        pytest.param(signal.SIGINT, True, "interrupted", 130, id="ctrl-c-group"),
        pytest.param(signal.SIGTERM, False, "terminated", 143, id="sigterm"),
    ],
)
def test_ctrl_c_and_sigterm(moving: MovingPlace, number: int, group: bool, word: str, status: int) -> None:
    moving.write("check.py", "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(60)\n")
    before = picture(moving.root)
    # A program of its own group, as a shell starts it: Ctrl-C reaches envtool and its children.
    command = moving.start(*MIGRATION, "--json", new_group=True)
    deadline = time.monotonic() + 60
    while not (moving.root / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if group:
        os.killpg(command.pid, number)
    else:
        command.send_signal(number)
    out, _ = command.communicate(timeout=60)
    (moving.root / "started").unlink()
    answer = json.loads(out)
    assert (command.returncode, answer["error"]["code"], answer["result"]["state"]) == (
        status,
        word,
        "interrupted",
    )
    assert answer["error"]["message"] == f"gate setup: {word}; all is as it was"
    assert picture(moving.root) == before
    moving.write("check.py", "import leaf\n")
    assert moving.call("migrate", "--resume").code == 0
    check_moved(moving)
