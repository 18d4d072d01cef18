"""A second ``envtool migrate``: it goes on from the record of the first, which keeps what there was before the move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from moving import MIGRATION, MovingPlace
from picture import picture
from small_wheels import Indexes


@pytest.fixture
def moved(tmp_path: Path, surroundings: dict[str, str], indexes: Indexes) -> MovingPlace:
    found = MovingPlace(tmp_path / "project", surroundings)
    found.fill(indexes)
    assert found.call(*MIGRATION, "--json").code == 0
    return found


def before(place: MovingPlace) -> tuple[Any, ...]:
    """What the record says of the time before the move."""
    record = json.loads((place.root / ".envtool/migration.json").read_text(encoding="utf-8"))
    sizes = record["sizes"]
    return record["torch"]["before"], sizes["environment"]["before"], sizes["bundle"]["before"]


def phases(err: str) -> list[str]:
    """The phases that began."""
    return [line.split("/7  ")[1].split(":")[0] for line in err.splitlines() if " gate " in line]


def test_a_new_check_runs_the_setup_alone(moved: MovingPlace) -> None:
    first = before(moved)
    assert first[0] == "2.13.0"
    assert first[2] == len("the old app")
    moved.write("dist/app/mine.txt", "")  # a bundle that is built again would not have it
    done = moved.call("migrate", "--check", "python check.py")
    assert done.code == 0, done.err
    assert phases(done.err) == ["setup"]
    assert "nothing has changed since; still to do: setup" in done.err
    assert "2 checks of the project passed" in done.out
    assert "torch    2.13.0 before, 2.13.0+cpu now" in done.out
    assert "the new app" in (moved.root / "dist/app/app").read_text(encoding="utf-8")
    assert (moved.root / "dist/app/mine.txt").exists()
    assert before(moved) == first
    assert moved.call("migrate").out.startswith("nothing to do: "), "the check belongs to the record now"
    more = moved.call("migrate", "--check", "python -c pass", "--json")
    assert "3 checks of the project passed" in moved.row(more.result, "setup")["evidence"]
    assert moved.call("migrate", "--check", "python check.py").out.startswith("nothing to do: ")


def test_another_spec_builds_the_bundle_alone(moved: MovingPlace) -> None:
    first = before(moved)
    moved.write("second.spec", 'Analysis(["app.py"])\n')
    moved.call("migrate", "--spec", "app.spec")  # a new file: all phases
    done = moved.call("migrate", "--spec", "second.spec")
    assert done.code == 0, done.err
    assert phases(done.err) == ["bundle", "docs"]
    assert "envtool bundle second.spec" in (moved.root / "docs/start.md").read_text(encoding="utf-8")
    assert before(moved) == first


def test_fixes_begin_the_rest_again_where_there_are_some(moved: MovingPlace) -> None:
    moved.write("train.py", "import torch\n\nprint(torch.cuda.device_count())\n")
    assert moved.call("migrate").code == 0, "all phases, and --fix is no longer part of it"
    nothing = moved.call("migrate", "--fix", "--fail-on", "never")
    assert phases(nothing.err) == ["audit", "fix"]
    moved.write("app.spec", 'a = Analysis(["app.py"], hiddenimports=["triton"])\n')
    assert moved.call("migrate", "--fail-on", "never").code == 0
    mended = moved.call("migrate", "--fix", "--fail-on", "warning")
    assert "triton" not in (moved.root / "app.spec").read_text(encoding="utf-8")
    assert phases(mended.err) == ["audit", "fix", "lock", "setup", "models", "bundle", "docs"]


def test_what_was_left_out_is_made_up_for(moved: MovingPlace) -> None:
    moved.write("app.py", "import torch\n\nprint(torch.__version__)\n")
    part = moved.call("migrate", "--skip", "bundle,docs", "--json")
    assert part.result["state"] == "partial"
    assert moved.call("migrate", "--skip", "bundle,docs").out.startswith("nothing to do: ")
    done = moved.call("migrate")
    assert phases(done.err) == ["bundle", "docs"]
    record = json.loads((moved.root / ".envtool/migration.json").read_text(encoding="utf-8"))
    assert record["state"] == "done"


def test_after_a_change_all_phases_run_and_what_was_before_stays(moved: MovingPlace) -> None:
    first = before(moved)
    moved.write("app.py", "import torch\n\nprint(torch.__version__)\n")
    done = moved.call(*MIGRATION)
    assert phases(done.err) == ["audit", "fix", "lock", "setup", "models", "bundle", "docs"]
    assert before(moved) == first
    # Also through an attempt that fails.
    moved.write("check.py", "raise SystemExit('no')\n")
    failed = picture(moved.root)
    assert moved.call("migrate").code == 7
    assert picture(moved.root) == failed
    moved.write("check.py", "import leaf\n")
    assert moved.call("migrate", "--resume").code == 0
    assert before(moved) == first


def test_a_continued_move_that_fails_puts_back_its_own_phases(moved: MovingPlace) -> None:
    moved.write("no.py", "raise SystemExit('no')\n")
    assert moved.call("migrate").code == 0  # a new file
    state = picture(moved.root)
    assert moved.call("migrate", "--check", "python no.py").out.splitlines()[-2].startswith("stands   the move of ")
    assert picture(moved.root) == state
    done = moved.call("migrate", "--check", "python no.py", "--json")
    assert (done.code, done.error["code"]) == (7, "check.failed")
    assert picture(moved.root) == state
    assert moved.installed()["torch"] == "2.13.0+cpu"
    assert done.error["hint"].endswith("Then run the same command again.")
    # The move stands, and so does its record: nothing of it is proven again, and its checks are known.
    assert moved.call("migrate").out.startswith("nothing to do: ")
    more = moved.call("migrate", "--check", "python check.py", "--json")
    assert "2 checks of the project passed" in moved.row(more.result, "setup")["evidence"]


def test_what_is_left_for_a_person_is_named(moved: MovingPlace) -> None:
    (moved.root / "requirements.txt").write_bytes(
        b"--extra-index-url https://download.pytorch.org/whl/cpu\r\ntorch\r\nleaf"
    )
    text = (moved.root / "docs/start.md").read_text(encoding="utf-8")
    moved.write("docs/start.md", text + "\nOr: `pip install torch`\n")
    done = moved.call("migrate")
    assert done.code == 0, done.err
    line = len(text.splitlines()) + 2
    assert done.out.splitlines()[-5:] == [
        f"by hand  README.md:{line} CPU402 installs full torch on Linux; let it say: envtool",
        "           setup --cpu",
        "         requirements.txt:1 CPU304 --extra-index-url routes torch to CPU builds",
        "           from inside the file; envtool does that at install time",
        "         envtool audit --fix mends some of it",
    ]
    summary = (moved.root / ".envtool/migration.md").read_text(encoding="utf-8")
    assert f"- [ ] README.md:{line} CPU402 installs full torch on Linux; let it say: envtool setup --cpu\n" in summary


def test_full_torch_again_is_a_new_before(moved: MovingPlace) -> None:
    assert moved.call("rollback").code == 0
    # The requirements lead to the same torch; what is there now is what is compared with.
    done = moved.call(*MIGRATION, "--json")
    assert done.code == 0, done.out
    assert done.result["torch"]["before"] == "2.13.0"
    assert done.result["sizes"]["bundle"]["before"] == len("the new app")


def test_a_dry_run_of_a_move_that_is_done(moved: MovingPlace) -> None:
    nothing = moved.call("migrate", "--dry-run", "--json")
    assert (nothing.code, nothing.result["state"]) == (0, "dry-run")
    assert moved.statuses(nothing.result) == ["pass"] * 7
    more = moved.call("migrate", "--check", "python check.py", "--dry-run", "--json")
    assert moved.statuses(more.result) == ["pass", "pass", "pass", "todo", "pass", "pass", "pass"]
    assert more.result["torch"]["before"] == "2.13.0"
