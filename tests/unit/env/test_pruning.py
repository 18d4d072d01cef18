from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from envtool.env.generations import activate, list_generations, next_id, recover
from envtool.env.pruning import prune
from envtool.models import Generation, Layout

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")

Add = Callable[..., Generation]


@pytest.fixture
def chain(layout: Layout, add: Add) -> Layout:
    """1 the user's own (cpu), 2 full, 3 cpu, 4 cpu and current, 5 cpu."""
    add(1, "cpu", "adopted")
    add(2, "full")
    for number in (3, 4, 5):
        add(number)
    activate(layout, Generation(id=4, backend="", torch="", python="", created="", kind="built", healthy=True))
    return layout


@pytest.mark.parametrize(
    ("keep", "everything", "removed"),
    [
        (0, False, [3, 5]),
        (1, False, [3]),
        (2, False, [3]),
        (3, False, []),
        (0, True, [1, 2, 3, 5]),
        (1, True, [1, 2, 3]),
    ],
)
def test_what_goes_and_what_stays(chain: Layout, keep: int, everything: bool, removed: list[int]) -> None:
    planned = prune(chain, keep=keep, include_way_back=everything, dry_run=True)
    assert [one.id for one in planned.removed] == removed
    assert [one.id for one in list_generations(chain)] == [1, 2, 3, 4, 5], "a dry run changed something"
    done = prune(chain, keep=keep, include_way_back=everything)
    assert done == planned
    assert [one.id for one in list_generations(chain)] == [one for one in (1, 2, 3, 4, 5) if one not in removed]
    assert recover(chain) == ()
    assert next_id(chain) == 6


def test_it_says_why_each_one_stays(chain: Layout) -> None:
    assert [(one.id, reason) for one, reason in prune(chain, keep=1).kept] == [
        (1, "your own environment"),
        (2, "the way back"),
        (4, "current"),
        (5, "the newest"),
    ]


def test_freed_is_what_nobody_else_shares(chain: Layout) -> None:
    (chain.generation(3) / "big").write_bytes(b"x" * 100_000)
    (chain.generation(5) / "big").hardlink_to(chain.generation(3) / "big")
    small = prune(chain, keep=1, dry_run=True).freed
    assert prune(chain, keep=0, dry_run=True).freed - small > 100_000, "shared by the two that go"
    assert small < 10_000, "shared with one that stays"


def test_what_is_in_the_cache_is_not_freed(chain: Layout) -> None:
    """Where it is not in a generation that stays as well: emptying the cache would not free that either."""
    cache = chain.root / "cache"
    cache.mkdir()
    for name, numbers in (("one", (3,)), ("both", (3, 4))):
        (cache / name).write_bytes(b"x" * 100_000)
        for number in numbers:
            (chain.generation(number) / name).hardlink_to(cache / name)
    done = prune(chain, keep=1)
    assert [one.id for one in done.removed] == [3]
    assert (done.freed < 10_000, done.cached) == (True, 100_000)
    assert prune(chain, keep=1).cached == 0
