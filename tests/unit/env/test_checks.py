"""Every check at once, and what torch is: on evidence from generated folders, and on steps as a probe tells them."""

from __future__ import annotations

import pytest
from judging import CUDA_NEEDS, MACOS, MARKERS, STEPS, TORCH_PINS, gather, lock_of, pin, run

from envtool.env.checks import CPU_CHECKS, GPU_CHECKS, Case, checks_for
from envtool.env.checks.case import listing, static_environment
from envtool.env.verify import judge
from envtool.torch.backends import CPU, FULL, parse_backend


def test_ids_are_unique_kebab_case_and_in_both_sets_the_same_order(site):
    evidence = gather(site)
    for backend, checks in ((CPU, CPU_CHECKS), (FULL, GPU_CHECKS)):
        ids = [check(Case(evidence=evidence, expected=backend)).id for check in checks]
        assert len(set(ids)) == len(ids)
        assert all(identifier == identifier.lower() and "_" not in identifier for identifier in ids)
        assert ids[:3] == ["interpreter", "torch-present", "build-identity"]
    assert checks_for(CPU) is CPU_CHECKS
    assert checks_for(parse_backend("cu130")) is GPU_CHECKS


def test_a_whole_cpu_environment_passes_every_check(site):
    site.torch()
    site.add("numpy", "2.4.6")
    site.companion("torchvision", "0.28.0+cpu", requires=("torch==2.13.0",))
    site.companion("torchaudio", "2.11.0+cpu")
    pins = (pin("numpy", "2.4.6"),)
    torch = (*TORCH_PINS, pin("torchvision", "0.28.0+cpu"), pin("torchaudio", "2.11.0+cpu"))
    evidence = gather(site, steps=STEPS)
    report = judge(Case(evidence=evidence, expected=CPU, lock=lock_of(*pins, torch=torch)))
    assert {check.status for check in report.checks} == {"pass"}
    assert report.ok
    assert (report.torch, report.backend, report.python) == ("2.13.0+cpu", "cpu", "3.11.7")


def test_a_whole_full_environment_passes_every_check(site):
    site.torch("2.13.0", inside="2.13.0+cu130", cuda="13.0", libraries=("libtorch_cuda.so",), requires=CUDA_NEEDS)
    site.add("numpy", "2.4.6")
    site.add("nvidia-cudnn-cu13", "9.20.0.48")
    site.add("triton", "3.7.1")
    site.companion("torchvision", "0.28.0", inside="0.28.0+cu130", requires=("torch (==2.13.0)",))
    site.companion("torchaudio", "2.11.0", inside="2.11.0+cu130")
    steps = {**STEPS, "cuda": {"cuda": "13.0", "hip": None, "built": True, "available": False}}
    full = (
        pin("torch", "2.13.0"),
        pin("triton", "3.7.1"),
        pin("nvidia-cudnn-cu13", "9.20.0.48"),
        pin("torchvision", "0.28.0"),
        pin("torchaudio", "2.11.0"),
    )
    report = judge(Case(evidence=gather(site, steps=steps), expected=FULL, lock=lock_of(full=full)))
    assert {check.status for check in report.checks} == {"pass"}
    assert report.backend == "full"


# --- torch-present ----------------------------------------------------------------------------------------------------


def test_no_torch(site):
    result = run(site, "torch-present")
    assert (result.status, result.found) == ("fail", "torch is not installed")


def test_without_torch_what_asks_about_torch_is_skipped(site):
    report = judge(Case(evidence=gather(site, steps={}), expected=CPU))
    assert [check.id for check in report.failures] == ["torch-present"]
    assert report.torch is None
    assert report.backend is None


def test_torch_without_its_package(site):
    site.torch()
    (site.path / "torch/__init__.py").unlink()
    result = run(site, "torch-present")
    assert result.found == "metadata of torch 2.13.0+cpu is there, but its package is not"


def test_torch_without_metadata(site):
    for path in sorted(site.torch().iterdir()):
        path.unlink()
    (site.path / "torch-2.13.0+cpu.dist-info").rmdir()
    assert run(site, "torch-present").found == "a torch package is there, but no distribution of that name"


def test_torch_twice(site):
    site.torch()
    site.add("torch", "2.12.0")
    result = run(site, "torch-present")
    assert result.status == "fail"
    assert "torch-2.12.0.dist-info" in result.found
    assert "torch-2.13.0+cpu.dist-info" in result.found


# --- build-identity and cuda-none -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "inside"),
    [
        ("2.13.0+cpu", "2.13.0+cpu"),
        ("2.15.0", "2.15.0+cpu"),  # the default index's wheel for Windows
        ("2.13.0", "2.13.0"),  # macOS
        ("2.13.0a0+git0123abc", "2.13.0a0+git0123abc"),  # built from source
    ],
)
def test_cpu_builds(site, metadata, inside):
    site.torch(metadata, inside=inside)
    assert run(site, "build-identity").status == "pass"
    assert run(site, "cuda-none").status == "pass"


@pytest.mark.parametrize(
    ("build", "words", "backend"),
    [
        ({"inside": "2.13.0+cu130", "cuda": "13.0"}, "CUDA 13.0", "cu130"),
        ({"inside": "2.13.0+rocm6.4", "hip": "6.4.43482"}, "ROCm 6.4.43482", "rocm6.4"),
    ],
)
def test_a_gpu_build_is_not_cpu(site, build, words, backend):
    site.torch("2.13.0", **build)
    result = run(site, "build-identity")
    assert (result.status, result.found) == ("fail", f"torch {build['inside']} is a build for {words}")
    assert run(site, "cuda-none").status == "fail"
    assert judge(Case(evidence=gather(site), expected=CPU)).backend == backend


def test_a_version_that_claims_cuda_is_not_cpu(site):
    site.torch("2.13.0+cu130", cuda=None)
    assert run(site, "build-identity").status == "fail"


def test_metadata_and_file_of_different_versions(site):
    site.torch("2.12.0+cpu", inside="2.13.0+cpu")
    assert run(site, "build-identity").found == "metadata says 2.12.0+cpu, torch/version.py says 2.13.0+cpu"


def test_version_py_that_cannot_be_read(site):
    site.torch()
    (site.path / "torch/version.py").write_text("__version__ = (")
    result = run(site, "build-identity")
    assert result.status == "fail"
    assert result.found.startswith("torch/version.py cannot be read (SyntaxError")
    assert run(site, "cuda-none").status == "skip"


def test_cuda_that_only_shows_at_run_time(site):
    site.torch()
    steps = {**STEPS, "cuda": {**STEPS["cuda"], "cuda": "13.0"}}
    assert run(site, "cuda-none", steps=steps).found == "torch.version.cuda is 13.0"


LINUX_X86 = MARKERS
LINUX_ARM = {"platform_machine": "aarch64"}
WINDOWS = {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"}


@pytest.mark.parametrize(
    ("markers", "torch", "status"),
    [
        (LINUX_X86, {"version": "2.13.0", "inside": "2.13.0+cu130", "cuda": "13.0"}, "pass"),
        (LINUX_X86, {"version": "2.13.0+cpu"}, "fail"),
        (LINUX_X86, {"version": "2.13.0"}, "fail"),
        (LINUX_ARM, {"version": "2.5.0", "requires": ()}, "pass"),
        (LINUX_ARM, {"version": "2.13.0", "requires": CUDA_NEEDS}, "fail"),
        (WINDOWS, {"version": "2.15.0", "inside": "2.15.0+cpu"}, "pass"),
        (WINDOWS, {"version": "2.15.0+cpu"}, "fail"),
        (MACOS, {"version": "2.13.0"}, "pass"),
    ],
)
def test_what_full_torch_is_on_each_platform(site, markers, torch, status):
    site.torch(**torch)
    assert run(site, "build-identity", expected=FULL, steps=STEPS, markers=markers).status == status


@pytest.mark.parametrize(("name", "status"), [("cu130", "pass"), ("cu128", "fail")])
def test_one_gpu_backend(site, name, status):
    site.torch("2.13.0+cu130", cuda="13.0")
    assert run(site, "build-identity", expected=parse_backend(name)).status == status


# --- words ------------------------------------------------------------------------------------------------------------


def test_listing():
    assert listing(["a", "b"]) == "a, b"
    assert listing([str(number) for number in range(6)]) == "0, 1, 2, 3 and 2 more"
    assert listing(["a", "b", "c", "d", "e"], 9) == "a, b, c, d and 5 more"


@pytest.mark.parametrize(
    ("tag", "platform", "machine"),
    [
        ("cp312-cp312-win_amd64", "win32", "AMD64"),
        ("cp312-none-macosx_11_0_arm64", "darwin", "arm64"),
        ("cp312-cp312-manylinux_2_28_aarch64", "linux", "aarch64"),
    ],
)
def test_the_target_of_a_folder_is_read_from_the_wheel_in_it(tmp_path, site, tag, platform, machine):
    other = type(site)(tmp_path / "Lib" / "site-packages")
    other.torch(tag=tag)
    environment = static_environment(gather(other))
    assert environment["sys_platform"] == platform
    assert environment["platform_machine"] == machine
    assert environment["python_version"] == "3.12"
