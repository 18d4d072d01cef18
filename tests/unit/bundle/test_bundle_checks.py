"""Checks of a bundle, by what was found."""

from __future__ import annotations

from envtool.bundle.checks import judge_audit, judge_size
from envtool.bundle.models import Sizes


def test_an_error_that_the_build_mends_does_not_stop_it():
    check = judge_audit([("CPU201", "rt.py:2"), ("CPU202", "app.spec:1")])
    assert check.status == "pass"
    assert check.found == "what was found is mended by the build: CPU201 rt.py:2, CPU202 app.spec:1"


def test_any_other_error_stops_it():
    check = judge_audit([("CPU201", "rt.py:2"), *[("CPU212", f"app.spec:{line}") for line in range(1, 6)]])
    assert check.status == "fail"
    assert check.found == "5 errors: CPU212 app.spec:1, CPU212 app.spec:2, CPU212 app.spec:3 and 2 more"


def test_no_error():
    assert judge_audit([]).status == "pass"


def test_the_hint_of_the_size_gate_is_something_left_to_do():
    sizes = Sizes(total=2_000_000, parts=(("torch/lib", 2_000_000),))
    assert judge_size(sizes, 1_000_000, stripped=False).fix.endswith("or try --strip.")
    assert judge_size(sizes, 1_000_000, stripped=True).fix == "Leave packages out (excludes in the spec)."
    assert judge_size(sizes, 2_000_000, stripped=True).status == "pass"
