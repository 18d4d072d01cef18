"""Values of the partial evaluation, and what torch answers in the world of a CPU-only build."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from envtool.audit.flow import Flow

_CUDA = re.compile(r"^cuda(:[\w?*]*)?$", re.IGNORECASE)
_ACCELERATOR = re.compile(r"^(cuda|mps|xpu|hip|npu|mlu|hpu|musa|privateuseone)(:[\w?*]*)?$", re.IGNORECASE)
CALLS: dict[str, object] = {
    "torch.cuda.is_available": False,
    "torch.cuda.device_count": 0,
    "torch.cuda.is_initialized": False,
    "torch.cuda.is_bf16_supported": False,
    "torch.backends.cuda.is_built": False,
    "torch.backends.cudnn.is_available": False,
    "torch.backends.mps.is_available": False,
    "torch.backends.mps.is_built": False,
    "torch.mps.is_available": False,
    "torch.xpu.is_available": False,
    "torch.xpu.device_count": 0,
    "torch.accelerator.is_available": False,
    "torch.accelerator.device_count": 0,
    "torch.accelerator.current_accelerator": None,
    "torch.distributed.is_nccl_available": False,
    "torch.distributed.is_initialized": False,
    "torch.cuda.memory_allocated": 0,
    "torch.cuda.max_memory_allocated": 0,
}
NAMES: dict[str, object] = {
    "torch.version.cuda": None,
    "torch.version.hip": None,
    "torch.utils.cpp_extension.CUDA_HOME": None,
    "torch.utils.cpp_extension.ROCM_HOME": None,
    "torch.cuda.has_half": False,
    "typing.TYPE_CHECKING": False,
}


LAUNCHER_VARIABLES = frozenset(
    {
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "GROUP_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "PMI_RANK",
        "PMI_SIZE",
        "SLURM_PROCID",
        "SLURM_LOCALID",
        "SLURM_NTASKS",
        "SLURM_JOB_ID",
        "TORCHELASTIC_RUN_ID",
    }
)
"""Set by torchrun, MPI and SLURM for each process of a distributed run, and by nobody else."""


class Value(NamedTuple):
    """A constant and the expression that holds it."""

    const: Any
    flow: Flow
    node: ast.expr


Values: TypeAlias = "frozenset[Value] | None"


def is_cuda(value: Value) -> bool:
    """Whether a constant names a CUDA device."""
    return isinstance(value.const, str) and _CUDA.match(value.const) is not None


def is_ordinal(values: Values) -> bool:
    """Whether a device is only a number: that of an accelerator, whatever kind there is."""
    return bool(values) and all(type(value.const) is int and value.const >= 0 for value in values or ())


def always_cuda(values: Values) -> bool:
    """Whether a device can only be CUDA here (or another accelerator): no way to the CPU is left."""
    if not values or not any(is_cuda(value) for value in values):
        return False
    return all(isinstance(value.const, str) and _ACCELERATOR.match(value.const) for value in values)


def one(const: object, flow: Flow, node: ast.expr) -> Values:
    """A single known value."""
    return frozenset({Value(const, flow, node)})


def union(parts: Iterable[Values]) -> Values:
    """All the values of the parts; unknown when one of them is."""
    found: set[Value] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return frozenset(found)


def mapped(
    values: Values, change: Callable[[Any], Any], flow: Flow | None = None, node: ast.expr | None = None
) -> Values:
    """The values with each constant changed; unknown when one cannot be. Their origin, unless one is given."""
    if not values:
        return None
    found = set()
    for value in values:
        const = change(value.const)
        if const is None:
            return None
        found.add(Value(const, flow or value.flow, node or value.node))
    return frozenset(found)


def device_prefix(const: object, mark: str) -> str | None:
    """``cuda:%d`` and ``cuda:{}`` as the pattern ``cuda:?``."""
    if isinstance(const, str) and mark in const:
        return const.split(mark, 1)[0] + "?"
    return None
