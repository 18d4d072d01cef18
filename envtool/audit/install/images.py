"""Which container images, runners and device requests need a GPU."""

from __future__ import annotations

import re

_NVIDIA = re.compile(r"^(?:[\w.-]+(?::\d+)?/)*nvidia/(cuda|cudagl|pytorch|tensorflow|tritonserver|tensorrt|nemo)\b")
_TAGGED = re.compile(r"(^|[^a-z])(cuda|cudnn|rocm|nvidia)|(^|[-_/:])gpu([-_:.\d]|$)|(^|[-_:.])cu1[0-3]\.?\d([-_.]|$)")
_CPU = re.compile(r"(^|[^a-z])cpu([^a-z]|$)")
_RUNNER = re.compile(
    r"gpu|cuda|nvidia|(^|[^a-z0-9])(a100|h100|v100|a10g?|l4|l40s?|t4|rtx[-_ ]?\d{4})([^a-z0-9]|$)", re.I
)


def needs_gpu(image: str) -> str:
    """Why an image is one for GPUs, in words; empty if nothing says so (an unknown variable says nothing)."""
    name = image.strip("\"'").lower()
    if not name or name.startswith(("$", "{{")) or name == "scratch":
        return ""
    path, _, tag = name.split("@")[0].rpartition(":") if ":" in name.rsplit("/", 1)[-1] else (name, "", "")
    repository = path or name
    if _CPU.search(tag) and not _TAGGED.search(tag):
        return ""
    if _NVIDIA.search(repository):
        return "NVIDIA's CUDA image"
    if "nvcr.io/" in name:
        return "an image of NVIDIA's registry"
    if re.search(r"(^|/)pytorch/pytorch$", repository):
        # Every tag of it has CUDA, "latest" too; there is no CPU variant.
        return "PyTorch's CUDA image"
    if re.search(r"(^|/)rocm/", repository):
        return "a ROCm image"
    if _TAGGED.search(tag) or _TAGGED.search(repository):
        return "an image for GPUs, by its name"
    return ""


def is_gpu_runner(label: str) -> bool:
    """Whether the label of a CI runner asks for a GPU."""
    return _RUNNER.search(re.sub(r"\$\{\{.*?\}\}", "", label)) is not None
