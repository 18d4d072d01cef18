"""The last lines of a setup."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.cli.results import setup_outcome
from envtool.env.outcome import InPlace, SetupResult
from envtool.env.plan import Plan, Size
from envtool.models import Generation, Layout

OWN = Size(download=219_200_000, disk=920_500_000)
FULL = Size(download=2_800_000_000, disk=5_000_000_000)
NOW = Generation(
    id=1, backend="cpu", torch="2.13.0+cpu", python="3.11.7", created="", kind="built", healthy=True, installed=()
)


@pytest.mark.parametrize(
    ("full", "reused", "lines"),
    [
        (
            FULL,
            False,
            [
                "saved    2.6 GB of download and about 4.1 GB of disk against full torch",
                "back     envtool rollback  (builds full torch: 2.8 GB to download)",
            ],
        ),
        (FULL, True, ["back     envtool rollback  (builds full torch: 2.8 GB to download)"]),
        (Size(download=1, disk=1, unknown=("torch",)), False, ["back     envtool rollback  (builds full torch)"]),
        (None, False, []),
    ],
)
def test_what_was_saved_and_the_way_back(tmp_path: Path, full: Size | None, reused: bool, lines: list[str]) -> None:
    plan = Plan(backend="cpu", torch=NOW.torch, python="3.11", size=OWN, full=full, free=1, changes=())
    result = SetupResult(
        generation=NOW, changed=True, plan=plan, checks=(), notes=(), phases={}, lock_changed=False, reused=reused
    )
    text = setup_outcome(result, Layout(root=tmp_path, venv=tmp_path / ".venv"), 1.0).text
    assert text.splitlines()[1:] == lines


SAVED = "saved    2.6 GB of download and about 4.1 GB of disk against full torch"
BEFORE = "before   .envtool/in-place.json says what was there"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (("~ torch 2.13.0 -> 2.13.0+cpu", "+ leaf 1.0"), [SAVED, BEFORE]),
        (("+ torch 2.13.0+cpu",), [SAVED, BEFORE]),
        # torch was there before: nothing of it was saved.
        (("+ leaf 1.0", "~ torchvision 0.27.0 -> 0.28.0"), [BEFORE]),
    ],
)
def test_what_was_saved_in_place(tmp_path: Path, changes: tuple[str, ...], lines: list[str]) -> None:
    plan = Plan(backend="cpu", torch=NOW.torch, python="3.11", size=OWN, full=FULL, free=1, changes=changes)
    place = InPlace(path=tmp_path / "bin/python", torch="2.13.0+cpu", backend="cpu", python="3.11.7")
    result = SetupResult(
        generation=None, changed=True, plan=plan, checks=(), notes=(), phases={}, lock_changed=False, place=place
    )
    text = setup_outcome(result, Layout(root=tmp_path, venv=tmp_path / ".venv"), 1.0).text
    assert text.splitlines() == [
        f"current  {tmp_path / 'bin/python'} is torch 2.13.0+cpu (cpu), Python 3.11.7",
        *lines,
    ]


@pytest.mark.parametrize(
    ("unknown", "lines"),
    [
        ((), ["download  10.5 MB at most (full torch: 2.8 GB)", "disk      about 43.9 MB (full torch: 5.0 GB)"]),
        (
            ("torch",),
            [
                "download  10.5 MB, not counting torch (full torch: 2.8 GB)",
                "disk      about 43.9 MB, not counting torch (full torch: 5.0 GB)",
            ],
        ),
        (
            ("leaf", "numpy", "torch"),
            [
                "download  10.5 MB, not counting torch and 2 more (full torch: 2.8 GB)",
                "disk      about 43.9 MB, not counting torch and 2 more (full torch: 5.0 GB)",
            ],
        ),
    ],
)
def test_a_plan_says_what_is_not_in_its_figures(tmp_path: Path, unknown: tuple[str, ...], lines: list[str]) -> None:
    own = Size(download=10_500_000, disk=43_900_000, unknown=unknown)
    plan = Plan(backend="cpu", torch=NOW.torch, python="3.11", size=own, full=FULL, free=1, changes=())
    result = SetupResult(generation=None, changed=False, plan=plan, checks=(), notes=(), phases={})
    layout = Layout(root=tmp_path, venv=tmp_path / ".venv")
    named = [f"unknown   the size of {', '.join(unknown)}"] if unknown else []
    assert setup_outcome(result, layout, 1.0, dry_run=True).text.splitlines() == [
        "no package changes",
        *lines,
        "free      1 B",
        *named,
        "dry run: nothing changed",
    ]
