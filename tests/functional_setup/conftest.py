"""Setup as a user calls it, in a process of its own: real uv, generated wheels, indexes on loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from place import TARGETS, Place
from small_wheels import Indexes

import envtool


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and not sys.platform.startswith("linux"):
            item.add_marker(pytest.mark.skip(reason="the generated wheels are for Linux"))


@pytest.fixture(scope="session")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexes]:
    """Filled once; a test that changes what is offered makes its own."""
    found = Indexes(tmp_path_factory.mktemp("indexes"))
    found.fill()
    yield found
    found.stop()


@pytest.fixture
def surroundings(indexes: Indexes, tmp_path: Path, _clean_environment: None) -> dict[str, str]:
    """The environment of the command: both indexes, a cache of the test's own, and no way out."""
    return {
        **os.environ,
        "PYTHONPATH": str(Path(envtool.__file__).parents[1]),
        "ENVTOOL_TORCH_INDEX": indexes.torch_index,
        "UV_DEFAULT_INDEX": indexes.default_index,
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "UV_HTTP_RETRIES": "0",
        "NO_PROXY": "127.0.0.1",
        "HOME": str(tmp_path / "home"),
    }


@pytest.fixture
def place(tmp_path: Path, surroundings: dict[str, str]) -> Place:
    """A project that asks for torch and leaf, locked for Linux alone."""
    found = Place(tmp_path / "project", surroundings)
    found.write("requirements.txt", "torch\nleaf\n")
    found.write("pyproject.toml", TARGETS)
    return found
