"""Checks of a bundle, by what was found."""

from __future__ import annotations

from envtool.bundle.checks import judge_audit


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
