"""A dry run says where the real one would fail for want of rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.adapters import files
from envtool.cli.results import setup_outcome
from envtool.env.plan import Plan, Size
from envtool.env.records import layout_for
from envtool.env.setup import SetupRequest, Steps
from envtool.lock.request import RequestOptions
from envtool.lock.workspace import open_project
from envtool.reports.progress import SilentReporter
from envtool.torch.backends import CPU


@pytest.mark.parametrize(
    ("refused", "where"),
    [(".", "this folder"), ("lockfiles", "lockfiles/"), (".envtool", ".envtool/"), ("elsewhere", None)],
)
def test_where_a_setup_would_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, where: str | None
) -> None:
    for name in ("lockfiles", ".envtool", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(files, "may_write", lambda folder: folder != tmp_path / refused)
    layout = layout_for(tmp_path)
    wanted = SetupRequest(backend=CPU, inputs=RequestOptions(), dry_run=True)
    steps = Steps(open_project(tmp_path, {}, {}), layout, wanted, SilentReporter())
    steps.look_ahead()
    plan = Plan(backend="cpu", torch=None, python="3.11", size=Size(download=1, disk=1), full=None, free=1, changes=())
    outcome = setup_outcome(steps.result(None, False, plan, (), lock_changed=False), layout, 0.0, dry_run=True)
    said = [f"note      {where} cannot be written by this user: envtool setup will fail"] if where else []
    assert [line for line in (outcome.text or "").splitlines() if line.startswith("note")] == said
