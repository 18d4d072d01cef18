"""The backends of a lock share the rest; where they disagree about it, all begins again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from envtool.errors import UnsatisfiableError
from envtool.lock import make
from envtool.lock.full_step import DisagreementError
from envtool.lock.task import BackendPins, LockOptions, Settled, Task
from envtool.lock.torch_step import FamilySource
from envtool.models import Reporter, Request
from envtool.torch.backends import CPU, FULL
from envtool.torch.select import Cell

CELLS = frozenset({("linux-x86_64", "3.11")})


class Silent:
    def phase(self, name: str, detail: str = "") -> None:
        """Nothing."""


def test_the_cpu_build_is_resolved_once_where_no_versions_suit_both(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def indexed(task: Task, source: FamilySource, settled: Settled) -> BackendPins:
        asked.append(settled.extra)
        if settled.extra:
            raise UnsatisfiableError("resolve.unsatisfiable", "nothing")
        return BackendPins(torch=(), rest=(), cells=CELLS)

    def full(task: Task, cells: frozenset[Cell], settled: Settled) -> BackendPins:
        if not settled.final:
            raise DisagreementError(("leaf==1.1",))
        return BackendPins(torch=(), rest=(), cells=cells)

    monkeypatch.setattr(make, "lock_indexed", indexed)
    monkeypatch.setattr(make, "lock_full", full)
    options = SimpleNamespace(
        backends=(CPU, FULL),
        torch_index="https://mirror.example/whl",
        folders=(),
        primary="3.11",
        optional=frozenset({"full"}),
        needed=frozenset(),
    )
    task = Task(
        request=cast("Request", None),
        options=cast("LockOptions", options),
        previous=None,
        reporter=cast("Reporter", Silent()),
    )
    start = make._Locked(targets=("linux-x86_64",), pythons=("3.11",), settled=Settled())
    found = make._lock_agreeing(task, start)
    assert sorted(found.files) == ["cpu", "full"]
    assert asked == [(), ("leaf==1.1",)]
