"""Small things in text."""

from __future__ import annotations

import pytest

from envtool.reports.tables import plural


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (2, "file", "2 files"),
        (1, "GPU library", "1 GPU library"),
        (2, "GPU library", "2 GPU libraries"),
    ],
)
def test_plural(count: int, noun: str, text: str) -> None:
    assert plural(count, noun) == text
