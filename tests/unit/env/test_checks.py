"""Every check, on evidence from generated folders and on steps as a probe tells them: pass, fail, skip."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from envtool.env.checks import CPU_CHECKS, GPU_CHECKS, Case, checks_for
from envtool.env.checks.case import listing, plural, static_environment
from envtool.env.checks.installed import paired
from envtool.env.evidence import Evidence, parse_evidence
from envtool.env.probe import static_evidence
from envtool.env.verify import judge
from envtool.models import Lock, LockFile, Pin
from envtool.torch.backends import CPU, FULL, Backend, parse_backend

MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6",
    "platform_system": "Linux",
    "platform_version": "1",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}
STEPS: dict[str, dict[str, Any]] = {
    "import-torch": {"seconds": 2.0, "version": "2.13.0+cpu", "file": "/x"},
    "cuda": {"cuda": None, "hip": None, "built": False, "available": False},
    "tensor-op": {"matmul": [[5.0, 14.0], [14.0, 50.0]], "conv2d": [4.0, 4.0, 4.0, 4.0], "solve": [0.8, 1.4]},
    "numpy": {"version": "2.4.6", "sum": 6.0},
    "torchscript-construct": {"construct": True},
    "torchscript": {"eager": [23.0], "loaded": [23.0], "device": "cpu"},
    "torchvision": {"version": "0.28.0+cpu", "kept": [0, 2]},
    "torchaudio": {"version": "2.11.0+cpu", "filtered": [1.0, 0.5, 0.25, 0.125]},
}
CUDA_NEEDS = (
    'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"',
    'triton==3.7.1; platform_system == "Linux"',
    'pyyaml; extra == "pyyaml"',
)


def gather(site, *, steps=None, markers=None, environment=None) -> Evidence:
    """Evidence of a folder; with ``steps`` as if an interpreter had run, ``{name: values, or an error's text}``."""
    data = static_evidence(site.path)
    if steps is not None:
        data["interpreter"] = {
            "executable": "/env/bin/python",
            "markers": {**MARKERS, **(markers or {})},
            "environment": environment or {},
        }
        data["steps"] = {
            name: {"ok": True, "values": value}
            if isinstance(value, dict)
            else {"ok": False, "error": {"type": "RuntimeError", "message": value}}
            for name, value in steps.items()
        }
    return parse_evidence(data)


def run(site, check, *, expected: Backend = CPU, lock: Lock | None = None, **more):
    report = judge(Case(evidence=gather(site, **more), expected=expected, lock=lock))
    (result,) = (item for item in report.checks if item.id == check)
    if result.status == "fail":
        assert result.why
        assert result.fix
    else:
        assert result.fix == ""
    return result


def lock_of(*pins: Pin, torch=(), full=()) -> Lock:
    return Lock(
        torch={
            "cpu": LockFile(filename="torch-cpu.txt", backend="cpu", pins=tuple(torch)),
            "full": LockFile(filename="torch-full.txt", backend="full", pins=tuple(full)),
        },
        rest=LockFile(filename="requirements.txt", backend=None, pins=pins),
        inputs="",
        requirements=(),
        constraints=(),
        gpu_packages="default",
        python=">=3.10",
        pythons=("3.11",),
        targets=("linux-x86_64",),
    )


def pin(name, version, marker=None) -> Pin:
    return Pin(name=name, version=Version(version), marker=marker)


TORCH_PINS = (
    pin("torch", "2.13.0", "sys_platform == 'darwin'"),
    pin("torch", "2.13.0+cpu", "sys_platform != 'darwin'"),
)


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
MACOS = {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"}


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


# --- GPU payload ------------------------------------------------------------------------------------------------------


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


# --- installed-matches-lock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        ("2.13.0+cu130", "torch is 2.13.0+cu130 (locked: 2.13.0+cpu)"),
        ("2.13.0", "torch is 2.13.0 (locked: 2.13.0+cpu)"),
        ("2.12.0+cpu", "torch is 2.12.0+cpu (locked: 2.13.0+cpu)"),
    ],
)
def test_another_version_than_locked(site, installed, found):
    site.torch(installed)
    result = run(site, "installed-matches-lock", lock=lock_of(torch=TORCH_PINS))
    assert (result.status, result.found) == ("fail", found)


def test_a_locked_package_that_is_missing(site):
    site.torch()
    result = run(site, "installed-matches-lock", lock=lock_of(pin("numpy", "2.4.6"), torch=TORCH_PINS))
    assert result.found == "numpy is missing (locked: 2.4.6)"


def test_markers_are_those_of_the_target(site):
    site.torch("2.13.0", tag="cp311-none-macosx_11_0_arm64")
    lock = lock_of(pin("colorama", "0.4.6", "sys_platform == 'win32'"), torch=TORCH_PINS)
    assert run(site, "installed-matches-lock", lock=lock).found == "1 pin installed as locked"
    assert run(site, "installed-matches-lock", lock=lock, steps=STEPS, markers=MACOS).status == "pass"
    assert run(site, "installed-matches-lock", lock=lock, steps=STEPS).status == "fail"


def test_what_is_not_in_the_lock_is_mentioned_but_for_seeded_tools(site):
    site.torch()
    site.add("pip", "26.0")
    site.add("my-app", "0.1")
    result = run(site, "installed-matches-lock", lock=lock_of(torch=TORCH_PINS))
    assert (result.status, result.found) == ("pass", "1 pin installed as locked; not in the lock: my-app")


def test_a_version_that_is_none(site):
    site.torch()
    site.add("numpy", "not-a-version")
    lock = lock_of(pin("numpy", "2.4.6"), torch=TORCH_PINS)
    assert run(site, "installed-matches-lock", lock=lock).found == "numpy is not-a-version (locked: 2.4.6)"


def test_without_a_lock_or_its_file(site):
    site.torch("2.13.0+cu128", cuda="12.8")
    assert run(site, "installed-matches-lock").status == "skip"
    result = run(site, "installed-matches-lock", lock=lock_of(torch=TORCH_PINS), expected=parse_backend("cu128"))
    assert result.status == "skip"
    assert result.found.startswith("the lock has no file for cu128")


# --- record -----------------------------------------------------------------------------------------------------------


def test_record_names_the_missing_file_and_its_distribution(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").unlink()
    result = run(site, "record")
    assert result.found == "1 file missing: torch/lib/libc10.so (torch 2.13.0+cpu)"


def test_record_names_the_changed_file(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").write_bytes(b"")
    assert run(site, "record").found.endswith("torch/lib/libc10.so (torch 2.13.0+cpu) has 0 bytes, RECORD says 13")


@pytest.mark.parametrize(("installer", "status"), [("uv", "fail"), ("pip", "fail"), ("debian", "pass"), (None, "pass")])
def test_a_record_that_is_gone(site, installer, status):
    site.torch()
    site.add("app", "1.0", installer=installer, record=False)
    assert run(site, "record").status == status


def test_metadata_that_cannot_be_read(site):
    site.torch()
    (site.add("app", "1.0") / "METADATA").write_bytes(b"\xff")
    result = run(site, "record")
    assert result.found.startswith("unreadable metadata: app-1.0.dist-info: UnicodeDecodeError")


def test_a_distribution_twice(site):
    site.torch()
    site.add("numpy", "2.4.6")
    site.add("numpy", "2.4.5")
    assert "numpy is installed twice" in run(site, "record").found


def test_an_egg_info_beside_a_dist_info_is_debians(site):
    site.torch()
    site.add("cryptography", "38.0.4", installer=None, record=False)
    (site.path / "cryptography.egg-info").mkdir()
    (site.path / "cryptography.egg-info/PKG-INFO").write_text("Name: cryptography\nVersion: 38.0.4\n")
    result = run(site, "record")
    assert result.status == "pass"
    assert result.found.endswith("; 2 distributions without a RECORD to compare with")


def test_record_passes_with_a_count(site):
    site.torch()
    assert run(site, "record").found == "8 files as recorded, by size"


# --- the family -------------------------------------------------------------------------------------------------------


def test_a_cuda_companion_beside_cpu_torch(site):
    site.torch()
    site.companion("torchvision", "0.28.0", inside="0.28.0+cu130", requires=("torch==2.13.0",))
    result = run(site, "family-builds")
    assert (result.status, result.found) == ("fail", "torch 2.13.0+cpu with torchvision 0.28.0+cu130")
    assert run(site, "family-versions").status == "pass"


def test_a_cpu_companion_beside_cuda_torch(site):
    site.torch("2.13.0+cu130", cuda="13.0")
    site.companion("torchvision", "0.28.0+cpu")
    assert run(site, "family-builds", expected=FULL).status == "fail"


def test_no_companion(site):
    site.torch()
    assert run(site, "family-builds").status == "skip"
    assert run(site, "family-versions").status == "skip"


@pytest.mark.parametrize(
    ("name", "version", "requires", "status"),
    [
        ("torchvision", "0.28.0+cpu", ("torch==2.13.0",), "pass"),
        ("torchvision", "0.27.0+cpu", ("torch==2.12.0",), "fail"),
        # Metadata goes before the table.
        ("torchvision", "0.27.0+cpu", ("numpy", "torch (==2.13.0)"), "pass"),
        ("torchvision", "0.28.1+cpu", (), "pass"),
        ("torchvision", "0.27.0+cpu", (), "fail"),
        ("torchvision", "0.27.0+cpu", ("!! not a requirement",), "fail"),
        ("torchaudio", "2.11.0+cpu", (), "pass"),
        ("torchaudio", "2.10.0+cpu", (), "fail"),
        ("torchaudio", "what", (), "fail"),
    ],
)
def test_versions_of_companions(site, name, version, requires, status):
    site.torch()
    site.companion(name, version, requires=requires)
    assert run(site, "family-versions").status == status


@pytest.mark.parametrize(
    ("name", "torch", "requirement"),
    [
        ("torchvision", "2.0.1", "torchvision==0.15.*"),
        ("torchvision", "2.14.0+cpu", "torchvision==0.29.*"),
        ("torchaudio", "2.9.1", "torchaudio==2.9.*"),
        ("torchaudio", "2.11.0", "torchaudio==2.11.*"),
        ("torchaudio", "2.14.0", "torchaudio==2.11.*"),
    ],
)
def test_the_release_table(name, torch, requirement):
    assert paired(name, Version(torch)) == Requirement(requirement)


def test_no_table_for_another_major_version():
    assert paired("torchvision", Version("1.13.1")) is None


# --- at run time ------------------------------------------------------------------------------------------------------


def test_an_import_that_fails_skips_what_comes_after(site):
    site.torch()
    steps = {"import-torch": "libgomp.so.1: cannot open shared object file\nand a page of text"}
    result = run(site, "torch-import", steps=steps)
    assert result.found == "import torch: RuntimeError: libgomp.so.1: cannot open shared object file"
    report = judge(Case(evidence=gather(site, steps=steps), expected=CPU))
    assert [check.id for check in report.failures] == ["torch-import"]


@pytest.mark.parametrize(
    ("check", "step", "value", "found"),
    [
        ("cuda-not-built", "cuda", {**STEPS["cuda"], "built": True}, "torch.backends.cuda.is_built() is True"),
        ("cuda-unavailable", "cuda", {**STEPS["cuda"], "available": True}, "torch.cuda.is_available() is True"),
        ("cuda-not-built", "cuda", "boom", "torch.backends.cuda.is_built(): RuntimeError: boom"),
        ("tensor-op", "tensor-op", {**STEPS["tensor-op"], "solve": [0.8, 1.5]}, "wrong numbers from solve: [0.8, 1.5]"),
        ("tensor-op", "tensor-op", "boom", "a tensor operation raised RuntimeError: boom"),
        ("torchscript", "torchscript", {**STEPS["torchscript"], "loaded": [22.0]}, None),
        ("torchscript", "torchscript", {**STEPS["torchscript"], "device": "cuda:0"}, None),
        ("torchscript", "torchscript", {"eager": [1.0], "loaded": [1.0], "device": "cpu"}, None),
        ("torchscript", "torchscript", {"eager": [float("nan")], "loaded": [float("nan")], "device": "cpu"}, None),
        ("torchscript", "torchscript", "boom", "script, save, load, forward: RuntimeError: boom"),
        ("torchscript-construct", "torchscript-construct", {"construct": False}, None),
        ("numpy-interop", "numpy", "Numpy is not available", "RuntimeError: Numpy is not available"),
        ("numpy-interop", "numpy", {"version": "2", "sum": 5.0}, None),
        ("torchvision-nms", "torchvision", "operator torchvision::nms does not exist", None),
        ("torchvision-nms", "torchvision", {"version": "0.28.0", "kept": [0, 1, 2]}, "gave [0, 1, 2], not [0, 2]"),
        ("torchaudio", "torchaudio", {"version": "2.11.0", "filtered": [1.0, 0.0, 0.0, 0.0]}, None),
    ],
)
def test_each_step_that_goes_wrong(site, check, step, value, found):
    site.torch()
    for name in ("numpy", "torchvision", "torchaudio"):
        site.add(name, "1.0")
    assert run(site, check, steps=STEPS).status == "pass"
    result = run(site, check, steps={**STEPS, step: value})
    assert result.status == "fail"
    assert found is None or result.found == found


def test_pytorch_jit_0_is_named_as_the_cause(site):
    site.torch()
    steps = {**STEPS, "torchscript-construct": {"construct": False}}
    result = run(site, "torchscript-construct", steps=steps, environment={"PYTORCH_JIT": "0"})
    assert result.fix == "PYTORCH_JIT=0 is set: unset it."


def test_cuda_built_of_full_torch(site):
    site.torch("2.13.0", inside="2.13.0+cu130", cuda="13.0")
    assert run(site, "cuda-built", expected=FULL, steps=STEPS).status == "fail"


def test_cuda_built_is_not_asked_of_a_full_torch_for_cpu(site):
    site.torch("2.13.0")
    assert run(site, "cuda-built", expected=FULL, steps=STEPS, markers=MACOS).status == "skip"


def test_static_runs_no_step(site):
    site.torch()
    report = judge(Case(evidence=gather(site), expected=CPU))
    skipped = {check.id for check in report.checks if check.status == "skip"}
    assert {"interpreter", "torch-import", "tensor-op", "torchscript", "cuda-not-built"} <= skipped
    assert report.ok
    assert report.python == "3.11"


def test_a_broken_interpreter_blames_nothing_else():
    report = judge(Case(evidence=Evidence(failure="cannot run python"), expected=CPU))
    assert [check.id for check in report.failures] == ["interpreter"]
    assert {check.status for check in report.checks} == {"fail", "skip"}
    assert report.python is None


# --- words ------------------------------------------------------------------------------------------------------------


def test_plural_and_listing():
    assert (plural(1, "file"), plural(2, "file"), plural(2, "GPU library")) == ("1 file", "2 files", "2 GPU libraries")
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
