"""``envtool versions`` against an index in the shape of the PyTorch one."""

from __future__ import annotations

from pathlib import Path

import pytest
from indexes import ARM, LINUX, WINDOWS, TorchIndex, make_wheel
from workspace import Workspace

from envtool.torch.availability import spans


def available(workspace: Workspace, *words: str) -> dict[tuple[str, str], tuple[str, bool]]:
    done = workspace.run("versions", "--json", *words)
    assert done.exit_code == 0, done.error
    cells = done.result["cells"]
    assert all(set(cell) >= {"package", "version", "python", "platform", "hashed", "size"} for cell in cells)
    return {(c["python"], c["platform"]): (c["version"], c["hashed"]) for c in cells if c["available"]}


def test_every_cell_says_its_exact_build(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torch", "2.15.0", platforms=[LINUX], pythons=["313", "314"])
    torch_index.release("torch", "2.15.0", platforms=[ARM], pythons=["313"], hashed=False)
    torch_index.wheel("torch", "2.15.0+e437e35", f"cp313-cp313-{WINDOWS}")
    assert available(workspace, "torch==2.15.*") == {
        ("3.13", "linux-x86_64"): ("2.15.0+cpu", True),
        ("3.14", "linux-x86_64"): ("2.15.0+cpu", True),
        ("3.13", "linux-aarch64"): ("2.15.0+cpu", False),
    }
    assert available(workspace, "torch==2.15.0+cpu") == available(workspace, "torch==2.15.0")
    macos = available(workspace, "torch==2.14.0", "--target", "macos-arm64", "--python", "3.12")
    assert macos == {("3.12", "macos-arm64"): ("2.14.0", True)}


def test_the_table(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torch", "2.15.0", platforms=[LINUX], pythons=["310", "311", "312", "314"], hashed=False)
    done = workspace.run("versions", "torch", "torchvision", "--quiet")
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "torch on the cpu index",
        "release  linux-x86_64     linux-aarch64  windows-amd64  macos-arm64",
        "2.15.0*  3.10-3.12, 3.14  -              -              -",
        "2.14.0   3.10-3.14        3.10-3.14      3.10-3.14      3.10-3.14",
        "2.13.0   3.10-3.14        3.10-3.14      3.10-3.14      3.10-3.14",
        "",
        "torchvision on the cpu index",
        "release  linux-x86_64  linux-aarch64  windows-amd64  macos-arm64",
        "0.29.0   3.10-3.14     3.10-3.14      3.10-3.14      3.10-3.14",
        "0.28.0   3.10-3.14     3.10-3.14      3.10-3.14      3.10-3.14",
        "",
        "* no sha256 is advertised for some of its builds: envtool lock hashes the bytes itself",
    ]


def test_five_newest_or_all(workspace: Workspace, torch_index: TorchIndex) -> None:
    for minor in range(6, 13):
        torch_index.release("torch", f"2.{minor}.0", platforms=[LINUX], pythons=["311"])
    for words, count in (((), 5), (("--all",), 9)):
        cells = workspace.run("versions", "--json", *words).result["cells"]
        assert len({cell["version"].split("+")[0] for cell in cells}) == count


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["numpy"], 2, "versions.package"),
        (["torch=2"], 2, "versions.package"),
        (["torch @ https://mirror.example/torch-2.14.0-cp311-cp311-win_amd64.whl"], 2, "versions.package"),
        (["--backend", "full"], 2, "versions.backend"),
        (["--backend", "gpu"], 2, "usage.backend"),
        (["--python", "3.9"], 2, "python.unsupported"),
        (["--target", "plan9"], 2, "settings.target"),
        (["torch>3"], 4, "versions.none"),
        (["torch==2.14.0+cu130"], 4, "versions.none"),
        (["torchcodec"], 4, "versions.none"),
    ],
)
def test_what_there_is_not(workspace: Workspace, words: list[str], exit_code: int, code: str) -> None:
    done = workspace.run("versions", "--json", *words)
    assert (done.exit_code, done.error["code"]) == (exit_code, code)


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["torch>3"], "It has 2.13.0 to 2.14.0."), (["torchcodec"], "It has no build there at all.")],
)
def test_what_there_is_instead(workspace: Workspace, words: list[str], hint: str) -> None:
    assert workspace.run("versions", "--json", *words).error["hint"] == hint


def test_what_there_is_instead_is_one_release(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torchcodec", "0.9.0", platforms=[LINUX], pythons=["313"])
    assert workspace.run("versions", "--json", "torchcodec>1").error["hint"] == "It has 0.9.0."


def test_an_index_that_is_down(
    workspace: Workspace, torch_index: TorchIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch_index.stop()
    done = workspace.run("versions", "--json")
    assert (done.exit_code, done.error["code"]) == (6, "torch-index.unreachable")
    filename, data = make_wheel("torch", "2.13.0+cpu", f"cp311-cp311-{LINUX}")
    (tmp_path / filename).write_bytes(data)
    assert available(workspace, "--find-links", str(tmp_path)) == {("3.11", "linux-x86_64"): ("2.13.0+cpu", False)}
    table = workspace.run("versions", "--find-links", str(tmp_path), "-q").stdout
    assert table.splitlines()[0] == f"torch in the find-links folder {tmp_path}"
    none = workspace.run("versions", "torchvision", "--find-links", str(tmp_path), "--json").error["message"]
    assert none.endswith(f", and the find-links folder {tmp_path} has no wheel of torchvision")


def test_spans() -> None:
    assert spans(["3.10", "3.11", "3.13"]) == "3.10-3.11, 3.13"
    assert spans(["3.14"]) == "3.14"
    assert spans([]) == "-"
