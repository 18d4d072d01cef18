"""Lock to text and back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from envtool.errors import LockError
from envtool.lock.text import parse_lock, parse_pins, read_lock, render_file, render_lock
from envtool.models import LocalProject, Lock, LockFile, Pin, Route

digests = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=3, unique=True)
pins = st.builds(
    lambda name, version, marker, hashes: Pin(
        name=name, version=Version(version), marker=marker, hashes=tuple(sorted(hashes))
    ),
    st.sampled_from(["torch", "numpy", "a-b-c", "x1"]),
    st.sampled_from(["1.0", "2.13.0+cpu", "1!2.0rc1.post3.dev4", "2026.11.23", "0.0.1a1"]),
    st.sampled_from([None, 'sys_platform == "darwin"', 'python_version < "3.12" and sys_platform != "win32"']),
    digests,
)


def key(pin: Pin) -> tuple[str, Version, str]:
    return (pin.name, pin.version, pin.marker or "")


@settings(deadline=None, max_examples=40)
@given(st.lists(pins, max_size=5, unique_by=key), st.randoms())
def test_pins_survive_the_text(listed: list[Pin], random: object) -> None:
    file = LockFile(filename="torch-cpu.txt", backend="cpu", pins=tuple(listed))
    text = render_file(file)
    found = parse_pins(text, "torch-cpu.txt")
    assert sorted(found, key=key) == list(found) == sorted(listed, key=key)
    shuffled = sorted(listed, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert render_file(LockFile(filename="torch-cpu.txt", backend="cpu", pins=tuple(shuffled))) == text


def make_lock() -> Lock:
    pin = Pin(name="torch", version=Version("2.13.0+cpu"), marker='sys_platform != "darwin"', hashes=("a" * 64,))
    other = Pin(name="numpy", version=Version("2.1.0"), hashes=("b" * 64, "c" * 64))
    return Lock(
        torch={"cpu": LockFile(filename="torch-cpu.txt", backend="cpu", pins=(pin,))},
        rest=LockFile(filename="requirements.txt", backend=None, pins=(other,)),
        inputs="sha256:1",
        requirements=("numpy", "torch"),
        constraints=("numpy<3",),
        gpu_packages="drop",
        python=">=3.10",
        pythons=("3.10", "3.11"),
        targets=("linux-x86_64",),
        routes=(Route(name="route-1", url="https://private.example/simple"),),
        projects=(LocalProject(path=".", name="app", editable=True, extras=("web",)),),
        gaps=("torch 2.13.0 has no build for Python 3.14 on windows-amd64",),
        tools={"envtool": "1", "uv": "2"},
    )


def test_a_whole_lock_survives() -> None:
    assert parse_lock(render_lock(make_lock()), "lockfiles") == make_lock()


def write(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("numpy>=2", "is not pinned to one version"),
        ("numpy", "is not pinned to one version"),
        ("numpy==2.0", "numpy has no sha256"),
        ("numpy===any --hash=sha256:00", "numpy has no version that can be read"),
        ("numpy==2.0 --hash=md5:00", "numpy has no sha256"),
        ("--index-url https://private.example/simple", "is not a pin"),
        ("numpy @ https://private.example/numpy-1.0-py3-none-any.whl", "is not pinned to one version"),
        ("?!", "is not a pin"),
    ],
)
def test_a_line_that_is_no_pin(line: str, words: str) -> None:
    with pytest.raises(LockError) as caught:
        parse_pins(f"# a lock\n{line}\n", "lockfiles/requirements.txt")
    assert caught.value.code == "lock.malformed"
    assert caught.value.message.startswith("lockfiles/requirements.txt:2: ")
    assert words in caught.value.message


def test_no_lock(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(tmp_path / "lockfiles")
    assert (caught.value.code, caught.value.message) == ("lock.missing", "there is no lockfiles/lock.toml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('targets = [\n    "linux-x86_64",\n]', "targets = []"),
        ('targets = [\n    "linux-x86_64",\n]', "targets = 1"),
        ('targets = [\n    "linux-x86_64",\n]', "targets = [1]"),
        ('python = ">=3.10"', "python = 3"),
        ('python = ">=3.10"', 'python = "abc"'),
        ('pythons = [\n    "3.10",\n    "3.11",\n]', 'pythons = "3.10"'),
        ("version = 1", 'version = "1"'),
        ('requirements = [\n    "numpy",\n    "torch",\n]', "requirements = 1"),
        ('requirements = [\n    "numpy",\n    "torch",\n]', "requirements = [1]"),
        ('constraints = [\n    "numpy<3",\n]', 'constraints = [["numpy"]]'),
        ('"numpy<3"', '"numpy<"'),
        ('    "torch",', '    "torch @",'),
        ('path = "."', 'path = "."\nmarker = "nonsense"'),
        ('kind = "index"', 'sort = "index"'),
        ('url = "https://private.example/simple"', "url = 1"),
        ('path = "."', "path = 1"),
        ('path = "."', 'road = "."'),
        ('envtool = "1"', "envtool = 1"),
        ('[files."requirements.txt"]', '[files."../requirements.txt"]'),
        ('[files."requirements.txt"]', '[files."other.txt"]'),
        ('backend = "cpu"', "backend = 1"),
    ],
)
def test_a_table_of_the_wrong_shape(tmp_path: Path, old: str, new: str) -> None:
    texts = render_lock(make_lock())
    assert old in texts["lock.toml"], texts["lock.toml"]
    texts["lock.toml"] = texts["lock.toml"].replace(old, new)
    with pytest.raises(LockError) as caught:
        read_lock(write(tmp_path / "lockfiles", texts))
    assert caught.value.code == "lock.malformed"
    assert caught.value.hint


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_damaged_table_is_a_lock_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    texts = render_lock(make_lock())
    text = texts["lock.toml"]
    at = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 12))
    texts["lock.toml"] = text[:at] + data.draw(st.text(max_size=4)) + text[at + length :]
    folder = tmp_path_factory.mktemp("lockfiles")
    for name, content in texts.items():
        (folder / name).write_bytes(content.encode("utf-8", "replace"))
    with contextlib.suppress(LockError):
        read_lock(folder)
