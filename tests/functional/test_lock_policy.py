"""GPU packages in a cpu lock: left out, refused or kept, and who asked for them."""

from __future__ import annotations

import pytest
from indexes import TorchIndex
from workspace import Workspace


def test_what_comes_in_through_others_is_left_out(workspace: Workspace) -> None:
    done = workspace.locked("speedy-app")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "speedy-app==1.0"]
    assert "triton" not in "".join(workspace.pins("torch-cpu.txt"))
    assert [note for note in done.result["notes"] if note["code"] == "gpu.left-out"] == [
        {"code": "gpu.left-out", "message": "triton left out of the cpu lock: speedy-app asked for it"}
    ]
    # Full torch has it.
    assert "triton==3.7" in workspace.pins("torch-full.txt")


def test_what_the_project_names_is_an_error(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "torch\ntriton>=3\n")
    done = workspace.lock()
    assert done.exit_code == 4
    assert done.error["code"] == "gpu.direct"
    assert "the project itself names triton (requirements.txt:2)" in done.error["message"]
    assert 'gpu-packages = "drop"' in done.error["hint"]
    assert not workspace.lockfiles.exists()


def test_an_export_of_a_whole_environment_names_many(workspace: Workspace) -> None:
    names = ["triton", "bitsandbytes", "nvidia-cublas-cu12", "nvidia-cudnn-cu12", "nvidia-nccl-cu12", "flash-attn"]
    workspace.write("requirements.txt", "\n".join(["torch", *names]) + "\n")
    message = workspace.lock().error["message"]
    assert message.endswith("nvidia-cudnn-cu12 (requirements.txt:5), and 2 more")
    assert "nvidia-nccl-cu12" not in message


def test_a_name_with_a_cpu_twin(workspace: Workspace) -> None:
    done = workspace.lock("torch", "onnxruntime-gpu")
    assert done.exit_code == 4
    assert done.error["hint"].startswith("Replace onnxruntime-gpu by onnxruntime. Or leave it out of cpu locks with ")


def test_drop(workspace: Workspace) -> None:
    done = workspace.locked("torch", "triton>=3", "--gpu-packages", "drop", "--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert "triton left out of the cpu lock (named in command line)" in done.messages


def test_refuse(workspace: Workspace) -> None:
    done = workspace.lock("speedy-app", "--gpu-packages", "refuse", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "gpu.transitive"
    assert done.error["message"] == "speedy-app asks for triton, which carries GPU code"


def test_keep(workspace: Workspace) -> None:
    workspace.locked("speedy-app", "--gpu-packages", "keep", "--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "speedy-app==1.0", "triton==3.7"]


def test_helpers_without_payload_stay(workspace: Workspace) -> None:
    done = workspace.locked("helper-app", "--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["helper-app==1.0", "leaf==2.0", "nvidia-ml-py==13.0"]
    assert not [note for note in done.result["notes"] if note["code"].startswith("gpu.")]


def test_a_torch_that_declares_gpu_packages_by_mistake(workspace: Workspace, torch_index: TorchIndex) -> None:
    # As torch 2.7.0+cpu did: the closure counts, not the name.
    torch_index.release("torch", "2.15.0", ["leaf", "nvidia-cublas", "triton"])
    done = workspace.lock("torch", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "gpu.closure"
    assert "nvidia-cublas 13.0" in done.error["message"]


@pytest.mark.parametrize("policy", ["default", "drop", "keep"])
def test_the_rest_is_the_same_for_both_backends(workspace: Workspace, policy: str) -> None:
    done = workspace.locked("speedy-app", "leaf", "--gpu-packages", policy)
    pins = done.result["pins"]
    shared = {name for name in pins["full"] if not name.startswith(("torch", "nvidia", "triton"))}
    assert shared == {"leaf", "speedy-app"}
    assert pins["cpu"]["leaf"] == pins["full"]["leaf"]
    assert pins["cpu"]["torch"] == [
        {"version": "2.14.0", "marker": "sys_platform == 'darwin'"},
        {"version": "2.14.0+cpu", "marker": "sys_platform != 'darwin'"},
    ]
    assert pins["full"]["torch"] == [{"version": "2.14.0", "marker": None}]


def test_what_a_marker_keeps_out_of_the_lock_is_no_error(workspace: Workspace) -> None:
    workspace.write("requirements.txt", 'torch\ntriton ; sys_platform == "linux"\n')
    workspace.locked("--backend", "cpu", "--target", "macos-arm64", "--target", "windows-amd64")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert workspace.lock("--backend", "cpu", "--target", "linux-x86_64").error["code"] == "gpu.direct"
