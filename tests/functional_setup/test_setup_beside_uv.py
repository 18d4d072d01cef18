"""``envtool setup`` in a project of uv's: what changed in the lock, dependency groups, and what uv would do next."""

from __future__ import annotations

from pathlib import Path

import pytest
from place import TARGETS, Place
from small_wheels import Indexes, wheel

UV = """[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = ["torch", "leaf"]

[dependency-groups]
dev = ["other"]

[tool.uv]
package = false

"""
NOTE = (
    "uv run and uv sync bring .venv to what uv.lock says, CUDA torch included: use envtool run -- CMD, "
    "or uv run --no-sync CMD"
)


def notes(text: str) -> list[str]:
    """The notes in the last lines, or on stderr."""
    return [line.split("note", 1)[1].strip() for line in text.splitlines() if line.lstrip().startswith("note ")]


@pytest.mark.parametrize(
    ("table", "lock", "said"), [(UV, False, [NOTE]), (TARGETS, True, [NOTE]), (TARGETS, False, [])]
)
def test_a_project_of_uv_is_told_once_what_uv_would_do(place: Place, table: str, lock: bool, said: list[str]) -> None:
    place.write("pyproject.toml", table if table == TARGETS else table + TARGETS)
    if lock:
        place.write("uv.lock", "version = 1\n")
    assert notes(place.done("--cpu").out) == said
    assert notes(place.done("--cpu", "--check", "true").out) == []
    assert notes(place.done("--full").out) == []
    assert place.done("--cpu", "--quiet").out == ""


def test_not_where_uv_has_another_folder(place: Place) -> None:
    place.write("pyproject.toml", UV + TARGETS + 'venv = ".venv-cpu"\n')
    assert notes(place.done("--cpu").out) == []


def test_the_default_group_of_uv_is_asked_for_by_name(place: Place) -> None:
    place.write("pyproject.toml", UV + TARGETS)
    place.done("--cpu")
    assert "other" not in place.installed()
    place.write("pyproject.toml", UV + TARGETS + 'groups = ["dev"]\n')
    done = place.done("--cpu")
    assert notes(done.err) == ["+ other 1.0  (requirements.txt)"]
    assert place.installed()["other"] == "1.0"


def test_what_changed_in_the_lock(place: Place) -> None:
    assert notes(place.done("--cpu").err) == [], "a first lock is all news"
    place.write("requirements.txt", "torch\nleaf<2\nother\n")
    assert notes(place.done("--cpu").err) == [
        "~ leaf 2.0 -> 1.0  (requirements.txt)",
        "+ other 1.0  (requirements.txt)",
    ]
    place.write("requirements.txt", "torch\n")
    done = place.call("lock", "--diff")
    assert done.out.splitlines() == ["- other 1.0  (requirements.txt)", "nothing written (--diff)"]
    assert notes(place.done("--cpu").err) == done.out.splitlines()[:-1]


@pytest.mark.parametrize(
    ("count", "last"), [(10, "+ new-9 1  (requirements.txt)"), (11, "and 2 more changes of the lock")]
)
def test_of_many_changes_the_first_ones(place: Place, tmp_path: Path, count: int, last: str) -> None:
    own = Indexes(tmp_path / "own")
    own.fill()
    place.environment |= {"ENVTOOL_TORCH_INDEX": own.torch_index, "UV_DEFAULT_INDEX": own.default_index}
    place.done("--cpu")
    names = [f"new-{number}" for number in range(count)]
    for name in names:
        own.add("simple", *wheel(name, "1"))
    place.write("requirements.txt", "torch\nleaf\n" + "\n".join(names) + "\n")
    said = notes(place.done("--cpu").err)
    own.stop()
    assert (len(said), said[-1]) == (10, last)
