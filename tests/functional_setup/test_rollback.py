"""The way back: a flip, else built from torch-full.txt; the user's own environment byte for byte; plain folders."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from place import Place, tree
from small_wheels import TWO_TARGETS, Indexes, torch, wheel


def own_environment(place: Place, *wheels: tuple[str, bytes]) -> None:
    """A .venv that the user made, with pip's layout and files of the user's own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place.venv], check=True)
    for name, data in wheels:
        path = place.root.parent / name
        path.write_bytes(data)
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--python",
            str(place.venv / "bin/python"),
            str(path),
        ]
        subprocess.run(command, check=True)
    (place.venv / "notes.txt").write_text("mine\n")
    (place.site / "handmade.py").write_text("x = 1\n")


def tag() -> str:
    return f"{sys.version_info[0]}{sys.version_info[1]}"


def full_wheels() -> list[tuple[str, bytes]]:
    return [torch("2.12.0", tag(), cuda="12.8", honest=False), wheel("leaf", "1.0")]


def test_what_was_added_to_the_users_own_environment_is_part_of_it(place: Place, tmp_path: Path) -> None:
    own_environment(place, *full_wheels())
    place.done("--cpu")
    assert place.call("rollback").code == 0
    name, data = wheel("mine", "1.0")
    (tmp_path / name).write_bytes(data)
    python = place.venv / "bin/python"
    command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--python", python, tmp_path / name]
    subprocess.run(command, check=True)
    assert place.done("--cpu").out.splitlines()[-1].endswith("your own environment of before)")
    assert place.status()["generations"][0]["changed_by_hand"] == []
    back = place.call("rollback", "--json")
    assert (back.code, back.result["torch"]) == (0, "2.12.0"), back.out
    assert place.installed() == {"leaf": "1.0", "mine": "1.0", "torch": "2.12.0"}


def test_the_users_own_environment_comes_back_byte_for_byte(place: Place) -> None:
    own_environment(place, *full_wheels())
    before = tree(place.venv)
    inode = place.venv.stat().st_ino
    done = place.done("--cpu", "--json")
    assert [note["code"] for note in done.result["notes"] if note["code"] == "env.adopted"] == ["env.adopted"]
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}
    rows = {row["id"]: row for row in place.status()["generations"]}
    adopted = next(row for row in rows.values() if row["kind"] == "adopted")
    assert (adopted["backend"], adopted["torch"], adopted["drift"]) == ("full", "2.12.0", None)
    back = place.call("rollback", "--json")
    assert (back.code, back.result["generation"], back.result["changed"]) == (0, adopted["id"], True)
    assert back.result["seconds"] < 2
    assert tree(place.venv.resolve()) == before
    assert place.venv.resolve().stat().st_ino == inode
    assert place.installed() == {"leaf": "1.0", "torch": "2.12.0"}
    assert place.call("verify", "--static").code in (0, 7)
    # and the user's own python still runs, by the path that it always had
    code = "import leaf, handmade; print(leaf.__version__)"
    ran = subprocess.run([place.venv / "bin/python", "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "1.0\n"


def test_an_own_environment_without_torch_is_kept_too(place: Place) -> None:
    own_environment(place, wheel("leaf", "1.0"))
    before = tree(place.venv)
    number = place.done("--cpu", "--json").result["notes"][-1]["message"].split("generation ")[1].split(";")[0]
    assert place.call("prune", "--keep", "0").code == 0
    back = place.call("rollback", "--to", number)
    assert back.code == 0, back.err
    assert tree(place.venv.resolve()) == before


def test_a_flip_there_and_back(place: Place) -> None:
    place.done("--full")
    place.done("--cpu")
    back = place.call("rollback", "--json")
    assert (back.code, back.result["generation"], back.result["backend"], back.result["torch"]) == (
        0,
        1,
        "full",
        "2.13.0",
    )
    assert place.installed() == {"leaf": "2.0", "nvidia_cublas": "13.0", "torch": "2.13.0", "triton": "3.7"}
    again = place.call("rollback")
    assert (again.code, again.out.split(",")[0]) == (
        0,
        "already satisfied: .venv is generation 1: torch 2.13.0 (full)",
    )
    forward = place.done("--cpu", "--json")
    assert (forward.result["generation"], forward.result["changed"]) == (2, True)
    assert [row["id"] for row in place.status()["generations"]] == [1, 2], "flipped, not built"
    assert place.installed()["torch"] == "2.13.0+cpu"
    assert place.done("--cpu").out.startswith("already satisfied"), "by the quick look again"


def test_full_torch_is_built_when_there_is_none(place: Place) -> None:
    place.done("--cpu")
    back = place.call("rollback", "--json")
    # The small torch cannot pass the probe: what is built is proven by it, and refused.
    assert (back.code, back.error["code"]) == (7, "verify.cuda-built")
    assert place.installed()["torch"] == "2.13.0+cpu"


def test_a_stale_lock_does_not_stop_a_rollback(place: Place, tmp_path: Path) -> None:
    place.done("--cpu")
    place.write("requirements.txt", "torch\nleaf<2\nother\n")
    lock = tree(place.root / "lockfiles")
    back = place.call("rollback", PYTHONPATH=without_probe(place, tmp_path))
    assert back.code == 0, back.err
    assert place.installed() == {"leaf": "2.0", "nvidia_cublas": "13.0", "torch": "2.13.0", "triton": "3.7"}
    assert tree(place.root / "lockfiles") == lock
    done = place.call("setup", "--json")
    assert (done.code, done.error["code"]) == (2, "usage.backend"), "no setup was asked for before"


def test_another_target_without_full_torch_does_not_cost_the_way_back(place: Place, tmp_path: Path) -> None:
    indexes = Indexes(tmp_path / "indexes")
    indexes.fill()
    indexes.add_aarch64(full=False)
    place.environment |= {"ENVTOOL_TORCH_INDEX": indexes.torch_index, "UV_DEFAULT_INDEX": indexes.default_index}
    place.write("pyproject.toml", TWO_TARGETS)
    done = place.done("--cpu")
    said = "full torch is not locked for linux-aarch64, for which there is no solution: "
    assert next(line for line in done.out.splitlines() if said in line).startswith("note ")
    assert (done.out + done.err).count("full torch is not locked for") == 1
    assert done.out.splitlines()[-1].startswith("back     envtool rollback  (builds full torch")
    back = place.call("rollback", PYTHONPATH=without_probe(place, tmp_path))
    assert back.code == 0, back.err
    assert place.installed() == {"leaf": "2.0", "nvidia_cublas": "13.0", "torch": "2.13.0", "triton": "3.7"}
    indexes.stop()


def test_setup_of_full_torch_needs_it_for_this_machine_alone(place: Place, tmp_path: Path) -> None:
    indexes = Indexes(tmp_path / "indexes")
    indexes.fill()
    indexes.add_aarch64(full=False)
    place.environment |= {"ENVTOOL_TORCH_INDEX": indexes.torch_index, "UV_DEFAULT_INDEX": indexes.default_index}
    place.write("pyproject.toml", TWO_TARGETS)
    done = place.done("--full")
    assert "full torch is not locked for linux-aarch64, for which there is no solution: " in done.out
    assert place.installed() == {"leaf": "2.0", "nvidia_cublas": "13.0", "torch": "2.13.0", "triton": "3.7"}
    indexes.stop()


def without_probe(place: Place, tmp_path: Path) -> str:
    """PYTHONPATH with a hook that leaves the probe out of rollback, which has no option for it."""
    hook = tmp_path / "hook"
    hook.mkdir(exist_ok=True)
    text = (
        "import dataclasses, envtool.env.setup as r\n"
        "class Static(r.SetupRequest):\n"
        "    def __init__(self, **k): super().__init__(**{**k, 'probe': False})\n"
        "r.SetupRequest = Static\n"
    )
    (hook / "sitecustomize.py").write_text(text)
    return f"{hook}:{place.environment['PYTHONPATH']}"


def test_no_way_back(place: Place) -> None:
    before = tree(place.root)
    done = place.call("rollback", "--json", "--dry-run")
    assert (done.code, done.error["code"]) == (8, "rollback.nowhere")
    assert tree(place.root) == before
    assert place.call("rollback").code == 8
    assert not place.venv.exists()


@pytest.mark.parametrize(("to", "code"), [("7", "rollback.unknown"), ("nonsense", "rollback.unknown")])
def test_to_what_is_not_there(place: Place, to: str, code: str) -> None:
    place.done("--cpu")
    done = place.call("rollback", "--to", to, "--json")
    assert (done.code, done.error["code"], done.error["hint"]) == (
        8,
        code,
        "There is: 1. See: envtool status",
    )
    done = place.call("rollback", "--to", "previous", "--json")
    assert (done.code, done.error["code"]) == (8, "rollback.previous")


def test_to_a_number_and_to_previous(place: Place) -> None:
    place.done("--cpu")
    place.done("--full")
    assert place.call("rollback", "--to", "1", "--json").result["generation"] == 1
    assert place.call("rollback", "--to", "previous", "--json").result["generation"] == 2
    assert place.call("rollback", "--to", "previous", "--json").result["generation"] == 1


def test_a_tampered_generation_is_passed_over(place: Place) -> None:
    place.done("--full")
    place.write("requirements.txt", "torch\nleaf<2\n")
    place.done("--full")
    place.done("--cpu")
    second = place.packages(place.root / ".envtool/generations/2")
    shutil.rmtree(second / "triton")
    shutil.rmtree(second / "triton-3.7.dist-info")
    done = place.call("rollback")
    assert (done.code, done.out.split(":")[0]) == (0, "current  .venv is generation 1")
    assert "generation 2 is passed over: " in done.err
    refused = place.call("rollback", "--to", "2", "--json")
    assert (refused.code, refused.error["code"]) == (8, "rollback.unsound")
    assert place.venv.readlink().name == "1"


def test_a_broken_record_is_no_generation(place: Place) -> None:
    place.done("--full")
    place.done("--cpu")
    (place.root / ".envtool/generations/1.json").write_text("{}")
    done = place.call("rollback", "--to", "1", "--json")
    assert (done.code, done.error["code"]) == (8, "rollback.unknown")


def test_prune_keeps_what_cannot_be_built_again(place: Place) -> None:
    own_environment(place, *full_wheels())
    for pin in ("leaf", "leaf<2", "other"):
        place.write("requirements.txt", f"torch\n{pin}\n")
        place.done("--cpu")
    before = tree(place.root)
    dry = place.call("prune", "--keep", "1", "--dry-run", "--json")
    assert [row["id"] for row in dry.result["kept"]][-1] == max(row["id"] for row in dry.result["kept"])
    assert tree(place.root, ".envtool/lock") == {k: v for k, v in before.items() if k != ".envtool/lock"}
    done = place.call("prune", "--keep", "1", "--json")
    assert done.result["removed"] == dry.result["removed"] != []
    left = {row["id"]: row["kind"] for row in place.status()["generations"]}
    assert "adopted" in left.values()
    assert place.call("rollback").code == 0
    assert place.installed()["torch"] == "2.12.0"


# --- plain ------------------------------------------------------------------------------------------------------------


def test_plain_is_a_real_folder(place: Place) -> None:
    done = place.done("--cpu", "--plain")
    assert done.out.startswith("current  .venv is a plain environment: torch 2.13.0+cpu (cpu)")
    assert not place.venv.is_symlink()
    assert place.venv.is_dir()
    assert place.status()["mode"] == "plain"
    assert place.call("status").out.splitlines()[-1].startswith(".venv is a plain folder, made with --plain")
    assert place.done("--cpu", "--plain").out.startswith("already satisfied: .venv is a plain environment")
    ran = subprocess.run([place.venv / "bin/leaf-tool"], capture_output=True, text=True, check=False)
    assert "leaf" in ran.stderr, "the script finds the interpreter where it lies now, and fails in leaf itself"
    assert sorted(path.name for path in place.root.iterdir()) == [
        ".envtool",
        ".venv",
        "lockfiles",
        "pyproject.toml",
        "requirements.txt",
    ]


def test_plain_over_a_chain_and_back(place: Place) -> None:
    place.done("--full")
    place.done("--cpu", "--plain")
    assert not place.venv.is_symlink()
    assert place.installed()["torch"] == "2.13.0+cpu"
    assert [row["backend"] for row in place.status()["generations"]] == ["full", "cpu"]
    back = place.call("rollback", "--json")
    assert (back.code, back.result["generation"]) == (0, 1)
    assert place.venv.is_symlink()
    assert place.installed()["torch"] == "2.13.0"


def test_plain_over_plain(place: Place) -> None:
    place.done("--cpu", "--plain")
    place.write("requirements.txt", "torch\nleaf<2\n")
    place.done("--cpu", "--plain")
    assert place.installed() == {"leaf": "1.0", "torch": "2.13.0+cpu"}
    assert [path.name for path in place.root.iterdir() if path.name.startswith(".venv")] == [".venv"]
    assert [path.name for path in (place.root / ".envtool/generations").iterdir()] == []


def test_plain_keeps_the_users_own(place: Place) -> None:
    own_environment(place, *full_wheels())
    before = tree(place.venv)
    place.done("--cpu", "--plain")
    assert not place.venv.is_symlink()
    assert place.call("rollback").code == 0
    assert tree(place.venv.resolve()) == before


def test_a_failing_check_with_plain(place: Place) -> None:
    place.done("--cpu", "--plain")
    before = tree(place.root)
    place.write("requirements.txt", "torch\nleaf<2\n")
    assert place.setup("--cpu", "--plain", "--check", "false").code == 7
    after = tree(place.root)
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} <= {
        "requirements.txt",
        "lockfiles/lock.toml",
        "lockfiles/requirements.txt",
        ".envtool/state.json",
    }


def test_records_are_readable(place: Place) -> None:
    place.done("--cpu")
    record = json.loads((place.root / ".envtool/generations/1.json").read_text(encoding="utf-8"))
    assert record["installed"] == {"leaf": "2.0", "torch": "2.13.0+cpu"}
    assert record["kind"] == "built"
