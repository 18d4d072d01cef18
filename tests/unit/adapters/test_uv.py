"""The uv program: which one, how old it may be, and how its files are read."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

import pytest

from envtool.adapters import uv
from envtool.errors import InstallError


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    uv.uv_version.cache_clear()
    uv.find_uv.cache_clear()
    yield
    uv.uv_version.cache_clear()
    uv.find_uv.cache_clear()


def test_an_old_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.8.22")
    with pytest.raises(InstallError) as caught:
        uv.uv_version()
    assert (caught.value.code, caught.value.hint) == ("uv.too-old", "pip install --upgrade uv")
    assert caught.value.message == "uv 0.8.22 is older than 0.9.0"


def test_no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("uv.find_uv_bin", missing)
    with pytest.raises(InstallError) as caught:
        uv.find_uv()
    assert caught.value.code == "uv.missing"


def test_a_file_without_a_name_is_named_by_its_url() -> None:
    # uv writes %2B in URLs, and leaves the name out.
    text = 'lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1.0+cpu"\n'
    text += '[[packages.wheels]]\nurl = "https://mirror.example/a-1.0%2Bcpu-py3-none-any.whl"\n'
    (found,) = uv._read_pylock(text)
    assert found.artifacts[0].filename == "a-1.0+cpu-py3-none-any.whl"
    assert found.artifacts[0].sha256 is None
