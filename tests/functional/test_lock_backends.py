"""Two backends, one set of pins for the rest: what becomes of it where their builds ask for different things."""

from __future__ import annotations

import pytest
from indexes import DefaultIndex, TorchIndex
from workspace import Workspace


def release(torch_index: TorchIndex, default_index: DefaultIndex, cpu: str, full: str) -> None:
    """torch 2.16.0, whose builds for the CPU and for CUDA ask for different things."""
    torch_index.release("torch", "2.16.0", [cpu])
    default_index.add_torch("torch", "2.16.0", [full])


def codes(notes: list[dict[str, str]]) -> list[str]:
    return [note["code"] for note in notes]


def test_both_are_locked_to_what_full_needs(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    release(torch_index, default_index, "leaf>=1", "leaf<2")
    done = workspace.locked("torch")
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert workspace.pins("torch-full.txt") == ["torch==2.16.0"]
    assert all("==2.16.0" in pin for pin in workspace.pins("torch-cpu.txt"))
    assert codes(done.result["notes"]) == []


def test_an_older_torch_that_suits_both(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    # No leaf suits both builds of 2.16.0; one torch for both comes before the newest one.
    release(torch_index, default_index, "leaf>=2", "leaf<2")
    done = workspace.locked("torch")
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert all("==2.14.0" in pin for pin in workspace.pins("torch-cpu.txt"))
    assert "torch==2.14.0" in workspace.pins("torch-full.txt")
    assert codes(done.result["notes"]) == ["torch.older"]
    assert "torch 2.16.0 not possible" in done.messages


@pytest.mark.parametrize("asked", [False, True])
def test_full_torch_that_cannot_be_locked(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex, asked: bool
) -> None:
    release(torch_index, default_index, "leaf>=2", "leaf<2")
    if asked:  # by name: then it is an error
        done = workspace.lock("torch==2.16.0", "--backend", "cpu", "--backend", "full")
        assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
        assert not workspace.lockfiles.exists()
        return
    done = workspace.locked("torch==2.16.0")
    assert sorted(workspace.files()) == ["lock.toml", "requirements.txt", "torch-cpu.txt"]
    assert codes(done.result["notes"]) == ["lock.backend-left-out"]
    assert "full torch is not locked: torch>=2.16.0 depends on leaf<2" in done.messages


def test_a_version_that_the_default_index_does_not_have_yet(workspace: Workspace, torch_index: TorchIndex) -> None:
    # The PyTorch index has led by half a day.
    torch_index.release("torch", "2.16.0", ["leaf>=1"])
    done = workspace.locked("torch")
    assert all("==2.16.0" in pin for pin in workspace.pins("torch-cpu.txt"))
    assert "torch==2.14.0" in workspace.pins("torch-full.txt")
    assert codes(done.result["notes"]) == ["full.other-version"]


def test_free_threaded_and_unsupported_builds_are_not_locked(workspace: Workspace, torch_index: TorchIndex) -> None:
    workspace.every_python()
    odd = [
        torch_index.wheel("torch", "2.14.0+cpu", tag, ["leaf"])
        for tag in (
            "cp313-cp313t-manylinux_2_28_x86_64",
            "cp315-cp315-manylinux_2_28_x86_64",
            "cp312-cp312-win_arm64",
            "cp312-cp312-manylinux_2_28_s390x",
        )
    ]
    workspace.locked("torch", "--backend", "cpu")
    assert len(workspace.hashes("torch-cpu.txt", "torch")) == 20
    assert not workspace.hashes("torch-cpu.txt", "torch") & {file.digest for file in odd}
