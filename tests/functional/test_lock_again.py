"""The second lock: the same bytes from the same inputs, stale and fresh, upgrades, and files that were changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from indexes import DefaultIndex, TorchIndex
from workspace import Workspace


@pytest.fixture
def newer(torch_index: TorchIndex, default_index: DefaultIndex) -> Callable[[], None]:
    """Newer releases of everything come out."""
    default_index.add("twig", "1.0")

    def publish() -> None:
        default_index.add("leaf", "3.0")
        default_index.add("twig", "2.0")
        torch_index.release("torch", "2.15.0", ["leaf>=1"])
        default_index.add_torch("torch", "2.15.0", ["leaf>=1"])

    return publish


def test_two_folders_the_same_bytes(make_workspace: Callable[[str], Workspace]) -> None:
    one, two = make_workspace("one"), make_workspace("two")
    for place in (one, two):
        place.write("requirements.txt", "torchvision\nleaf\nvision-app\n")
        place.locked()
    assert sorted(one.files()) == ["lock.toml", "requirements.txt", "torch-cpu.txt", "torch-full.txt"]
    assert one.files() == two.files()


def test_another_hash_seed_the_same_bytes(make_workspace: Callable[[str], Workspace]) -> None:
    found = []
    for seed in ("0", "7", "123"):
        place = make_workspace(f"seed-{seed}")
        place.write("requirements.txt", "torch\ntorchvision\nold-app\nleaf\n")
        done = subprocess.run(
            [sys.executable, "-m", "envtool", "lock"],
            cwd=place.root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(place.files())
    assert found[0] == found[1] == found[2]


def test_quiet(workspace: Workspace, newer: Callable[[], None]) -> None:
    workspace.write("requirements.txt", "torch\nleaf<4\n")
    first = ["lock", "--backend", "cpu", "-q"]
    for words in (first, ["lock", "-q"], ["lock", "--check", "-q"], ["lock", "--diff", "-q"]):
        done = workspace.run(*words)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    newer()
    diff = workspace.run("lock", "--upgrade-package", "leaf", "--diff", "-q")
    assert (diff.stdout, diff.stderr) == ("~ leaf 2.0 -> 3.0  (requirements.txt)\n", "")
    workspace.write("requirements.txt", "torch\nleaf<3\n")
    stale = workspace.run("lock", "--check", "-q")
    assert (stale.exit_code, stale.stdout) == (5, "")
    assert stale.stderr.startswith("error[lock.stale]: lockfiles/ is stale")


def test_two_pythons_share_a_lock(workspace: Workspace) -> None:
    """Without requires-python, a lock for 3.11 and later is fresh on 3.12; one that leaves 3.10 out is made anew."""
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked("--python", "3.11")
    first = workspace.files()
    assert workspace.lock("--check", "--python", "3.12").exit_code == 0
    assert workspace.locked("--python", "3.13").result["changed"] is False
    assert workspace.files() == first
    stale = workspace.lock("--check", "--python", "3.10")
    assert (stale.exit_code, stale.error["code"]) == (5, "lock.stale")
    assert "requires-python was >=3.11, is >=3.10" in stale.error["message"]
    workspace.locked("--python", "3.10")
    assert workspace.lock("--check", "--python", "3.12").exit_code == 0


def test_the_texts_are_location_free(workspace: Workspace) -> None:
    workspace.write(
        "requirements.txt",
        "--index-url https://download.pytorch.org/whl/cu121\n--extra-index-url https://mirror.example/whl/cpu\n"
        "torch\nvision-app\n",
    )
    done = workspace.locked()
    assert "index line https://download.pytorch.org/whl/cu121 dropped" in done.messages
    assert "index line https://mirror.example/whl/cpu dropped" in done.messages
    for name, data in workspace.files().items():
        text = data.decode("ascii")
        assert "\r" not in text
        assert text.endswith("\n")
        assert "index-url" not in text
        assert "127.0.0.1" not in text
        assert str(workspace.root) not in text
        if name.endswith(".txt"):
            assert "://" not in text
            assert not re.search(r"^\s*-(?!-hash=sha256:[0-9a-f]{64}( \\)?$)", text, re.MULTILINE)
            assert workspace.pins(name) == sorted(workspace.pins(name), key=lambda pin: pin.split("==")[0])
    assert not re.search(r"20\d\d-\d\d-\d\d", workspace.text("lock.toml"))


def test_a_second_lock_asks_nobody(workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex) -> None:
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked()
    before = workspace.files()
    torch_index.asked.clear()
    default_index.asked.clear()
    done = workspace.locked()
    assert done.result["changed"] is False
    assert workspace.files() == before
    assert torch_index.asked == default_index.asked == []
    assert workspace.run("lock").stdout == "lockfiles/ is up to date\n"


def test_check(workspace: Workspace) -> None:
    missing = workspace.lock("--check")
    assert missing.exit_code == 5
    assert missing.error["code"] == "lock.missing"
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked()
    fresh = workspace.run("lock", "--check")
    assert (fresh.exit_code, fresh.stdout) == (0, "lockfiles/ is up to date\n")
    before = workspace.files()
    workspace.write("requirements.txt", "torch>=2.13\nleaf\n")
    stale = workspace.lock("--check")
    assert stale.exit_code == 5
    assert stale.error["code"] == "lock.stale"
    expected = "lockfiles/ is stale: requirement torch>=2.13 is new; requirement torch is gone"
    assert stale.error["message"] == expected
    assert workspace.files() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--target", "linux-x86_64"], "targets, local projects or routing changed"),
        (["--gpu-packages", "drop"], "gpu-packages was default, is drop"),
        (["--backend", "cu126"], "not locked for cu126"),
        (["-c", "constraints.txt"], "constraint leaf<2 is new"),
    ],
)
def test_what_makes_it_stale(workspace: Workspace, arguments: list[str], reason: str) -> None:
    workspace.write("constraints.txt", "leaf<2\n")
    workspace.locked("torch", "leaf", "--backend", "cpu")
    done = workspace.lock("torch", "leaf", "--check", *arguments)
    assert done.exit_code == 5
    assert done.error["message"] == f"lockfiles/ is stale: {reason}"
    inputs = " torch leaf -c constraints.txt" if "-c" in arguments else " torch leaf"
    backends = " --backend cpu --backend cu126" if "cu126" in arguments else ""
    assert done.error["hint"] == f"Bring it up to date: envtool lock{backends}{inputs}"


def test_requires_python_makes_it_stale(workspace: Workspace) -> None:
    workspace.every_python(">=3.10")
    workspace.locked("torch", "--backend", "cpu")
    workspace.every_python(">=3.10,<3.14")
    done = workspace.lock("torch", "--check")
    assert done.error["message"] == "lockfiles/ is stale: requires-python was >=3.10, is <3.14,>=3.10"


def test_a_new_requirement_keeps_the_other_pins(workspace: Workspace, newer: Callable[[], None]) -> None:
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked()
    newer()
    workspace.write("requirements.txt", "torch\nleaf\ntwig\n")
    done = workspace.locked()
    assert done.result["diff"] == ["+ twig 2.0  (requirements.txt)"]
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "twig==2.0"]
    assert "torch==2.14.0" in workspace.pins("torch-full.txt")


@pytest.mark.parametrize(
    ("arguments", "diff"),
    [
        (["--upgrade-package", "leaf"], ["~ leaf 2.0 -> 3.0  (requirements.txt)"]),
        (["-P", "Twig"], ["~ twig 1.0 -> 2.0  (requirements.txt)"]),
        (["-P", "torch"], ["~ torch 2.14.0, 2.14.0+cpu -> 2.15.0, 2.15.0+cpu  (torch-cpu.txt)"]),
        (
            ["--upgrade"],
            [
                "~ leaf 2.0 -> 3.0  (requirements.txt)",
                "~ twig 1.0 -> 2.0  (requirements.txt)",
                "~ torch 2.14.0, 2.14.0+cpu -> 2.15.0, 2.15.0+cpu  (torch-cpu.txt)",
            ],
        ),
    ],
)
def test_upgrades(workspace: Workspace, newer: Callable[[], None], arguments: list[str], diff: list[str]) -> None:
    workspace.write("requirements.txt", "torch\nleaf\ntwig\n")
    workspace.locked("--backend", "cpu")
    newer()
    before = workspace.files()
    assert workspace.locked().result["changed"] is False
    shown = workspace.run("lock", "--diff", *arguments)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [*diff, "nothing written (--diff)"]
    assert workspace.files() == before
    assert workspace.locked(*arguments).result["diff"] == diff
    assert workspace.files() != before
    assert "full" not in json.dumps(sorted(workspace.files()))  # the backends of the earlier lock are kept


def test_an_upgrade_of_what_is_not_locked(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "torch\n")
    workspace.locked("--backend", "cpu")
    done = workspace.lock("-P", "numpy")
    assert done.exit_code == 4
    assert done.error["message"] == "numpy is not in the lock, so it cannot be upgraded"


def test_a_backend_more(workspace: Workspace, newer: Callable[[], None]) -> None:
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked("--backend", "cpu")
    newer()
    done = workspace.locked("--backend", "cpu", "--backend", "full")
    assert {line[0] for line in done.result["diff"]} == {"+"}
    assert "torch==2.14.0" in workspace.pins("torch-full.txt")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]


def _edit(name: str, old: str, new: str) -> Callable[[Workspace], None]:
    def edit(workspace: Workspace) -> None:
        text = workspace.text(name)
        assert old in text
        (workspace.lockfiles / name).write_text(text.replace(old, new), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    ("edit", "code", "words"),
    [
        (
            _edit("requirements.txt", "leaf==2.0", "leaf==1.0"),
            "lock.edited",
            "requirements.txt is not what envtool wrote",
        ),
        (_edit("lock.toml", "version = 1", "version = 99"), "lock.newer", "has format 99; this envtool reads up to 1"),
        (_edit("lock.toml", "version = 1", "version = "), "lock.malformed", "lock.toml is not a lock"),
        (_edit("lock.toml", 'inputs = "', 'outputs = "'), "lock.malformed", "lock.toml is not a lock"),
        (_edit("lock.toml", '"requirements.txt"]', '"../requirements.txt"]'), "lock.malformed", "outside its folder"),
        (lambda w: (w.lockfiles / "torch-cpu.txt").unlink(), "lock.malformed", "torch-cpu.txt is named in lock.toml"),
        (lambda w: (w.lockfiles / "lock.toml").write_bytes(b"\xff\xfe\x00"), "lock.malformed", "cannot be read"),
        (lambda w: (w.lockfiles / "lock.toml").write_bytes(b""), "lock.malformed", "lock.toml is not a lock"),
    ],
)
def test_a_lock_that_is_not_what_it_was(
    workspace: Workspace, edit: Callable[[Workspace], None], code: str, words: str
) -> None:
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked("--backend", "cpu")
    whole = workspace.files()
    edit(workspace)
    done = workspace.lock("--check")
    assert done.exit_code == 5
    assert done.error["code"] == code
    assert words in done.error["message"]
    assert done.error["hint"]
    again = workspace.lock("--backend", "cpu")
    if code == "lock.newer":
        assert again.exit_code == 5  # never written over by an older envtool
        assert workspace.files() != whole
    else:
        assert again.exit_code == 0
        assert workspace.files() == whole


def test_windows_line_ends_are_no_edit(workspace: Workspace) -> None:
    # git's autocrlf turns them on a checkout.
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked("--backend", "cpu")
    for path in workspace.lockfiles.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert workspace.lock("--check").exit_code == 0


def test_a_failing_lock_leaves_the_old_one(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "torch\nleaf\n")
    workspace.locked("--backend", "cpu")
    before = workspace.files()
    workspace.write("requirements.txt", "torch\nleaf\nno-such-thing\n")
    assert workspace.lock().exit_code == 4
    assert workspace.files() == before


def test_a_folder_with_only_a_lock(workspace: Workspace, make_workspace: Callable[[str], Workspace]) -> None:
    workspace.locked("torch", "leaf", "--backend", "cpu")
    other = make_workspace("other")
    other.lockfiles.mkdir()
    for name, data in workspace.files().items():
        (other.lockfiles / name).write_bytes(data)
    assert other.lock("--check").exit_code == 0
    assert other.locked().result["changed"] is False


def test_upload_times_change_nothing(workspace: Workspace, torch_index: TorchIndex) -> None:
    # The index gives the time of the storage object: it jumps when a file is tagged again.
    workspace.write("requirements.txt", "torch\nleaf\n")
    torch_index.attributes = ' data-upload-time="2026-06-17T14:43:21Z"'
    workspace.locked("--backend", "cpu")
    before = workspace.files()
    torch_index.attributes = ' data-upload-time="2026-06-18T01:57:47Z"'
    assert workspace.locked("--backend", "cpu", "--upgrade").result["changed"] is False
    assert workspace.files() == before


def test_an_upgrade_of_one_package_changes_what_it_must(workspace: Workspace, default_index: DefaultIndex) -> None:
    # tree 2 needs leaf 2: that one moves along; twig stays.
    default_index.add("twig", "1.0")
    default_index.add("tree", "1.0", ["leaf<2"])
    workspace.write("requirements.txt", "torch\ntree\ntwig\n")
    workspace.locked("--backend", "cpu")
    default_index.add("twig", "2.0")
    default_index.add("tree", "2.0", ["leaf>=2"])
    assert workspace.locked("-P", "tree").result["diff"] == [
        "~ leaf 1.1 -> 2.0  (requirements.txt)",
        "~ tree 1.0 -> 2.0  (requirements.txt)",
    ]


def test_gpu_packages_are_kept_too(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("nvidia-cublas", "13.1")
    default_index.add("triton", "3.8")
    default_index.add("twig", "1.0")
    workspace.write("requirements.txt", "torch\ntwig\n-c limits.txt\n")
    workspace.write("limits.txt", "nvidia-cublas<13.1\ntriton<3.8\n")
    workspace.locked()
    default_index.add("twig", "2.0")
    workspace.write("limits.txt", "")
    done = workspace.locked("-P", "twig")
    assert done.result["diff"] == ["~ twig 1.0 -> 2.0  (requirements.txt)"]
    done = workspace.locked("-P", "twig", "-P", "triton")
    assert done.result["diff"] == ["~ triton 3.7 -> 3.8  (torch-full.txt)"]
    done = workspace.locked("--upgrade")
    assert done.result["diff"] == ["~ nvidia-cublas 13.0 -> 13.1  (torch-full.txt)"]
