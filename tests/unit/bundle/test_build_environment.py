"""The build environment where no index answers: uv's cache, find-links folders, or a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envtool.bundle import build_environment
from envtool.errors import InstallError
from envtool.models import Completed, IndexAccess
from envtool.reports.progress import SilentReporter

DOWN = "error: Failed to fetch: `https://mirror.example/simple/pyinstaller/`\n  cause: Connection refused"
OFFLINE = (
    "error: Because altgraph was not found in the cache and you require altgraph==0.17.5, we can conclude that your "
    "requirements are unsatisfiable.\nhint: Packages were unavailable because the network was disabled."
)


class Uv:
    """Stands for uv: an online install answers with ``said``, an offline one succeeds where it is ``cached``."""

    def __init__(self, said: str, *, cached: bool) -> None:
        self.said, self.cached = said, cached
        self.calls: list[list[str]] = []

    def __call__(self, args: list[str | Path], **_: Any) -> Completed:
        words = [str(arg) for arg in args]
        self.calls.append(words)
        if words[0] == "venv":
            Path(words[-1]).mkdir(parents=True)
        fails = words[0] == "pip" and not ("--offline" in words and self.cached)
        return Completed(args=tuple(words), returncode=int(fails), stdout="", stderr=self.said if fails else "")


def ensure(monkeypatch: pytest.MonkeyPatch, state: Path, uv: Uv) -> Path:
    monkeypatch.setattr("envtool.adapters.uv.run_uv", uv)
    return build_environment.ensure(state, Path("python"), IndexAccess(), SilentReporter())


def test_without_an_index_the_cache_and_find_links_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = Uv(DOWN, cached=True)
    assert ensure(monkeypatch, tmp_path, uv).is_relative_to(tmp_path / "build-env")
    first, second = (words for words in uv.calls if words[0] == "pip")
    assert second == [*first, "--offline"]
    assert "--require-hashes" in second
    assert (tmp_path / "build-env/envtool-pins").is_file()


@pytest.mark.parametrize(
    ("said", "code", "message", "hint"),
    [
        (
            DOWN,
            "network.unreachable",
            "an index cannot be reached: https://mirror.example/simple/pyinstaller/ (Connection refused)",
            "Set UV_DEFAULT_INDEX to a mirror",
        ),
        (OFFLINE, "network.offline", "UV_OFFLINE is set, and altgraph is not in uv's cache", "Unset UV_OFFLINE"),
    ],
)
def test_what_to_do_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: str, message: str, hint: str
) -> None:
    with pytest.raises(InstallError) as caught:
        ensure(monkeypatch, tmp_path, Uv(said, cached=False))
    assert caught.value.code == code
    assert caught.value.message == f"PyInstaller is not here and cannot be fetched: {message}"
    assert caught.value.hint.startswith(f"{hint}; or fetch its wheels where there is a network")
    assert caught.value.hint.endswith(f"pip download --no-deps -d wheels -r {build_environment.LOCK}")
    assert not (tmp_path / "build-env/envtool-pins").exists()


def test_another_failure_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = Uv("error: Hash mismatch for pyinstaller", cached=True)
    with pytest.raises(Exception, match="Hash mismatch") as caught:
        ensure(monkeypatch, tmp_path, uv)
    assert getattr(caught.value, "code", "") == "install.hash-mismatch"
    assert not any("--offline" in words for words in uv.calls)
