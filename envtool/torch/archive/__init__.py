"""A static reader of model files: what is in a ``.pt``, ``.jit``, ``.pt2`` or safetensors file, never unpickled.

Read as zip (zipfile), pickle opcodes (pickletools), JSON and Python source (ast). ``read_model`` is the entry point.
"""

from envtool.torch.archive.facts import KIND_NAMES, DeviceUse, ModelFile, Verdict
from envtool.torch.archive.limits import ModelError
from envtool.torch.archive.reader import read_model, read_row

MODEL_SUFFIXES = frozenset(
    {".bin", ".ckpt", ".jit", ".mar", ".pt", ".pt2", ".pth", ".ptl", ".safetensors", ".torchscript", ".ts"}
)
"""Suffixes under which model files are found in a folder. What a file is, its content decides."""

TORCH_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".ptl", ".safetensors"})
"""Suffixes that nothing but models has: what is no model there is a broken one."""

__all__ = [
    "KIND_NAMES",
    "MODEL_SUFFIXES",
    "TORCH_SUFFIXES",
    "DeviceUse",
    "ModelError",
    "ModelFile",
    "Verdict",
    "read_model",
    "read_row",
]
