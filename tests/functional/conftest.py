"""Real uv, generated wheels, and two indexes on loopback; no other host can be reached from the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from indexes import ARM, LINUX, DefaultIndex, TorchIndex
from pytest_socket import enable_socket, socket_allow_hosts
from workspace import Workspace

_CUDA = ['nvidia-cublas ; sys_platform == "linux"', 'triton ; sys_platform == "linux"']


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture
def torch_index() -> Iterator[TorchIndex]:
    """torch 2.13.0 and 2.14.0 with their partners, and what the real index lists besides."""
    index = TorchIndex()
    for torch, vision in (("2.13.0", "0.28.0"), ("2.14.0", "0.29.0")):
        index.release("torch", torch, ["leaf>=1"])
        index.release("torchvision", vision, [f"torch=={torch}"])
    index.release("torchaudio", "2.11.0")
    for platform in (LINUX, ARM):  # what lies at the root of the channel: old builds for CUDA, without a local version
        index.wheel("torch", "2.14.0", f"cp311-cp311-{platform}", ["leaf>=1"], at_root=True, metadata=False)
    index.wheel("leaf", "0.1", "py3-none-any", at_root=True, metadata=False)
    index.wheel("leaf", "999.0.0", "py3-none-any", metadata=False)
    index.wheel("poison", "999.0.0", "py3-none-any", metadata=False)
    yield index
    index.stop()


@pytest.fixture
def default_index() -> Iterator[DefaultIndex]:
    """Small packages, and the full builds of torch with their CUDA packages."""
    index = DefaultIndex()
    for version in ("1.0", "1.1", "2.0"):
        index.add("leaf", version)
    index.add("vision-app", "1.0", ["torchvision", "leaf"])
    index.add("old-app", "1.0", ["torch<2.14", "leaf"])
    index.add("speedy-app", "1.0", ["torch", "triton>=2"])
    index.add("helper-app", "1.0", ["torch", "nvidia-ml-py"])
    index.add("nvidia-ml-py", "13.0")
    index.add("nvidia-cublas", "13.0", tag="py3-none-any")
    index.add("triton", "3.7", tag="py3-none-any")
    for torch, vision in (("2.13.0", "0.28.0"), ("2.14.0", "0.29.0")):
        index.add_torch("torch", torch, ["leaf>=1", *_CUDA])
        index.add_torch("torchvision", vision, [f"torch=={torch}"])
    index.add_torch("torchaudio", "2.11.0")
    yield index
    index.stop()


@pytest.fixture
def make_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch_index: TorchIndex, default_index: DefaultIndex
) -> Any:
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", torch_index.base)
    monkeypatch.setenv("UV_DEFAULT_INDEX", default_index.url)

    def make(name: str) -> Workspace:
        root = tmp_path / name
        root.mkdir()
        return Workspace(root, monkeypatch)

    return make


@pytest.fixture
def workspace(make_workspace: Any) -> Workspace:
    found: Workspace = make_workspace("project")
    return found
