"""Evidence as a probe tells it, and one check judged on it."""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from envtool.env.checks import Case
from envtool.env.evidence import Evidence, parse_evidence
from envtool.env.probe import static_evidence
from envtool.env.verify import judge
from envtool.models import Lock, LockFile, Pin
from envtool.torch.backends import CPU, Backend

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
MACOS = {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"}
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
