"""``envtool`` with an index that serves GPU packages alone, which is known by its path here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from place import Place
from small_wheels import Indexes, wheel

PATH = "Public/_packaging/onnxruntime-cuda-12/pypi/simple"


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Indexes]:
    """What the default index has is there too, with other bytes and in a newer version."""
    found = Indexes(tmp_path / "feed")
    found.add(PATH, *wheel("onnxruntime-gpu", "1.18.0"))
    found.add(PATH, *wheel("leaf", "2.0", {"leaf/other.py": "rebuilt"}))
    found.add(PATH, *wheel("leaf", "9.0"))
    yield found
    found.stop()


@pytest.fixture
def url(feed: Indexes) -> str:
    return feed.default_index.removesuffix("simple") + PATH


@pytest.fixture
def place(tmp_path: Path, surroundings: dict[str, str], url: str) -> Place:
    place = Place(tmp_path / "project", surroundings)
    place.write("requirements.txt", f"--extra-index-url {url}\ntorch\nleaf\nonnxruntime-gpu\n")
    place.write("pyproject.toml", '[tool.envtool]\ntargets = ["linux-x86_64"]\ngpu-packages = "drop"\n')
    return place


def test_a_cpu_environment_does_not_ask_it(place: Place, feed: Indexes, url: str) -> None:
    done = place.done("--cpu")
    assert f"{url} serves GPU packages alone: the cpu lock does not ask it" in done.err
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}
    assert not (place.site / "leaf" / "other.py").exists()
    feed.stop()
    (place.root / ".venv").unlink()
    place.done("--cpu", "--frozen")
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}


def test_full_torch_has_what_it_serves(place: Place) -> None:
    place.done("--cpu")
    place.done("--full", "--frozen")
    assert place.installed() == {
        "leaf": "2.0",
        "nvidia_cublas": "13.0",
        "onnxruntime_gpu": "1.18.0",
        "torch": "2.13.0",
        "triton": "3.7",
    }
    assert not (place.site / "leaf" / "other.py").exists()


def test_one_that_cannot_be_reached_costs_full_torch_alone(place: Place, feed: Indexes, url: str) -> None:
    feed.stop()
    done = place.call("lock", "--json", UV_HTTP_RETRIES="0")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (place.root / "lockfiles").iterdir()) == [
        "lock.toml",
        "requirements.txt",
        "torch-cpu.txt",
    ]
    notes = {note["code"]: note["message"] for note in done.result["notes"]}
    told = notes["lock.backend-left-out"]
    assert told.startswith(f"full torch is not locked: an index cannot be reached: {url}/")
    assert told.endswith(". When it can: envtool lock --backend cpu --backend full")
    asked = place.call("lock", "--json", "--backend", "cpu", "--backend", "full", UV_HTTP_RETRIES="0")
    assert (asked.code, asked.error["code"]) == (6, "network.unreachable")


def test_keep_asks_it(place: Place) -> None:
    done = place.call("lock", "--json", "--gpu-packages", "keep", "--backend", "cpu")
    assert done.code == 0, done.err
    assert done.result["pins"]["cpu"]["leaf"] == [{"version": "9.0", "marker": None}]
    assert done.result["pins"]["cpu"]["onnxruntime-gpu"] == [{"version": "1.18.0", "marker": None}]


def test_what_only_it_has(place: Place, feed: Indexes, url: str) -> None:
    feed.add(PATH, *wheel("gpu-thing", "1.0"))
    place.write("requirements.txt", f"--extra-index-url {url}\ntorch\ngpu-thing\n")
    done = place.call("lock", "--json", "--backend", "cpu")
    assert (done.code, done.error["code"]) == (4, "resolve.unsatisfiable")
    hint = f"{url} was not asked for gpu-thing: a cpu lock asks it only with --gpu-packages keep."
    assert done.error["hint"] == hint
