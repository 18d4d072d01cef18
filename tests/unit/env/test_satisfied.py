"""What decides whether a setup would change anything."""

from __future__ import annotations

from pathlib import Path

from envtool.env.satisfied import fingerprint


def test_a_file_name_that_is_no_utf_8(tmp_path: Path) -> None:
    first, second = (fingerprint(tmp_path, ["-r", name], [name], {}) for name in ("r\udcff.txt", "r\udcfe.txt"))
    assert first != second
