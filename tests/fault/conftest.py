from __future__ import annotations

import os
from pathlib import Path

import pytest

from envtool.env.generations import layout_for
from envtool.models import Layout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and not hasattr(os, "fork"):
            item.add_marker(pytest.mark.skip(reason="needs fork"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_for(tmp_path)


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    # A kill takes the process, not the page cache: fsync costs these tests most of their time and shows nothing.
    monkeypatch.setattr(os, "fsync", lambda _: None)
