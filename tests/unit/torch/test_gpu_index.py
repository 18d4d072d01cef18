"""Which indexes serve GPU packages alone."""

from __future__ import annotations

import pytest

from envtool.models import IndexAccess, NamedIndex
from envtool.torch.gpu_index import is_gpu_index, without_gpu_indexes

FEED = "https://pkgs.example/Public/_packaging/onnxruntime-cuda-12/pypi/simple/"


@pytest.mark.parametrize(
    "url",
    [
        "https://pypi.nvidia.com",
        "https://pypi.nvidia.com/",
        "https://name:word@PyPI.NVIDIA.com:443/simple",
        "https://pypi.ngc.nvidia.com",
        FEED,
        "https://pkgs.example/Public/_packaging/ort-cuda-13-nightly/pypi/simple",
    ],
)
def test_is_one(url: str) -> None:
    assert is_gpu_index(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://index.example/simple",
        "https://index.example/pypi.nvidia.com/simple",  # a mirror of everything, as far as anybody knows
        "https://pypi.nvidia.com.example/simple",
        "https://pkgs.example/Public/_packaging/onnxruntime/pypi/simple",
        "https://download.pytorch.org/whl/cu121",
        "https://index.example/team/cu121/simple",
        "https://[",
        "",
    ],
)
def test_is_none(url: str) -> None:
    assert not is_gpu_index(url)


def test_one_for_certain_packages_stays() -> None:
    private = NamedIndex(name="own", url="https://index.example/simple")
    gpu = NamedIndex(name="gpu", url="https://pypi.nvidia.com")
    certain = NamedIndex(name="cuml", url="https://pypi.nvidia.com", packages=("cuml-cu12",))
    access = IndexAccess(default_index=FEED, find_links=("wheels",), routes=(private, gpu, certain))
    assert without_gpu_indexes(access) == IndexAccess(
        default_index=FEED, find_links=("wheels",), routes=(private, certain)
    )
