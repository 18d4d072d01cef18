"""Indexes that serve GPU packages and nothing else: a cpu build has no question for them."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from envtool.models import IndexAccess

_HOSTS = frozenset({"pypi.ngc.nvidia.com", "pypi.nvidia.com"})
_FEEDS = ("/_packaging/onnxruntime-cuda-", "/_packaging/ort-cuda-")
"""ONNX Runtime's feeds of CUDA builds, by their paths: the rest of their host is everybody's."""


def is_gpu_index(url: str) -> bool:
    """Whether an index serves GPU packages alone. Only vendors' own are known; a company's index never is one."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    return host in _HOSTS or any(feed in parts.path.lower() for feed in _FEEDS)


def without_gpu_indexes(access: IndexAccess) -> IndexAccess:
    """The access without such indexes. One that is there for certain packages stays: it is asked for these alone."""
    kept = tuple(route for route in access.routes if route.packages or not is_gpu_index(route.url))
    return replace(access, routes=kept)
