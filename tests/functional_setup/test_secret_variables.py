"""Secrets that a requirements file takes from variables: they work, and their values turn up nowhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from place import TARGETS, Done, Place
from small_wheels import Indexes, wheel

TOKEN = "s3cret-Value"


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Indexes]:
    """An index whose path is the secret, and a page of links that is asked for with it."""
    found = Indexes(tmp_path / "private")
    found.add(f"{TOKEN}/simple", *wheel("mine", "1.0", requires=["leaf"]))
    found.add("links", *wheel("linked", "1.0"))
    yield found
    found.stop()


@pytest.fixture
def place(tmp_path: Path, surroundings: dict[str, str], private: Indexes) -> Place:
    found = Place(tmp_path / "project", surroundings)
    found.write("pyproject.toml", TARGETS)
    host = private.default_index.removesuffix("/simple")
    options = f"--extra-index-url {host}/${{TOKEN}}/simple\n--find-links {host}/links/linked/?token=${{TOKEN}}\n"
    found.write("requirements.txt", f"{options}torch\nmine\nlinked\n")
    return found


def assert_secret(place: Place, done: Done) -> None:
    texts = [done.out, done.err]
    for path in place.root.rglob("*"):
        if path.is_file() and path.suffix in (".toml", ".txt", ".json", ".cfg", ".csv", ""):
            texts.append(path.read_text("utf-8", "replace"))
    assert len(texts) > 3
    for text in texts:
        assert TOKEN not in text, text


def test_the_lock_keeps_the_variable(place: Place, private: Indexes) -> None:
    done = place.done("--cpu", TOKEN=TOKEN)
    assert place.installed() == {"leaf": "2.0", "linked": "1.0", "mine": "1.0", "torch": "2.13.0+cpu"}
    lock = (place.root / "lockfiles" / "lock.toml").read_text(encoding="utf-8")
    assert "/${TOKEN}/simple" in lock
    assert "/links/linked/?token=${TOKEN}" in lock
    assert "/${TOKEN}/simple is kept as routing in lock.toml" in done.err
    assert_secret(place, done)
    # It is as fresh where the variable is another one, or not set.
    assert place.call("lock", "--check").code == 0
    assert place.call("lock", "--check", TOKEN="other").code == 0
    assert place.setup("--cpu").code == 0


def test_a_lock_alone(place: Place, tmp_path: Path) -> None:
    assert place.call("lock", "--backend", "cpu", TOKEN=TOKEN).code == 0
    alone = Place(tmp_path / "alone", place.environment)
    shutil.copytree(place.root / "lockfiles", alone.root / "lockfiles")
    found = alone.setup("--cpu")
    assert found.code == 2
    assert "error[request.variable]: TOKEN is not set, which the index http://127.0.0.1:" in found.err
    assert "/links/linked/?token=${TOKEN} needs" in found.err
    done = alone.done("--cpu", TOKEN=TOKEN)
    assert alone.installed() == {"leaf": "2.0", "linked": "1.0", "mine": "1.0", "torch": "2.13.0+cpu"}
    assert_secret(alone, done)


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_an_index_that_is_not_there(place: Place, private: Indexes, indexes: Indexes, resolver: str) -> None:
    wheels = indexes.folder / "whl" / "cpu" / "torch"
    place.write("requirements.txt", "--index-url http://127.0.0.1:1/${TOKEN}/simple\ntorch\nmine\n")
    words = ("--resolver", resolver, "--backend", "cpu", "--find-links", str(wheels))
    found = place.call("lock", *words, TOKEN=TOKEN, ENVTOOL_TORCH_INDEX="http://127.0.0.1:1/whl")
    assert found.code == 6, found.err
    assert "/${TOKEN}/simple/" in found.err
    assert_secret(place, found)


def test_a_link_with_a_secret(place: Place) -> None:
    place.write("requirements.txt", "torch\nmine @ https://mirror.example/${TOKEN}/mine.zip\n")
    found = place.call("lock", TOKEN=TOKEN)
    assert found.code == 4
    assert "mine @ https://mirror.example/${TOKEN}/mine.zip (requirements.txt:2)" in found.err
    assert_secret(place, found)
