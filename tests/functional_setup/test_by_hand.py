"""An environment that somebody changed by hand, and one that is there already: what status and setup say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from place import Place
from small_wheels import wheel


def add(place: Place, name: str, version: str) -> None:
    """What pip install does."""
    filename, data = wheel(name, version)
    path = place.root.parent / filename
    path.write_bytes(data)
    python = str(place.venv / "bin/python")
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--python", python, str(path)]
    subprocess.run(command, check=True)


def states(place: Place) -> dict[str, str]:
    """The last column of status by the number of the generation."""
    lines = place.call("status").out.splitlines()
    start = lines[0].index("state")
    found = {}
    for line in lines[1:]:
        if line.startswith("together"):
            break
        found[line[:5].strip("* ")] = line[start:]
    return found


def notes(err: str) -> list[str]:
    return [line.split("note", 1)[1].strip() for line in err.splitlines() if line.strip().startswith("note")]


def test_status_tells_by_hand_from_another_lock(place: Place) -> None:
    place.done("--cpu")
    assert states(place) == {"1": "healthy"}
    add(place, "extra", "1.0")
    shutil.rmtree(next(place.site.glob("leaf-*.dist-info")))
    assert states(place) == {"1": "changed by hand (extra, leaf)"}
    row = place.status()["generations"][0]
    assert (row["healthy"], row["changed_by_hand"], row["other_lock"]) == (True, ["extra", "leaf"], False)
    assert row["drift"] == ["extra: 1.0 installed, not locked", "leaf: 2.0 locked, not installed"]
    place.write("requirements.txt", "torch\nleaf<2\n")
    place.done("--cpu")
    assert states(place) == {"1": "changed by hand (extra, leaf), another lock", "2": "healthy"}
    place.write("requirements.txt", "torch\nleaf==2.0\n")
    assert place.call("lock").code == 0
    assert states(place) == {"1": "changed by hand (extra, leaf)", "2": "healthy, another lock"}
    refused = place.call("rollback", "--to", "1", "--json")
    message = "generation 1 cannot be used: it was changed by hand (extra, leaf)"
    assert (refused.code, refused.error["message"]) == (8, message)


def test_a_way_back_that_cannot_be_used_is_none(place: Place) -> None:
    place.done("--full")
    add(place, "extra", "1.0")
    done = place.done("--cpu")
    assert done.out.splitlines()[-1].startswith("back     envtool rollback  (builds full torch")
    assert place.status()["way_back"] is None
    assert "Back to full torch" not in place.call("status").out


def test_setup_says_why_it_builds_anew(place: Place) -> None:
    place.done("--cpu")
    add(place, "extra", "1.0")
    note = "generation 1 was changed by hand (extra): building anew; add extra to your requirements to keep it"
    dry = place.setup("--cpu", "--dry-run")
    assert [line.split("  (")[0] for line in notes(dry.err)] == [note]
    assert dry.out.splitlines()[0] == "- extra 1.0"
    done = place.done("--cpu")
    assert notes(done.err) == [note]
    assert done.out.splitlines()[0].startswith("current  .venv is generation 2: ")
    add(place, "extra", "1.0")
    shutil.rmtree(next(place.site.glob("leaf-*.dist-info")))
    codes = [note["code"] for note in place.done("--cpu", "--json").result["notes"]]
    assert codes == ["env.changed-by-hand"]


def test_a_dry_run_says_that_nothing_is_to_do(place: Place) -> None:
    place.done("--cpu")
    dry = place.setup("--cpu", "--dry-run")
    assert dry.out.startswith("dry run: already satisfied: generation 1: torch 2.13.0+cpu (cpu), Python 3.")
    assert len(dry.out.splitlines()) == 1
    plan = place.setup("--cpu", "--dry-run", "--json").result["plan"]
    assert (plan["download"], plan["disk"]) == (0, 0)


def test_a_switch_to_what_is_there_downloads_and_saves_nothing(place: Place) -> None:
    place.done("--cpu")
    place.done("--full")
    dry = place.setup("--cpu", "--dry-run")
    lines = dry.out.splitlines()
    assert lines[-1].startswith("dry run: would switch to generation 1: torch 2.13.0+cpu (cpu), Python 3.")
    assert lines[-1].endswith(", which is there already: nothing to download")
    assert not [line for line in lines if line.startswith(("download", "disk"))]
    done = place.done("--cpu")
    assert [line.split()[0] for line in done.out.splitlines()] == ["current", "back"]
    assert done.out.splitlines()[-1] == "back     envtool rollback  (generation 2, torch 2.13.0 (full))"


def test_the_way_back_to_an_environment_of_ones_own(place: Place) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place.venv], check=True)
    done = place.done("--cpu")
    assert done.out.splitlines()[-1] == "back     envtool rollback --to 2  (your own environment of before)"
    assert place.call("rollback", "--to", "2").code == 0
    assert not (place.venv / "lib64/python3/site-packages/torch").exists()
    assert Path(place.venv.readlink()).name == "2"


def test_a_plain_environment_promises_no_way_back(place: Place) -> None:
    done = place.done("--cpu", "--plain")
    assert not [line for line in done.out.splitlines() if line.startswith("back")]


def test_status_says_that_the_lock_is_stale(place: Place) -> None:
    assert place.status()["lock_stale"] is None
    place.done("--cpu")
    assert place.status()["lock_stale"] == []
    assert "stale" not in place.call("status").out
    place.write("requirements.txt", "torch\nleaf<2\n")
    reasons = ["requirement leaf<2 is new", "requirement leaf is gone"]
    assert place.status()["lock_stale"] == reasons
    told = f"lockfiles/ is stale: {'; '.join(reasons)}"
    assert place.call("status").out.splitlines()[-1] == f"{told}. Bring it up to date: envtool lock"
    assert place.call("lock", "--check", "--json").error["message"] == told
    place.write("requirements.txt", "torch @@ nonsense\n")
    assert (place.call("status").code, place.status()["lock_stale"]) == (0, None)
