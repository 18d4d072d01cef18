"""Credentials in index URLs work, and turn up nowhere: no file, no output, no process argument."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from indexes import DefaultIndex, TorchIndex
from workspace import Done, Workspace

USER = "lock-user"
PASSWORD = "p@ss:w/rd%41?"
SPELLINGS = (PASSWORD, "p%40ss%3Aw%2Frd%2541%3F", USER)


class Watch:
    """Every child's arguments, and the files of its working folder, as they are while it runs."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.real = subprocess.Popen

    def __call__(self, args: list[str], **how: Any) -> Any:
        self.seen += [str(arg) for arg in args]
        folder = how.get("cwd")
        if folder is not None:
            self.seen += [path.read_text("utf-8", "replace") for path in Path(folder).iterdir() if path.is_file()]
        return self.real(args, **how)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr("envtool.adapters.process.subprocess.Popen", found)
    return found


def assert_secret(workspace: Workspace, watch: Watch, done: Done) -> None:
    texts = [*watch.seen, done.stdout, done.stderr]
    own = {workspace.root / "requirements.txt"}
    for path in workspace.root.rglob("*"):
        if path.is_file() and path not in own:
            texts.append(path.read_text("utf-8", "replace"))
    cache = Path(os.environ["XDG_CACHE_HOME"], "envtool")
    texts += [path.read_text("utf-8", "replace") for path in cache.rglob("*") if path.is_file()]
    for text in texts:
        for secret in SPELLINGS:
            assert secret not in text, text


@pytest.mark.parametrize("kind", ["json", "plain"])
def test_both_indexes_want_credentials(
    workspace: Workspace,
    torch_index: TorchIndex,
    default_index: DefaultIndex,
    monkeypatch: pytest.MonkeyPatch,
    watch: Watch,
    kind: str,
) -> None:
    torch_index.secret = default_index.secret = (USER, PASSWORD)
    torch_index.relative = True
    default_index.add("bare", "1.0", hashed=False)
    torch_index.files("torch", "2.14.0")[-1].hashed = False
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", torch_index.base)
    monkeypatch.setenv("UV_DEFAULT_INDEX", default_index.url)
    done = workspace.run("lock", "torch", "leaf", "bare", *(["--json"] if kind == "json" else []))
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "leaf==2.0" in workspace.pins("requirements.txt")
    assert len(watch.seen) > 10
    assert_secret(workspace, watch, done)


@pytest.mark.parametrize("which", ["torch", "default"])
def test_wrong_credentials(
    workspace: Workspace,
    torch_index: TorchIndex,
    default_index: DefaultIndex,
    monkeypatch: pytest.MonkeyPatch,
    watch: Watch,
    which: str,
) -> None:
    index = torch_index if which == "torch" else default_index
    index.secret = (USER, PASSWORD)
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", torch_index.base)
    monkeypatch.setenv("UV_DEFAULT_INDEX", default_index.url)
    index.secret = ("somebody", "else")
    done = workspace.run("lock", "torch", "leaf")
    assert done.exit_code == 6, done.stderr
    assert "127.0.0.1" in done.stderr
    assert not workspace.lockfiles.exists()
    assert_secret(workspace, watch, done)


def test_a_private_index_in_the_requirements(workspace: Workspace, watch: Watch) -> None:
    other = DefaultIndex(secret=(USER, PASSWORD))
    try:
        other.add("private-app", "1.0", ["leaf"])
        workspace.write("requirements.txt", f"--extra-index-url {other.url}\ntorch\nprivate-app\n")
        done = workspace.run("lock")
        assert done.exit_code == 0, done.stderr
        assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]
        assert f'url = "http://127.0.0.1:{other.port}/simple"' in workspace.text("lock.toml")
        assert_secret(workspace, watch, done)
    finally:
        other.stop()


@pytest.mark.skipif(os.name != "posix", reason="where uv.toml lies")
def test_a_default_index_that_uv_has_a_name_for(
    workspace: Workspace, default_index: DefaultIndex, monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    folder = Path(os.environ["XDG_CONFIG_HOME"], "uv")
    folder.mkdir(parents=True)
    text = f'[[index]]\nname = "corp"\nurl = "{default_index.url}"\ndefault = true\n'
    (folder / "uv.toml").write_text(text, encoding="utf-8")
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_INDEX_CORP_USERNAME", USER)
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", PASSWORD)
    default_index.secret = (USER, PASSWORD)
    done = workspace.run("lock", "torch", "leaf")
    assert done.exit_code == 0, done.stderr
    assert "leaf==2.0" in workspace.pins("requirements.txt")
    assert_secret(workspace, watch, done)
