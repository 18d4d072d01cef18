"""The checks: pure functions from a case to a result, in the order in which a cause comes before its consequences.

The first failing one names the error of the command, so what is wrong with the files stands before what goes wrong
when they are used.
"""

from __future__ import annotations

from collections.abc import Callable

from envtool.env.checks import build, installed, runtime
from envtool.env.checks.case import Case
from envtool.models import CheckResult
from envtool.torch.backends import Backend

Check = Callable[[Case], CheckResult]

_COMMON_INSTALLED: tuple[Check, ...] = (
    installed.installed_matches_lock,
    installed.record,
)
_COMMON_RUNTIME: tuple[Check, ...] = (
    runtime.tensor_op,
    runtime.numpy_interop,
    runtime.torchscript_construct,
    runtime.torchscript,
    runtime.torchvision_nms,
    runtime.torchaudio_filter,
)

CPU_CHECKS: tuple[Check, ...] = (
    runtime.interpreter,
    build.torch_present,
    build.build_identity,
    installed.family_builds,
    installed.family_versions,
    build.cuda_none,
    build.no_gpu_distributions,
    build.no_cuda_libraries,
    *_COMMON_INSTALLED,
    runtime.torch_import,
    runtime.cuda_not_built,
    runtime.cuda_unavailable,
    *_COMMON_RUNTIME,
)
"""What an environment for the CPU must be."""

GPU_CHECKS: tuple[Check, ...] = (
    runtime.interpreter,
    build.torch_present,
    build.build_identity,
    installed.family_builds,
    installed.family_versions,
    build.gpu_distributions,
    *_COMMON_INSTALLED,
    runtime.torch_import,
    runtime.cuda_built,
    *_COMMON_RUNTIME,
)
"""What an environment for full torch, or for one GPU backend, must be. No GPU is asked for."""


def checks_for(backend: Backend) -> tuple[Check, ...]:
    """The checks of an environment that is meant to be of this backend."""
    return CPU_CHECKS if backend.is_cpu else GPU_CHECKS


__all__ = ["CPU_CHECKS", "GPU_CHECKS", "Case", "Check", "checks_for"]
