"""The checks about GPU packages and libraries that are there, or missing."""

from __future__ import annotations

import pytest
from judging import CUDA_NEEDS, MACOS, STEPS, TORCH_PINS, lock_of, pin, run

from envtool.torch.backends import FULL


@pytest.mark.parametrize("name", ["nvidia-cublas", "nvidia-cudnn-cu12", "cuda-bindings", "cuda-toolkit", "triton"])
def test_gpu_distributions_by_name(site, name):
    site.torch()
    site.add(name, "1.0")
    result = run(site, "no-gpu-distributions")
    assert (result.status, result.found) == ("fail", f"1 GPU distribution: {name} 1.0")
    assert f"`uv pip uninstall {name}`" in result.fix


def test_helpers_without_payload_may_stay(site):
    site.torch()
    site.add("nvidia-ml-py", "13.0")
    assert run(site, "no-gpu-distributions").status == "pass"


def test_gpu_distributions_by_their_libraries(site):
    site.torch()
    site.add("innocent", "1.0", {"innocent.libs/libcudart.faf08d9a.so.13": b"x"})
    assert run(site, "no-gpu-distributions").found.endswith("innocent 1.0 (with libcudart.faf08d9a.so.13)")


def test_gpu_distributions_by_the_full_lock(site):
    site.torch()
    site.add("newgpu-thing", "1.0")
    lock = lock_of(torch=TORCH_PINS, full=(pin("torch", "2.13.0"), pin("newgpu-thing", "1.0")))
    assert run(site, "no-gpu-distributions").status == "pass"
    assert run(site, "no-gpu-distributions", lock=lock).found.endswith("newgpu-thing 1.0 (locked for full torch only)")


def test_a_cpu_build_is_not_refused_because_the_full_lock_names_it_too(site):
    site.torch()
    site.companion("torchvision", "0.28.0+cpu")
    lock = lock_of(full=(pin("torch", "2.13.0"), pin("torchvision", "0.28.0")))
    assert run(site, "no-gpu-distributions", lock=lock).status == "pass"


@pytest.mark.parametrize(("version", "status"), [("1.0", "pass"), ("2.0", "fail")])
def test_what_the_cpu_lock_names_was_decided(site, version, status):
    site.torch()
    site.add("triton", version)
    lock = lock_of(pin("triton", "1.0"), torch=TORCH_PINS)
    result = run(site, "no-gpu-distributions", lock=lock)
    assert result.status == status
    assert ("the lock keeps triton 1.0" in result.found) is (status == "pass")


def test_a_hostile_name_makes_no_command_line(site):
    site.torch()
    site.add("nvidia-x", "1.0")
    (site.path / "nvidia_x-1.0.dist-info/METADATA").write_text("Name: nvidia-$(reboot)\x1b[2J\nVersion: 1.0\n")
    result = run(site, "no-gpu-distributions")
    assert result.status == "fail"
    assert "\x1b" not in result.found
    assert "reboot" not in result.fix


def test_gpu_libraries_left_in_torch(site):
    site.torch(libraries=("libtorch_cpu.so", "libtorch_cuda.so"))
    assert run(site, "no-cuda-libraries").found == "1 GPU library: torch/lib/libtorch_cuda.so"


def test_full_torch_needs_its_gpu_packages(site):
    site.torch("2.13.0", inside="2.13.0+cu130", cuda="13.0", requires=CUDA_NEEDS)
    site.add("triton", "3.7.1")
    result = run(site, "gpu-distributions", expected=FULL)
    assert (result.status, result.found) == ("fail", "1 GPU package missing: nvidia-cudnn-cu13")
    assert run(site, "gpu-distributions", expected=FULL, steps=STEPS, markers=MACOS).found == "this build asks for none"
