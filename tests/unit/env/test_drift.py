from __future__ import annotations

from collections.abc import Callable

from envtool.env.drift import drift
from envtool.models import Generation


def test_drift_names_each_difference(make_record: Callable[..., Generation]) -> None:
    installed = (("numpy", "2.4.0"), ("old", "1"), ("pip", "26.0"), ("torch", "2.13.0+cpu"), ("x", "1.0"))
    one = make_record(1, installed=installed)
    locked = {"numpy": "2.5.0", "sympy": "1.14.0", "torch": "2.13.0", "x": "1.0.0"}
    assert drift(one, locked) == (
        "numpy: 2.5.0 locked, 2.4.0 installed",
        "old: 1 installed, not locked",
        "sympy: 1.14.0 locked, not installed",
        "torch: 2.13.0 locked, 2.13.0+cpu installed",
    )
    assert drift(one, dict(installed)) == ()
    assert drift(one, {**dict(installed), "pip": "25.0"}) == ("pip: 25.0 locked, 26.0 installed",)
    assert drift(one, None) is None
