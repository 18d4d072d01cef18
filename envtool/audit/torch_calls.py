"""The functions of torch.cuda that raise on a CPU-only build, each run with torch 2.13.0+cpu."""

from __future__ import annotations

ASSERTS = frozenset(
    {
        "can_device_access_peer",
        "caching_allocator_alloc",
        "cudart",
        "current_blas_handle",
        "current_device",
        "current_stream",
        "default_stream",
        "get_device_capability",
        "get_device_name",
        "get_device_properties",
        "get_per_process_memory_fraction",
        "get_rng_state",
        "get_sync_debug_mode",
        "init",
        "initial_seed",
        "ipc_collect",
        "mem_get_info",
        "profiler.start",
        "profiler.stop",
        "set_per_process_memory_fraction",
        "set_sync_debug_mode",
        "synchronize",
    }
)
"""AssertionError: Torch not compiled with CUDA enabled."""

MISSING = {
    "change_current_allocator": "AttributeError: module 'torch._C' has no attribute '_cuda_changeCurrentAllocator'",
    "get_allocator_backend": "AttributeError: module 'torch._C' has no attribute '_cuda_getAllocatorBackend'",
    "memory._dump_snapshot": "AttributeError: module 'torch._C' has no attribute '_cuda_memorySnapshot'",
    "memory._record_memory_history": "AttributeError: module 'torch._C' has no attribute '_cuda_record_memory_history'",
    "memory._snapshot": "AttributeError: module 'torch._C' has no attribute '_cuda_memorySnapshot'",
    "memory_snapshot": "AttributeError: module 'torch._C' has no attribute '_cuda_memorySnapshot'",
    "memory_summary": "KeyError: 'allocated_bytes.all.current'",
    "reset_accumulated_memory_stats": (
        "AttributeError: module 'torch._C' has no attribute '_cuda_resetAccumulatedMemoryStats'"
    ),
    "reset_accumulated_host_memory_stats": (
        "AttributeError: module 'torch._C' has no attribute '_cuda_resetAccumulatedHostMemoryStats'"
    ),
    "reset_max_memory_allocated": "AttributeError: module 'torch._C' has no attribute '_cuda_resetPeakMemoryStats'",
    "reset_max_memory_cached": "AttributeError: module 'torch._C' has no attribute '_cuda_resetPeakMemoryStats'",
    "reset_peak_host_memory_stats": (
        "AttributeError: module 'torch._C' has no attribute '_cuda_resetPeakHostMemoryStats'"
    ),
    "reset_peak_memory_stats": "AttributeError: module 'torch._C' has no attribute '_cuda_resetPeakMemoryStats'",
    "set_device": "AttributeError: module 'torch._C' has no attribute '_cuda_setDevice'",
}
"""What the C extension of a CPU-only build does not have."""

DUMMIES = {
    "CUDAGraph": "RuntimeError: Tried to instantiate dummy base class CUDAGraph",
    "Event": "RuntimeError: Tried to instantiate dummy base class Event",
    "MemPool": "RuntimeError: Tried to instantiate dummy base class MemPool",
    "Stream": "RuntimeError: torch.cuda.Stream requires CUDA support",
    "graph": "RuntimeError: torch.cuda.Stream requires CUDA support",
    "graph_pool_handle": "RuntimeError: Tried to instantiate dummy base class _graph_pool_handle",
    "is_current_stream_capturing": (
        "RuntimeError: Tried to instantiate dummy base class _cuda_isCurrentStreamCapturing"
    ),
    "make_graphed_callables": "RuntimeError: Tried to instantiate dummy base class CUDAGraph",
    "nvtx.mark": "RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?",
    "nvtx.range": "RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?",
    "nvtx.range_pop": "RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?",
    "nvtx.range_push": "RuntimeError: NVTX functions not installed. Are you sure you have a CUDA build?",
}
"""Classes and functions that a CPU-only build has as stand-ins which raise."""

NO_ACCELERATOR = "RuntimeError: Cannot access accelerator device when none is available."
"""What a device that is only a number says, and most of torch.accelerator."""

ACCELERATOR = frozenset(
    {
        "current_device_idx",
        "current_device_index",
        "current_stream",
        "empty_cache",
        "empty_host_cache",
        "get_device_capability",
        "get_memory_info",
        "max_memory_allocated",
        "max_memory_reserved",
        "memory_allocated",
        "memory_reserved",
        "memory_stats",
        "reset_accumulated_memory_stats",
        "reset_peak_memory_stats",
        "set_device_idx",
        "set_device_index",
        "set_stream",
        "synchronize",
    }
)
"""Functions of torch.accelerator that say so. Harmless: is_available, device_count, current_accelerator (None)."""

_PARTS = ("memory.", "random.", "streams.", "graphs.")


def needs_accelerator(dotted: str) -> bool:
    """Whether a function is one of torch.accelerator that raises where there is none."""
    name = dotted.removeprefix("torch.accelerator.").removeprefix("memory.")
    return dotted.startswith("torch.accelerator.") and name in ACCELERATOR


def short_name(dotted: str) -> str:
    """How the tables call a function of torch.cuda: ``torch.cuda.memory.mem_get_info`` is ``mem_get_info``."""
    name = dotted.removeprefix("torch.cuda.") if dotted.startswith("torch.cuda.") else ""
    if name in MISSING:
        return name
    return next((name.removeprefix(part) for part in _PARTS if name.startswith(part)), name)
