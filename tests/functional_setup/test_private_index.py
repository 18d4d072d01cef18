"""``envtool setup`` with an index that [tool.uv] names for one package, and that has more than this one."""

from __future__ import annotations

from pathlib import Path

from place import TARGETS, Place
from small_wheels import Indexes, wheel


def test_everything_else_comes_from_where_it_was_locked(
    tmp_path: Path, surroundings: dict[str, str], indexes: Indexes
) -> None:
    private = Indexes(tmp_path / "private")
    try:
        private.add("simple", *wheel("mine", "1.0", requires=["leaf"]))
        private.add("simple", *wheel("leaf", "9.0"))
        place = Place(tmp_path / "project", surroundings)
        settings = f'[[tool.uv.index]]\nname = "own"\nurl = "{private.default_index}"\nexplicit = true\n'
        settings += '[tool.uv.sources]\nmine = { index = "own" }\n'
        project = '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch", "mine"]\n'
        place.write("pyproject.toml", project + settings + TARGETS)
        place.done("--cpu")
        # By its name alone uv would take leaf from the private index, which is asked first and has no 2.0.
        assert place.installed() == {"leaf": "2.0", "mine": "1.0", "torch": "2.13.0+cpu"}
    finally:
        private.stop()
