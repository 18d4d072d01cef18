"""Markers over the cells of a lock agree with packaging in every cell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from envtool.lock.markers import cells_of, marker_for, shorten
from envtool.lock.rest_step import environments
from envtool.models import SUPPORTED_PYTHONS
from envtool.torch.select import Cell
from envtool.torch.targets import TARGETS

ALL = frozenset((target, python) for target in TARGETS for python in SUPPORTED_PYTHONS)
some_cells = st.frozensets(st.sampled_from(sorted(ALL)), min_size=1)


def holds(marker: str | None, cell: Cell, patch: int = 5) -> bool:
    target, python = cell
    return marker is None or Marker(marker).evaluate(dict(TARGETS[target].environment(python, patch)))


@settings(deadline=None, max_examples=150)
@given(some_cells, some_cells)
def test_marker_for_holds_in_the_wanted_cells_and_in_no_other(one: frozenset[Cell], other: frozenset[Cell]) -> None:
    universe = one | other
    marker = marker_for(one, universe)
    assert {cell for cell in universe if holds(marker, cell)} == one
    assert (marker is None) == (one == universe)


atoms = st.one_of(
    st.builds(
        "sys_platform {} '{}'".format, st.sampled_from(["==", "!="]), st.sampled_from(["linux", "darwin", "win32"])
    ),
    st.builds(
        "platform_machine {} '{}'".format, st.sampled_from(["==", "!="]), st.sampled_from(["x86_64", "arm64", "AMD64"])
    ),
    st.builds(
        "python_version {} '{}'".format, st.sampled_from(["<", ">=", "==", "!="]), st.sampled_from(SUPPORTED_PYTHONS)
    ),
    st.builds(
        "python_full_version {} '{}'".format, st.sampled_from(["<", ">="]), st.sampled_from(["3.11", "3.12.4", "3.14"])
    ),
)
markers = st.recursive(
    atoms, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner), max_leaves=5
)


@settings(deadline=None, max_examples=150)
@given(markers, some_cells)
def test_a_shortened_marker_means_the_same(marker: str, cells: frozenset[Cell]) -> None:
    short, holding = shorten(marker, cells)
    for cell in cells:
        if cell not in holding:
            assert not holds(marker, cell, 0)
            assert not holds(marker, cell, 99)
        for patch in (0, 99):
            if holding:
                assert holds(short, cell, patch) == holds(marker, cell, patch), (short, cell, patch)


@settings(deadline=None, max_examples=150)
@given(markers, some_cells, some_cells)
def test_in_a_lock_of_more_cells_it_holds_in_none_of_the_others(
    marker: str, cells: frozenset[Cell], others: frozenset[Cell]
) -> None:
    short, holding = shorten(marker, cells, cells | others)
    for cell in cells | others if holding else ():
        for patch in (0, 99):
            assert holds(short, cell, patch) == (cell in cells and holds(marker, cell, patch)), (short, cell, patch)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ALL, None),
        (frozenset(c for c in ALL if c[0] == "macos-arm64"), "sys_platform == 'darwin'"),
        (frozenset(c for c in ALL if c[0] != "macos-arm64"), "sys_platform != 'darwin'"),
        (frozenset(c for c in ALL if c[1] in ("3.10", "3.11")), "python_version < '3.12'"),
        (frozenset(c for c in ALL if c[1] == "3.12"), "python_version == '3.12'"),
        (
            frozenset(c for c in ALL if c == ("linux-x86_64", "3.14")),
            "python_version >= '3.14' and sys_platform == 'linux' and platform_machine == 'x86_64'",
        ),
    ],
)
def test_markers_that_people_read(wanted: frozenset[Cell], expected: str | None) -> None:
    assert marker_for(wanted, ALL) == expected


def test_a_marker_within_a_minor_version_is_kept() -> None:
    marker = "python_full_version < '3.12.4'"
    assert shorten(marker, ALL)[0] == marker
    holding, exact = cells_of(marker, ALL)
    assert not exact
    assert {python for _, python in holding} == {"3.10", "3.11", "3.12"}


@pytest.mark.parametrize(
    "marker",
    ["python_full_version == '3.12.4'", "python_full_version >= '3.12.1' and python_full_version < '3.12.9'"],
)
def test_a_marker_for_some_patch_releases_in_the_middle_holds_there(marker: str) -> None:
    holding, exact = cells_of(marker, ALL)
    assert not exact
    assert {python for _, python in holding} == {"3.12"}


@settings(deadline=None, max_examples=100)
@given(some_cells)
def test_the_environments_cover_the_cells_and_nothing_else(cells: frozenset[Cell]) -> None:
    # uv ignores the upper bound of requires-python: the environments must hold it.
    markers = [Marker(text) for text in environments(cells)]
    for target in TARGETS.values():
        for python in (*SUPPORTED_PYTHONS, "3.9", "3.15"):
            inside = any(marker.evaluate(dict(target.environment(python))) for marker in markers)
            assert inside == ((target.name, python) in cells)
