"""Backends: which build of torch. ``cpu`` and ``cuNNN``/``rocmN.N``/``xpu`` have an index each; ``full`` has none.

The *build identity* of a wheel is its local version today (``+cpu``); should the field move on to wheel variants
(PEP 825), this is the file to change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.version import Version

from envtool.errors import UsageError
from envtool.torch.targets import Target

_PYTORCH_INDEX = re.compile(
    r"/whl(/(nightly|test|lts)[^?]*)?(/(cpu|cu\d+|rocm[\d.]+|xpu))?(/torch_stable\.html|/torch/?)?/?$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """One backend. ``local`` is the local version of its builds; None for ``full``, which is the default index's."""

    name: str
    local: str | None

    @property
    def is_cpu(self) -> bool:
        """True for the CPU backend alone."""
        return self.name == "cpu"

    def index_url(self, base: str) -> str | None:
        """The index that holds the family's builds, or None for the default index."""
        return f"{base.rstrip('/')}/{self.name}" if self.local else None

    def accepts(self, version: Version, target: Target, *, has_local: bool) -> bool:
        """Whether this version is this backend's build on this target.

        ``has_local``: whether the same release also has a build with the backend's local version on the target.
        macOS wheels never have a local version; Linux aarch64 got ``+cpu`` with torch 2.6.0 (torchvision 0.26,
        torchaudio 2.11), and the plain ones before are CPU builds. A plain Linux x86-64 or Windows wheel on the CPU
        index is an old build for CUDA, and ``+e437e35`` one for Windows on ARM: neither is ever chosen.
        """
        if self.local is None or target.sys_platform == "darwin":
            return version.local is None
        if version.local == self.local:
            return True
        return self.is_cpu and target.name == "linux-aarch64" and version.local is None and not has_local


CPU = Backend(name="cpu", local="cpu")
FULL = Backend(name="full", local=None)


KNOWN = ("cpu", "full", "cu126", "cu128", "cu130", "rocm6.4", "xpu")
"""Backends to name in a message or to complete; others of their kind are taken too."""


def parse_backend(name: str) -> Backend:
    """A backend by name. Raises UsageError (``usage.backend``)."""
    if name == "full":
        return FULL
    if name == "cpu" or re.fullmatch(r"cu\d{2,3}|rocm\d+\.\d+(\.\d+)?|xpu", name):
        return Backend(name=name, local=name)
    raise UsageError("usage.backend", f"unknown backend {name!r}", f"Backends are: {', '.join(KNOWN)}.")


def is_gpu_local(local: str | None) -> bool:
    """Whether a local version names a GPU build (``cu121``, ``rocm6.4``, ``xpu``)."""
    return local is not None and re.fullmatch(r"cu\d{2,3}(\.\w+)*|rocm[\d.]+|xpu", local) is not None


def is_pytorch_index(url: str) -> bool:
    """Whether an index or find-links URL is the PyTorch index or a mirror of it, by its path."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return host == "pytorch.org" or host.endswith(".pytorch.org") or _PYTORCH_INDEX.search(parts.path) is not None
