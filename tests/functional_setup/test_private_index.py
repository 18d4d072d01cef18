"""``envtool setup`` with an index that [tool.uv] names for one package, and that has more than this one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from place import TARGETS, Place
from small_wheels import Indexes, wheel

BACKEND = """
import zipfile

VERSION = "{version}"

def build_wheel(folder, settings=None, metadata=None):
    name = "srcpkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as made:
        made.writestr("srcpkg.py", "BUILT_WITH = " + repr(VERSION))
        made.writestr("srcpkg-1.0.dist-info/METADATA", "Metadata-Version: 2.2\\nName: srcpkg\\nVersion: 1.0\\n")
        made.writestr("srcpkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        made.writestr("srcpkg-1.0.dist-info/RECORD", "")
    return name
"""


def source() -> tuple[str, bytes]:
    """A source distribution that is built with ``corpbuild``."""
    texts = {
        "PKG-INFO": "Metadata-Version: 2.2\nName: srcpkg\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = ["corpbuild"]\nbuild-backend = "corpbuild"\n'
        '[project]\nname = "srcpkg"\nversion = "1.0"\n',
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"srcpkg-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return "srcpkg-1.0.tar.gz", buffer.getvalue()


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Indexes]:
    found = Indexes(tmp_path / "private")
    found.add("simple", *wheel("mine", "1.0", requires=["leaf"]))
    yield found
    found.stop()


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Indexes]:
    found = Indexes(tmp_path / "public")
    found.fill()
    yield found
    found.stop()


def project(tmp_path: Path, surroundings: dict[str, str], private: Indexes, names: str) -> Place:
    place = Place(tmp_path / "project", surroundings)
    settings = f'[[tool.uv.index]]\nname = "own"\nurl = "{private.default_index}"\nexplicit = true\n'
    settings += '[tool.uv.sources]\nmine = { index = "own" }\n'
    head = f'[project]\nname = "app"\nversion = "1"\ndependencies = ["torch", {names}]\n'
    place.write("pyproject.toml", head + settings + TARGETS)
    return place


def test_everything_else_comes_from_where_it_was_locked(
    tmp_path: Path, surroundings: dict[str, str], private: Indexes
) -> None:
    # A newer one, and one of the locked version with other bytes: a rebuild, or a mirror that signs.
    private.add("simple", *wheel("leaf", "9.0"))
    private.add("simple", *wheel("leaf", "2.0", {"leaf/other.py": "rebuilt"}))
    place = project(tmp_path, surroundings, private, '"mine"')
    place.done("--cpu")
    assert place.installed() == {"leaf": "2.0", "mine": "1.0", "torch": "2.13.0+cpu"}
    assert not (place.site / "leaf" / "other.py").exists()


def test_what_others_are_built_with_never_comes_from_it(
    tmp_path: Path, surroundings: dict[str, str], private: Indexes, public: Indexes
) -> None:
    public.add("simple", *source())
    public.add("simple", *wheel("corpbuild", "1.0", {"corpbuild/__init__.py": BACKEND.format(version="public 1.0")}))
    private.add("simple", *wheel("corpbuild", "9.0", {"corpbuild/__init__.py": BACKEND.format(version="private 9.0")}))
    surroundings |= {"ENVTOOL_TORCH_INDEX": public.torch_index, "UV_DEFAULT_INDEX": public.default_index}
    place = project(tmp_path, surroundings, private, '"mine", "srcpkg"')
    place.done("--cpu")
    assert (place.site / "srcpkg.py").read_text() == "BUILT_WITH = 'public 1.0'"
