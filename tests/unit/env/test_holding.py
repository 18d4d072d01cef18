"""The lock of a project while its folder goes and comes again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from envtool.env.holding import acquire
from envtool.env.records import layout_for
from envtool.errors import BusyError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="an open file cannot be taken away there")


def test_a_file_that_was_taken_away_and_made_again_keeps_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening of the lock's file and its locking a failed command takes the folder away, and another
    envtool makes it anew and gets the lock: the file at that path then is not the one that we hold."""
    import fcntl

    layout = layout_for(tmp_path)
    real, others = fcntl.flock, []

    def flock(file: int, operation: int) -> None:
        if not others and operation & fcntl.LOCK_EX:
            others.append(-1)
            shutil.rmtree(layout.state)
            others.append(acquire(layout, 0))
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(BusyError) as caught:
        acquire(layout, 0)
    assert caught.value.code == "busy"
    others[1].release()
    monkeypatch.undo()
    acquire(layout, 0).release()
