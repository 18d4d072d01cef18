"""Which targets are left out where they have no solution together: as few as possible, and this machine's last."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envtool.errors import ResolutionError, UnsatisfiableError
from envtool.lock import full_fewer
from envtool.lock.fewer import with_most_targets
from envtool.lock.full_step import DisagreementError
from envtool.lock.task import BackendPins, LockOptions, Settled, Task
from envtool.models import Reporter, Request
from envtool.torch.select import Cell
from envtool.torch.targets import TARGETS

ALL = tuple(TARGETS)
CELLS = frozenset((target, python) for target in ALL for python in ("3.11", "3.12"))

Sets = frozenset[frozenset[str]]
solvable = st.frozensets(
    st.sampled_from([frozenset(some) for count in (1, 2, 3) for some in combinations(ALL, count)]), max_size=5
).map(
    lambda chosen: frozenset(frozenset(part) for whole in chosen for n in (1, 2, 3) for part in combinations(whole, n))
)
"""Sets of targets that have a solution together; so has every part of one."""


def no_solution(names: frozenset[str]) -> UnsatisfiableError:
    return UnsatisfiableError("resolve.unsatisfiable", f"nothing for {', '.join(sorted(names))}")


@given(solvable, st.sampled_from(ALL))
def test_as_few_as_possible_are_left_out_and_one_stays(sets: Sets, here: str) -> None:
    tried = []

    def attempt(left_out: tuple[str, ...], what: str) -> frozenset[str] | ResolutionError:
        kept = frozenset(ALL) - set(left_out)
        tried.append(kept)
        return kept if kept in sets else no_solution(kept)

    found = with_most_targets(ALL, here, attempt)
    assert len(tried) == len(set(tried))
    assert frozenset(ALL) not in tried  # that it has no solution is why we are here
    if frozenset({here}) not in sets:
        assert isinstance(found, ResolutionError)
        assert tried == [frozenset({here})]
        return
    left_out, kept = cast("tuple[tuple[str, ...], frozenset[str]]", found)
    assert kept == frozenset(ALL) - set(left_out)
    assert here in kept
    assert len(kept) == max(len(some) for some in sets if here in some)


def told(names: frozenset[str], blamed: str) -> UnsatisfiableError:
    return UnsatisfiableError("resolve.unsatisfiable", f"nothing for {names}", split=f"({TARGETS[blamed].marker})")


@given(st.sets(st.sampled_from(ALL)), st.sampled_from(ALL), st.permutations(ALL))
def test_what_the_resolver_blames_is_tried_first(hopeless: set[str], here: str, order: list[str]) -> None:
    hopeless = hopeless - {here} or {next(name for name in ALL if name != here)}
    tried = []

    def error(kept: frozenset[str]) -> UnsatisfiableError:
        return told(kept, next(name for name in order if name in kept & hopeless))

    def attempt(left_out: tuple[str, ...], what: str) -> frozenset[str] | ResolutionError:
        kept = frozenset(ALL) - set(left_out)
        tried.append(kept)
        return error(kept) if kept & hopeless else kept

    found = with_most_targets(ALL, here, attempt, error=error(frozenset(ALL)))
    left_out, kept = cast("tuple[tuple[str, ...], frozenset[str]]", found)
    assert set(left_out) == hopeless
    assert kept == frozenset(ALL) - hopeless
    # This machine's alone, and then one attempt for each that has to go: the last of three needs none.
    assert tried[0] == {here}
    assert len(tried) == len(set(tried)) == 1 + len(hopeless) - (len(hopeless) == len(ALL) - 1)


@given(solvable, st.sampled_from(ALL), st.data())
def test_a_resolver_that_blames_others_leads_to_a_solution_all_the_same(
    sets: Sets, here: str, data: st.DataObject
) -> None:
    tried = []

    def error(kept: frozenset[str]) -> UnsatisfiableError:
        blamed = data.draw(st.sampled_from([*ALL, ""]))
        return told(kept, blamed) if blamed else no_solution(kept)

    def attempt(left_out: tuple[str, ...], what: str) -> frozenset[str] | ResolutionError:
        kept = frozenset(ALL) - set(left_out)
        tried.append(kept)
        return kept if kept in sets else error(kept)

    found = with_most_targets(ALL, here, attempt, error=error(frozenset(ALL)))
    assert len(tried) == len(set(tried))
    assert isinstance(found, ResolutionError) == (frozenset({here}) not in sets)
    if not isinstance(found, ResolutionError):
        left_out, kept = cast("tuple[tuple[str, ...], frozenset[str]]", found)
        assert kept == frozenset(ALL) - set(left_out)
        assert here in kept
        assert kept in sets


@pytest.mark.parametrize("split", ["", "nonsense", "python_version < '3.9'"])
def test_what_names_no_target_blames_none(split: str) -> None:
    tried = []

    def attempt(left_out: tuple[str, ...], what: str) -> frozenset[str] | ResolutionError:
        tried.append(left_out)
        return frozenset({"x"}) if len(left_out) != 1 else no_solution(frozenset())

    error = UnsatisfiableError("resolve.unsatisfiable", "nothing", split=split)
    assert with_most_targets(ALL, "linux-x86_64", attempt, error=error) == (
        ("linux-aarch64", "macos-arm64"),
        frozenset({"x"}),
    )
    assert tried == [
        ("linux-aarch64", "macos-arm64", "windows-amd64"),
        ("linux-aarch64",),
        ("macos-arm64",),
        ("windows-amd64",),
        ("linux-aarch64", "macos-arm64"),
    ]


class Silent:
    passthrough = False

    def phase(self, name: str, detail: str = "") -> None:
        """Nothing."""


class Host:
    name = "linux-aarch64"


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task on a machine whose target has the fewest wheels."""
    monkeypatch.setattr(full_fewer, "host_target", Host)
    return make_task()


def make_task(*needed: str) -> Task:
    options = cast("LockOptions", SimpleNamespace(needed=frozenset(needed)))
    return Task(request=cast("Request", None), options=options, previous=None, reporter=cast("Reporter", Silent()))


def full(monkeypatch: pytest.MonkeyPatch, task: Task, *sets: set[str]) -> BackendPins | ResolutionError:
    """Full torch, where these sets of targets, and each part of one, have a solution."""

    hopeless: set[str] = set()

    def lock(task: Task, cells: frozenset[Cell], settled: Settled) -> BackendPins:
        names = frozenset(target for target, _ in cells)
        assert cells == {cell for cell in CELLS if cell[0] in names}
        assert not names & hopeless, "a target without a solution by itself is in vain in any company"
        hopeless.update(names if len(names) == 1 and not any(names <= some for some in sets) else ())
        if not any(names <= some for some in sets):
            raise no_solution(names)
        return BackendPins(torch=(), rest=(), cells=cells, gaps=("another gap",))

    monkeypatch.setattr(full_fewer, "lock_full", lock)
    return full_fewer.lock_full_fewer(task, CELLS, Settled(), no_solution(frozenset(ALL)))


@pytest.mark.parametrize(
    ("sets", "left_out"),
    [
        # This machine's comes before two others; where it has none of its own, the others are not lost with it.
        ([{"linux-aarch64"}, {"linux-x86_64", "windows-amd64"}], "macos-arm64, windows-amd64, linux-x86_64"),
        ([{"linux-x86_64", "windows-amd64", "macos-arm64"}], "linux-aarch64"),
        ([{"linux-x86_64", "windows-amd64"}], "linux-aarch64, macos-arm64"),
        ([{"windows-amd64", "macos-arm64"}], "linux-aarch64, linux-x86_64"),
        ([{"macos-arm64"}], "linux-aarch64, windows-amd64, linux-x86_64"),
    ],
)
def test_full_torch_is_locked_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, task: Task, sets: list[set[str]], left_out: str
) -> None:
    found = full(monkeypatch, task, *sets)
    assert isinstance(found, BackendPins)
    assert {target for target, _ in found.cells} == set(ALL) - set(left_out.split(", "))
    assert found.gaps == ("another gap", f"full torch is not locked for {left_out}")
    (note,) = found.notes
    assert note.code == "lock.backend-narrow"
    assert note.message == f"{found.gaps[1]}, for which there is no solution: nothing for {', '.join(sorted(ALL))}"


def test_where_no_target_has_a_solution_the_cause_is_that_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    found = full(monkeypatch, task)
    assert isinstance(found, UnsatisfiableError)
    assert found.message == "nothing for linux-aarch64"


def test_where_it_is_needed_here_no_other_target_is_enough(monkeypatch: pytest.MonkeyPatch, task: Task) -> None:
    found = full(monkeypatch, make_task("full"), {"linux-x86_64", "windows-amd64", "macos-arm64"})
    assert isinstance(found, UnsatisfiableError)
    assert found.message == "nothing for linux-aarch64"


def test_one_target_is_not_tried_again(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_fewer, "lock_full", None)
    error = no_solution(frozenset({"linux-x86_64"}))
    assert full_fewer.lock_full_fewer(task, frozenset({("linux-x86_64", "3.11")}), Settled(), error) is error


@pytest.mark.parametrize("problem", [DisagreementError(("leaf==1.1",)), ResolutionError("full.local", "another build")])
def test_what_is_no_want_of_a_solution_ends_it(monkeypatch: pytest.MonkeyPatch, task: Task, problem: Exception) -> None:
    def lock(task: Task, cells: frozenset[Cell], settled: Settled) -> BackendPins:
        raise problem

    monkeypatch.setattr(full_fewer, "lock_full", lock)
    with pytest.raises(type(problem)) as caught:
        full_fewer.lock_full_fewer(task, CELLS, Settled(), no_solution(frozenset(ALL)))
    assert caught.value is problem
