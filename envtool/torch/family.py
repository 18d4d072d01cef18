"""The torch family, and what carries GPU payload: the one place that knows these names.

The *family* is the set of packages that live on the PyTorch index with builds of their own per backend. Packages that
the index merely lists besides (numpy, jinja2, torchmetrics, …) are not family: there they are frozen or lag.
"""

from __future__ import annotations

import fnmatch

from packaging.utils import canonicalize_name

FAMILY: frozenset[str] = frozenset(
    {
        "fbgemm-gpu",
        "pytorch-triton",
        "pytorch-triton-rocm",
        "pytorch-triton-xpu",
        "torch",
        "torch-tensorrt",
        "torchao",
        "torchaudio",
        "torchcodec",
        "torchrec",
        "torchtext",
        "torchvision",
        "triton-rocm",
        "triton-xpu",
    }
)

# Names, not suffixes: since torch 2.11 most CUDA distributions have no -cuNN at the end.
_GPU_PATTERNS: tuple[str, ...] = (
    "apex",
    "bitsandbytes",
    "cuda-*",
    "cudf-*",
    "cuml-*",
    "cupy",
    "cupy-*",
    "deepspeed",
    "faiss-gpu*",
    "flash-attn",
    "jax-cuda*",
    "nvidia-*",
    "onnxruntime-gpu",
    "paddlepaddle-gpu",
    "pycuda",
    "pytorch-triton*",
    "tensorflow-gpu",
    "tensorrt*",
    "torch-tensorrt",
    "triton",
    "triton-*",
    "xformers",
)

# Names that a resolution must not even look at: some have no build without a GPU, and would fail it.
GPU_STAND_INS: tuple[str, ...] = (
    "apex",
    "bitsandbytes",
    "cupy",
    "cupy-cuda11x",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "deepspeed",
    "flash-attn",
    "nvidia-cublas-cu11",
    "nvidia-cublas-cu12",
    "nvidia-cuda-nvrtc-cu12",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cudnn-cu11",
    "nvidia-cudnn-cu12",
    "nvidia-nccl-cu12",
    "onnxruntime-gpu",
    "pycuda",
    "pytorch-triton",
    "tensorflow-gpu",
    "tensorrt",
    "torch-tensorrt",
    "triton",
    "triton-windows",
    "xformers",
)

# Bindings and monitors without payload: they import and answer "no driver" on a machine without a GPU.
_HELPERS: frozenset[str] = frozenset(
    {"gpustat", "nvidia-ml-py", "nvidia-ml-py3", "nvitop", "pynvml", "nvidia-smi", "nvidia-modelopt"}
)


def is_family(name: str) -> bool:
    """Whether a package lives on the PyTorch index."""
    return canonicalize_name(name) in FAMILY


def is_gpu_payload(name: str) -> bool:
    """Whether a distribution by this name carries GPU code that a CPU-only environment has no use for."""
    normal = canonicalize_name(name)
    return normal not in _HELPERS and any(fnmatch.fnmatchcase(normal, pattern) for pattern in _GPU_PATTERNS)
