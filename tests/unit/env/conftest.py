from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envtool.adapters import platform
from envtool.env.generations import layout_for, write_record
from envtool.models import Generation, Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_for(tmp_path)


@pytest.fixture
def make_record() -> Callable[..., Generation]:
    def make(number: int, backend: str = "cpu", kind: str = "built", **changes: object) -> Generation:
        facts = {
            "torch": "2.13.0",
            "python": "3.11.7",
            "created": "2026-11-23T08:00:00Z",
            "healthy": True,
            **changes,
        }
        return Generation(id=number, backend=backend, kind=kind, **facts)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_environment() -> Callable[[Path, str], Path]:
    """Builds a tiny environment: an interpreter that is there, and a file that says which environment it is."""

    def make(folder: Path, name: str) -> Path:
        platform.scripts_folder(folder).mkdir(parents=True)
        if platform.is_windows():
            platform.interpreter(folder).write_bytes(b"")
        else:
            platform.interpreter(folder).symlink_to(sys.executable)
        (folder / "pyvenv.cfg").write_text("home = here\n", encoding="utf-8")
        (folder / "name.txt").write_text(name, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def add(
    layout: Layout, make_record: Callable[..., Generation], make_environment: Callable[[Path, str], Path]
) -> Callable[..., Generation]:
    """Adds a finished generation to the chain."""

    def make(number: int, backend: str = "cpu", kind: str = "built", **changes: object) -> Generation:
        one = make_record(number, backend, kind, **changes)
        make_environment(layout.generation(number), f"generation {number}")
        write_record(layout, one)
        return one

    return make
