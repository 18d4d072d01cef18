"""Full torch for fewer targets than the cpu build: which it is locked for, which not, and what says so."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable

import pytest
from indexes import ARM, LINUX, MACOS, WINDOWS, DefaultIndex, TorchIndex
from workspace import Done, Workspace

from envtool.lock.text import read_lock
from envtool.settings import ALL_TARGETS
from envtool.torch.targets import host_target

HOST = host_target()
X86_ONLY = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the fixture's wheels leave no solution here"
)
CHOSEN = [f"--target={target}" for target in ALL_TARGETS]
FULL = ["--backend", "cpu", "--backend", "full"]


def gpu_package(index: DefaultIndex, platforms: Iterable[str], requires: Iterable[str] = ("torch",)) -> None:
    """bitsandbytes with wheels for these platforms alone. The cpu lock leaves it out; full torch is locked with it."""
    for name in platforms:
        index.add("bitsandbytes", "1.0", requires, tag=f"py3-none-{name}")


@pytest.fixture
def asking(workspace: Workspace) -> Workspace:
    """A project that asks for it."""
    project = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    settings = '[tool.envtool]\nrequirements = ["torch", "bitsandbytes"]\ngpu-packages = "drop"\n'
    workspace.write("pyproject.toml", project + settings)
    return workspace


def codes(done: Done) -> list[str]:
    return [note["code"] for note in done.result["notes"] if note["code"] != "gpu.dropped"]


@X86_ONLY
def test_one_target_without_a_solution(asking: Workspace, default_index: DefaultIndex) -> None:
    gpu_package(default_index, [LINUX, WINDOWS, MACOS])
    done = asking.locked()
    lock = read_lock(asking.lockfiles)
    assert lock.targets == ALL_TARGETS
    assert lock.gaps == ("full torch is not locked for linux-aarch64",)
    # On the target that is left out neither torch nor its company is installed from the file, by plain pip neither.
    here = "sys_platform == 'linux' and platform_machine == 'x86_64'"
    macos = "sys_platform == 'darwin' and platform_machine == 'arm64'"
    windows = "sys_platform == 'win32' and platform_machine == 'AMD64'"
    others = f"({here}) or ({macos}) or ({windows})"
    assert asking.pins("torch-full.txt") == [
        f"bitsandbytes==1.0 ; {others}",
        f"nvidia-cublas==13.0 ; {here}",
        f"torch==2.14.0 ; {others}",
        f"triton==3.7 ; {here}",
    ]
    assert asking.pins("torch-cpu.txt") == [
        "torch==2.14.0 ; sys_platform == 'darwin'",
        "torch==2.14.0+cpu ; sys_platform != 'darwin'",
    ]
    assert asking.pins("requirements.txt") == ["leaf==2.0"]
    assert codes(done) == ["lock.backend-narrow"]
    said = "full torch is not locked for linux-aarch64, for which there is no solution: bitsandbytes==1.0 has no "
    assert said in done.messages
    # It is as fresh as any other, and comes out the same again.
    before = asking.files()
    assert asking.lock("--check").exit_code == 0
    assert asking.locked("--upgrade").result["changed"] is False
    assert asking.files() == before
    told = asking.run("lock", "--diff", "--upgrade")
    assert told.stderr.count("full torch is not locked for") == 1
    asking.lockfiles.joinpath("lock.toml").unlink()
    told = asking.run("lock")
    assert "torch-full.txt: torch 2.14.0, 4 pins (full, not for linux-aarch64)" in told.stdout
    assert "requirements.txt: 1 pin\n" in told.stdout
    assert asking.files() == before


@X86_ONLY
def test_as_few_as_possible_are_left_out(asking: Workspace, default_index: DefaultIndex) -> None:
    gpu_package(default_index, [LINUX, WINDOWS])
    asking.locked()
    assert read_lock(asking.lockfiles).gaps == ("full torch is not locked for linux-aarch64, macos-arm64",)


@X86_ONLY
def test_chosen_targets_keep_the_cpu_build_and_a_named_full_torch_is_for_all(
    asking: Workspace, default_index: DefaultIndex
) -> None:
    gpu_package(default_index, [LINUX, WINDOWS, MACOS])
    assert codes(asking.locked(*CHOSEN)) == ["lock.backend-narrow"]
    assert read_lock(asking.lockfiles).targets == ALL_TARGETS
    # That one is fresh for who names full torch is not to be had by having been made before.
    before = asking.files()
    done = asking.lock(*CHOSEN, *FULL)
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
    assert "bitsandbytes==1.0 has no" in done.error["message"]
    assert asking.files() == before
    done = asking.lock("--check", *CHOSEN, "--backend", "full")
    assert (done.exit_code, done.error["code"]) == (5, "lock.stale")
    assert done.error["message"].endswith("is stale: full torch is not locked for linux-aarch64")
    assert done.error["hint"] == "Bring it up to date: envtool lock --backend cpu --backend full"
    assert asking.lock("--check", *CHOSEN, "--backend", "cpu").exit_code == 0
    # Where nobody chose, what has no full torch is left out as a whole.
    asking.locked(*FULL)
    lock = read_lock(asking.lockfiles)
    assert (lock.targets, lock.gaps) == (tuple(name for name in ALL_TARGETS if name != "linux-aarch64"), ())


@pytest.mark.skipif(HOST is None, reason="envtool has no target for this machine")
@pytest.mark.parametrize(
    "words", [["setup", "--full"], ["setup", "--full", "--frozen"], ["setup", "--full", "--dry-run"], ["rollback"]]
)
def test_on_a_target_that_is_left_out(asking: Workspace, default_index: DefaultIndex, words: list[str]) -> None:
    """The others keep their full torch where this machine has none; here, that is an error with its next step."""
    assert HOST is not None
    platforms = {"linux-x86_64": LINUX, "linux-aarch64": ARM, "windows-amd64": WINDOWS, "macos-arm64": MACOS}
    gpu_package(default_index, [name for target, name in platforms.items() if target != HOST.name])
    asking.locked()
    assert read_lock(asking.lockfiles).gaps == (f"full torch is not locked for {HOST.name}",)
    before = asking.files()
    done = asking.run(*words, "--json")
    assert (done.exit_code, done.error["code"]) == (5, "lock.target")
    assert done.error["message"].startswith(f"the lock has no full torch for {HOST.name}: ")
    see = "envtool lock --backend cpu --backend full --diff"
    assert done.error["hint"].startswith(f"See the cause: {see}. ")
    assert not (asking.root / ".venv").exists()
    done = asking.run(*see.split()[1:], "--json")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
    assert "bitsandbytes==1.0 has no" in done.error["message"]
    assert asking.files() == before


@pytest.mark.skipif(HOST is None, reason="envtool has no target for this machine")
def test_a_setup_of_full_torch_where_this_machine_has_none(asking: Workspace, default_index: DefaultIndex) -> None:
    assert HOST is not None
    platforms = {"linux-x86_64": LINUX, "linux-aarch64": ARM, "windows-amd64": WINDOWS, "macos-arm64": MACOS}
    gpu_package(default_index, [name for target, name in platforms.items() if target != HOST.name])
    done = asking.run("setup", "--full", "--json")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
    assert "bitsandbytes==1.0 has no" in done.error["message"]
    assert not asking.lockfiles.exists()


@X86_ONLY
def test_what_full_torch_needs_is_locked_for_both_here_too(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    gpu_package(default_index, [LINUX, WINDOWS, MACOS])
    torch_index.release("torch", "2.16.0", ["leaf>=1"])
    default_index.add_torch("torch", "2.16.0", ["leaf<2"])
    done = workspace.locked("torch", "bitsandbytes", "--gpu-packages", "drop")
    assert codes(done) == ["lock.backend-narrow"]
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert [pin.split(" ")[0] for pin in workspace.pins("torch-full.txt")] == ["bitsandbytes==1.0", "torch==2.16.0"]
    assert read_lock(workspace.lockfiles).gaps == ("full torch is not locked for linux-aarch64",)


def test_nothing_is_given_up_for_a_full_torch_that_is_left_out(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    # What full torch 2.16.0 needs leads the cpu build to 2.15.0, beside whose twig there is no full torch either.
    gpu_package(default_index, [LINUX, ARM, WINDOWS, MACOS], ["torch==2.16.0"])
    for version in ("1.0", "2.0"):
        default_index.add("twig", version)
    torch_index.release("torch", "2.15.0", ["leaf", "twig<2"])
    torch_index.release("torch", "2.16.0", ["leaf>=2"])
    default_index.add_torch("torch", "2.16.0", ["leaf<2", "twig>=2"])
    done = workspace.locked("torch", "bitsandbytes", "--gpu-packages", "drop")
    assert codes(done) == ["lock.backend-left-out"]
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert all("==2.16.0" in pin for pin in workspace.pins("torch-cpu.txt"))
