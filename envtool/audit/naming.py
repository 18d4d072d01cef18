"""What a name says: a file, job or stage that is for GPUs, or for CPUs."""

from __future__ import annotations

import re
from functools import lru_cache

from envtool.audit.models import Project, Source

_CPU = re.compile(r"(^|[^a-z])cpu(only)?([^a-z]|$)")
_GPU = re.compile(
    r"gpu|cuda|cublas|hipblas|nvidia|rocm|tensorrt|jetson|(^|[^a-z])(cu\d{2,3}|cu\d\d\.\d|l4t|xpu|hpu|gaudi|npu|ascend|neuron|tpu|trt)([^a-z0-9]|$)"
)
_ELSEWHERE = re.compile(
    r"apple|mac(os)?(?![a-z])|darwin|osx|windows|(^|[^a-z])(win|mps|mlx|ios|coreml|directml|dml)([^a-z]|$)"
)
_CHOICE = re.compile(
    r"gpu|cuda|nvidia|rocm|xpu|\bcu\d{2,3}\b|\bcpu\b|cublas|hipblas|device|accelerator|backend|compute|torch_|build_type|profile",
    re.I,
)

_SIDE = re.compile(
    r"(^|[^a-z])(dev|develop|tests?|testing|docs?|readthedocs|lint|ci|build|examples?|optional)([^a-z/][^/]*)?$"
)
"""Files for developers: what an application runs with is not decided there."""


@lru_cache(maxsize=4096)
def is_side(path: str) -> bool:
    """Whether a file is named for developers (``requirements-dev.txt``)."""
    return _SIDE.search(path.lower()) is not None


@lru_cache(maxsize=4096)
def says_cpu(name: str) -> bool:
    """Whether a name speaks of CPUs and not of GPUs."""
    return _CPU.search(name.lower()) is not None and _GPU.search(name.lower()) is None


@lru_cache(maxsize=4096)
def says_gpu(name: str) -> bool:
    """Whether a name speaks of GPUs and not of CPUs."""
    return _GPU.search(name.lower()) is not None and _CPU.search(name.lower()) is None


def says_not_linux(name: str) -> bool:
    """Whether a file name speaks of another platform than Linux."""
    return _ELSEWHERE.search(name.lower()) is not None


def is_choice(condition: str) -> bool:
    """Whether a condition around a command chooses between devices."""
    return _CHOICE.search(condition) is not None


def _own_part(source: Source) -> str:
    """The part of a path that tells variants apart: the name and its folder (``docker/cuda/Dockerfile``)."""
    return "/".join(source.path.split("/")[-2:])


def is_gpu_variant(source: Source, project: Project) -> bool:
    """Whether a file is named for GPUs and has a sibling of its kind that is not."""
    return says_gpu(_own_part(source)) and any(
        other is not source and not says_gpu(_own_part(other)) for other in project.of_kind(source.kind)
    )


def has_cpu_sibling(source: Source, project: Project) -> bool:
    """Whether the project has another file of this kind that is named for CPUs."""
    return any(other is not source and says_cpu(_own_part(other)) for other in project.of_kind(source.kind))


def is_cpu_file(source: Source) -> bool:
    """Whether a file is named for CPUs (``Dockerfile.cpu``)."""
    return says_cpu(_own_part(source))
