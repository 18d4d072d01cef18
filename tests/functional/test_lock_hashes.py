"""Digests: advertised, computed from the bytes, or an error that names the file; and what installs from the lock."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from indexes import ARM, LINUX, MACOS, WINDOWS, DefaultIndex, TorchIndex, make_wheel, sha256
from workspace import Workspace

from envtool.lock import rest_step
from envtool.reports import progress
from envtool.torch.targets import host_target

HOST = host_target()
PLATFORM = {"linux-x86_64": LINUX, "linux-aarch64": ARM, "windows-amd64": WINDOWS, "macos-arm64": MACOS}
OWN = f"cp{sys.version_info[0]}{sys.version_info[1]}"
needs_target = pytest.mark.skipif(HOST is None, reason="this machine is none of the targets")


def local_wheel(
    folder: Path, version: str = "2.13.0", package: str = "torch", requires: Sequence[str] = ("leaf",)
) -> tuple[str, str]:
    """A wheel of torch, or of one with it, for this machine in a folder; its name and its digest."""
    assert HOST is not None
    full = version if HOST.name == "macos-arm64" else f"{version}+cpu"
    name, data = make_wheel(package, full, f"{OWN}-{OWN}-{PLATFORM[HOST.name]}", requires)
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return name, sha256(data)


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_a_file_without_an_advertised_digest_is_hashed(workspace: Workspace, torch_index: TorchIndex) -> None:
    workspace.every_python()
    files = torch_index.files("torch", "2.14.0+cpu")
    for file in files:
        file.hashed = False
    workspace.locked("torch", "--backend", "cpu")
    assert {file.digest for file in files} <= workspace.hashes("torch-cpu.txt", "torch")


def test_a_file_that_can_be_neither_hashed_nor_had(workspace: Workspace, torch_index: TorchIndex) -> None:
    workspace.every_python()
    file = next(f for f in torch_index.files("torch", "2.14.0+cpu") if "cp312" in f.filename and LINUX in f.filename)
    file.hashed = False
    file.there = False
    done = workspace.lock("torch", "--backend", "cpu")
    assert done.exit_code == 5
    assert done.error["code"] == "lock.no-hash"
    assert file.filename in done.error["message"]
    assert not workspace.lockfiles.exists()


@pytest.mark.parametrize("json", [False, True])
def test_the_default_index_without_digests(workspace: Workspace, default_index: DefaultIndex, json: bool) -> None:
    default_index.json = json
    file = default_index.add("bare", "1.0", hashed=False)
    workspace.locked("torch", "bare", "--backend", "cpu")
    assert workspace.hashes("requirements.txt", "bare") == {file.digest}


def test_a_local_wheel_is_hashed(
    workspace: Workspace, default_index: DefaultIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    # uv writes no digest for what lies in a folder.
    folder = workspace.root / "wheels"
    folder.mkdir()
    name, data = make_wheel("own-thing", "1.0")
    (folder / name).write_bytes(data)
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    workspace.locked("torch", "own-thing", "--backend", "cpu")
    assert workspace.hashes("requirements.txt", "own-thing") == {sha256(data)}
    assert str(folder) not in workspace.text("requirements.txt")
    assert str(folder) not in workspace.text("lock.toml")


def test_a_folder_with_a_comma_in_its_name(workspace: Workspace) -> None:
    (workspace.root / "a,b").mkdir()
    name, data = make_wheel("own-thing", "1.0")
    (workspace.root / "a,b" / name).write_bytes(data)
    workspace.locked("torch", "own-thing", "--backend", "cpu", "--find-links", "a,b")
    assert workspace.hashes("requirements.txt", "own-thing") == {sha256(data)}


@needs_target
def test_an_unreachable_index_with_a_fitting_wheel(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert HOST is not None
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{closed_port()}/whl")
    name, digest = local_wheel(workspace.root / "wheels")
    done = workspace.locked("torch", "leaf", "--backend", "cpu", "--find-links", "wheels", "--python", sys.executable)
    assert f"cannot be reached: using {name} from find-links" in done.messages
    assert f"this lock covers {HOST.name} with Python" in done.messages
    assert [pin.partition(" ; ")[2] for pin in workspace.pins("torch-cpu.txt")] == [""]
    assert workspace.hashes("torch-cpu.txt", "torch") == {digest}
    assert f'targets = [\n    "{HOST.name}",\n]' in workspace.text("lock.toml")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]


@needs_target
def test_a_lock_from_a_folder_is_widened_where_the_index_answers(
    workspace: Workspace, default_index: DefaultIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HOST is not None
    workspace.write("requirements.txt", "torch\nleaf\n")
    local_wheel(workspace.root / "wheels")
    words = ("--backend", "cpu", "--find-links", "wheels", "--python", sys.executable)
    with monkeypatch.context() as without:
        without.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{closed_port()}/whl")
        workspace.locked(*words)
        narrow = workspace.files()
        assert b"\nnarrowed = true\n" in narrow["lock.toml"]
        assert workspace.locked(*words).result["changed"] is False
        without.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{closed_port()}/simple")
        kept = workspace.run("lock", *words)
        assert (kept.exit_code, kept.stdout) == (0, "lockfiles/ is up to date\n")
        assert "the lock stays narrow: an index cannot be reached" in kept.stderr
        assert workspace.files() == narrow
    default_index.add("leaf", "3.0")  # newer ones are there by now
    assert workspace.lock("--check").exit_code == 0
    assert workspace.locked(*words).result["changed"] is True
    assert workspace.text("lock.toml").count("-x86_64") == 1
    assert '    "macos-arm64",\n' in workspace.text("lock.toml")
    assert "narrowed" not in workspace.text("lock.toml")
    assert {pin.partition("==")[2].partition("+")[0].split(" ")[0] for pin in workspace.pins("torch-cpu.txt")} == {
        "2.13.0"
    }
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert workspace.locked(*words).result["changed"] is False


@needs_target
@pytest.mark.parametrize("folders", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("asked", ["torch", "torch==2.13.0", "torchvision", "old-app"])
def test_wheels_in_several_folders(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, folders: tuple[str, str], asked: str
) -> None:
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{closed_port()}/whl")
    local_wheel(workspace.root / "a", "2.12.0")
    local_wheel(workspace.root / "a", "0.28.0", "torchvision", ["torch==2.13.0"])
    _, digest = local_wheel(workspace.root / "b")
    local_wheel(workspace.root / "a", "2.14.0")
    if asked != "old-app":  # which forbids the newest
        next((workspace.root / "a").glob("torch-2.14.0*")).unlink()
    words = ("--backend", "cpu", "--python", sys.executable, *(word for name in folders for word in ("-f", name)))
    workspace.locked(asked, *words)
    names = ["torch", "torchvision"] if asked == "torchvision" else ["torch"]
    assert [pin.partition("==")[0] for pin in workspace.pins("torch-cpu.txt")] == names
    assert workspace.hashes("torch-cpu.txt", "torch") == {digest}


@needs_target
@pytest.mark.parametrize("which", ["torch", "torchvision"])
def test_a_file_that_is_no_wheel(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{closed_port()}/whl")
    names = {"torch": local_wheel(workspace.root / "wheels")[0]}
    names["torchvision"], _ = local_wheel(workspace.root / "wheels", "0.28.0", "torchvision")
    name = names[which]
    (workspace.root / "wheels" / name).write_bytes(b"")
    words = ("--backend", "cpu", "--find-links", "wheels", "--python", sys.executable)
    done = workspace.lock("torch", "torchvision", *words)
    assert (done.exit_code, done.error["code"]) == (6, "torch-index.unreachable")
    folder = workspace.root / "wheels"
    assert f"{name} in the find-links folder {folder} is no wheel that can be read" in done.error["message"]
    assert done.error["hint"] == "Take it out of the folder, or download it again."


@needs_target
def test_a_lock_from_a_folder_that_leaves_nothing_out(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert HOST is not None
    monkeypatch.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{closed_port()}/whl")
    workspace.every_python(f"=={sys.version_info[0]}.{sys.version_info[1]}.*")
    workspace.write("requirements.txt", "torch\n")
    local_wheel(workspace.root / "wheels")
    done = workspace.locked("--backend", "cpu", "--find-links", "wheels", "--target", HOST.name)
    assert [note["code"] for note in done.result["notes"]] == ["torch-index.find-links"]
    assert "narrowed" not in workspace.text("lock.toml")


@needs_target
@pytest.mark.parametrize("status", [None, 500, 503])
def test_an_unreachable_index_and_nothing_else(
    workspace: Workspace,
    torch_index: TorchIndex,
    default_index: DefaultIndex,
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
) -> None:
    if status is None:
        monkeypatch.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{closed_port()}/whl")
    torch_index.broken = status
    folder = workspace.root / "wheels"
    folder.mkdir()
    name, data = make_wheel("torch", "2.13.0", f"{OWN}-{OWN}-{LINUX}")  # a plain build: the CUDA one
    (folder / name).write_bytes(data)
    done = workspace.lock("torch", "--backend", "cpu", "--find-links", "wheels", "--target", "linux-x86_64")
    assert done.exit_code == 6
    assert done.error["code"] == "torch-index.unreachable"
    assert "the cpu index cannot be reached" in done.error["message"]
    assert f"Tried find-links: {folder}" in done.error["hint"]
    assert "torch-index" in done.error["hint"]
    assert not workspace.lockfiles.exists()
    assert not default_index.asked_for("torch")


def test_a_slow_resolution_shows_that_it_goes_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*args: Any) -> Any:
        time.sleep(0.3)
        return resolve(*args)

    resolve = rest_step.uv.resolve
    monkeypatch.setattr(rest_step.uv, "resolve", slow)
    monkeypatch.setattr(progress, "PULSE", 0.1)
    said = workspace.run("lock", "torch", "--backend", "cpu").stderr.splitlines()
    assert any(line.startswith("  resolve  at work  (") for line in said)


def test_the_default_index_cannot_be_reached(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{closed_port()}/simple")
    done = workspace.lock("torch", "leaf", "--backend", "cpu")
    assert done.exit_code == 6
    assert done.error["code"] == "network.unreachable"
    assert "an index cannot be reached" in done.error["message"]
    assert not workspace.lockfiles.exists()


@needs_target
def test_plain_pip_installs_from_the_files(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex, tmp_path: Path
) -> None:
    workspace.locked("torch", "torchvision", "leaf", "--python", sys.executable)

    def install(name: str, index: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--no-cache-dir",
             "--target", tmp_path / "site", "--no-deps", "--require-hashes", "--index-url", index,
             "-r", workspace.lockfiles / name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    for name, index in (("torch-cpu.txt", f"{torch_index.base}/cpu"), ("requirements.txt", default_index.url)):
        done = install(name, index)
        assert done.returncode == 0, done.stderr
    assert HOST is not None
    text = (tmp_path / "site" / "torch" / "__init__.py").read_text(encoding="utf-8")
    assert text == f"__version__ = '2.14.0{'' if HOST.name == 'macos-arm64' else '+cpu'}'\n"
    assert (tmp_path / "site" / "leaf").is_dir()
    # The hashes are required: another file of the same name is refused.
    default_index.projects["leaf"][-1].data += b"x"
    done = install("requirements.txt", default_index.url)
    assert done.returncode != 0
    assert "do not match the hashes" in done.stderr.lower()
