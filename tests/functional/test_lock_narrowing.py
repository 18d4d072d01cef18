"""What a lock does not cover, and which sentence says so."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from indexes import LINUX, DefaultIndex, TorchIndex
from workspace import Workspace

from envtool.errors import InstallError
from envtool.lock import project
from envtool.lock.text import read_lock
from envtool.settings import ALL_TARGETS

PRIMARY = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def binary(default_index: DefaultIndex) -> None:
    """A package that has no solution on the newest Python."""
    default_index.add("twig", "1.0")
    default_index.add("binary", "1.0", ["twig<1 ; python_version >= '3.14'"])


@pytest.mark.usefixtures("binary")
@pytest.mark.skipif(PRIMARY == "3.14", reason="it is the newest one itself")
def test_without_requires_python_the_one_in_use_is_enough(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "torch\nbinary\n")
    done = workspace.locked("--backend", "cpu")
    assert f'pythons = [\n    "{PRIMARY}",\n]' in workspace.text("lock.toml")
    narrow = [note["message"] for note in done.result["notes"] if note["code"] == "lock.narrow"]
    assert len(narrow) == 1
    assert narrow[0].startswith(f"this lock covers Python {PRIMARY} only: the project has no requires-python")
    assert "all versions of binary depend on twig" in narrow[0]
    assert workspace.lock("--check").exit_code == 0


@pytest.mark.usefixtures("binary")
def test_with_requires_python_it_is_an_error(workspace: Workspace) -> None:
    workspace.every_python()
    done = workspace.lock("torch", "binary", "--backend", "cpu")
    assert done.exit_code == 4
    assert "all versions of binary depend on twig" in done.error["message"]
    if PRIMARY == "3.14":  # it is the one in use that has no solution
        assert done.error["hint"] == "Loosen one of these requirements."
        return
    assert "requires-python" in done.error["hint"]
    assert "3.14" in done.error["hint"]
    assert "uv" not in done.error["hint"]


def test_what_excludes_itself_everywhere_is_not_the_fault_of_a_target(
    workspace: Workspace, default_index: DefaultIndex
) -> None:
    default_index.add("twig", "1.0")
    default_index.add("twig", "2.0")
    default_index.add("branch", "1.0", ["twig>=2"])
    workspace.every_python()
    done = workspace.lock("torch", "branch", "twig<2", "--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
    assert done.error["hint"] == "Loosen one of these requirements."
    chosen = [f"--target={target}" for target in ALL_TARGETS]
    done = workspace.lock("torch", "branch", "twig<2 ; sys_platform == 'darwin'", "--backend", "cpu", *chosen)
    assert done.error["hint"].startswith("This is the first target without a solution (")
    assert "sys_platform == 'darwin')" in done.error["hint"]


def test_a_package_without_a_wheel_for_one_target(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("no-arm", "1.0", tag=f"py3-none-{LINUX}")
    default_index.add("no-arm", "1.0", tag="py3-none-win_amd64")
    default_index.add("no-arm", "1.0", tag="py3-none-macosx_12_0_arm64")
    workspace.write("requirements.txt", "torch\nno-arm\n")
    chosen = [f"--target={target}" for target in ALL_TARGETS]
    done = workspace.lock("--backend", "cpu", *chosen)
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.unsatisfiable"
    assert "no-arm==1.0 has no" in done.error["message"]
    assert "--target" in done.error["hint"]
    assert "tool.uv" not in done.error["hint"]
    assert not workspace.lockfiles.exists()
    # Nobody chose: what has a solution is locked, for every Python that has one, and what has none is told.
    done = workspace.locked("--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "no-arm==1.0"]
    lock = read_lock(workspace.lockfiles)
    assert lock.targets == ("linux-x86_64", "windows-amd64", "macos-arm64")
    assert (lock.pythons[0], lock.pythons[-1]) == (PRIMARY, "3.14")
    (note,) = [note["message"] for note in done.result["notes"] if note["code"] == "lock.narrow"]
    assert note.startswith("this lock leaves out linux-aarch64, for which there is no solution: no-arm==1.0 has no ")
    # It is as fresh as any other, until somebody chooses targets, and be it all of them.
    assert workspace.lock("--check").exit_code == 0
    assert workspace.lock("--check", *chosen).error["code"] == "lock.stale"


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="no linux-x86_64 here, which its wheel is for"
)
def test_a_package_for_this_machine_alone(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("linux-only", "1.0", tag=f"py3-none-{LINUX}")
    workspace.every_python()
    done = workspace.locked("torch", "linux-only")
    lock = read_lock(workspace.lockfiles)
    assert (lock.targets, len(lock.pythons), sorted(lock.torch)) == (("linux-x86_64",), 5, ["cpu", "full"])
    (note,) = [note["message"] for note in done.result["notes"] if note["code"] == "lock.narrow"]
    assert note.startswith(
        "this lock leaves out linux-aarch64, macos-arm64, windows-amd64, for which there is no solution"
    )


def test_a_package_for_another_platform_alone(workspace: Workspace, default_index: DefaultIndex) -> None:
    other = "win_amd64" if sys.platform != "win32" else LINUX
    default_index.add("elsewhere", "1.0", tag=f"py3-none-{other}")
    done = workspace.lock("torch", "elsewhere", "--backend", "cpu")
    assert done.exit_code == 4
    assert "elsewhere==1.0 has no" in done.error["message"]
    assert not workspace.lockfiles.exists()


def test_a_member_that_the_index_does_not_have(workspace: Workspace, default_index: DefaultIndex) -> None:
    # Never from the default index, whose build may be the one for CUDA; and whoever asked for it is named.
    default_index.add_torch("torchcodec", "0.9")
    default_index.add("video-app", "1.0", ["torch", "torchcodec"])
    done = workspace.lock("video-app", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.no-build"
    assert "the cpu index does not list torchcodec at all (torchcodec is needed by video-app)" in done.error["message"]
    assert done.error["message"].endswith("(torchcodec is needed by video-app)")
    assert not workspace.lockfiles.exists()


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_an_older_release_does_without_the_member(
    workspace: Workspace, default_index: DefaultIndex, resolver: str
) -> None:
    default_index.add_torch("torchcodec", "0.9")
    default_index.add("video-app", "1.0", ["torch"])
    default_index.add("video-app", "2.0", ["torch", "torchcodec"])
    done = workspace.locked("video-app", "--resolver", resolver)
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "video-app==1.0"]
    assert not any(pin.startswith("torchcodec") for pin in workspace.pins("torch-cpu.txt"))
    (note,) = [note["message"] for note in done.result["notes"] if note["code"] == "torch.without"]
    who = " (torchcodec is needed by video-app)" if resolver == "uv" else ""
    missing = f"the cpu index does not list torchcodec at all{who}"
    assert note == f"{missing}: using video-app 1.0 instead of 2.0"
    done = workspace.lock("video-app>=2", "--resolver", resolver)
    assert (done.exit_code, done.error["code"], done.error["message"]) == (4, "resolve.no-build", missing)


def test_no_build_for_a_python(workspace: Workspace, torch_index: TorchIndex) -> None:
    index = torch_index.channels["cpu"]
    own = f"cp{PRIMARY.replace('.', '')}-"
    index["torch"] = [file for file in index["torch"] if own not in file.filename]
    done = workspace.lock("torch", "--backend", "cpu", "--python", sys.executable)
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.no-build"
    assert f"Python {PRIMARY}" in done.error["message"]
    assert "torch 2.14.0 has builds for Python" in done.error["hint"]


def test_no_such_version(workspace: Workspace) -> None:
    done = workspace.lock("torch==2.13.5", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.no-version"
    assert done.error["message"] == "no cpu build of torch==2.13.5 exists on the cpu index"
    assert done.error["hint"] == "The nearest are 2.13.0 and 2.14.0; the newest is 2.14.0."


def test_members_that_exclude_each_other(workspace: Workspace) -> None:
    done = workspace.lock("torch==2.14.0", "torchvision==0.28.0", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.family"
    assert done.error["message"] == (
        "no versions of torch==2.14.0, torchvision==0.28.0 fit each other on the cpu index: "
        "torchvision 0.28.0 needs torch==2.13.0"
    )


def test_an_empty_torch_index(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.channels.clear()
    done = workspace.lock("torch", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "torch-index.empty"
    assert "has no torch" in done.error["message"]


def test_nothing_needs_torch(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "leaf\n")
    done = workspace.lock("--backend", "cpu")
    assert done.exit_code == 3
    assert done.error["code"] == "lock.no-torch"
    assert done.error["hint"] == "Name it as well: envtool setup --cpu torch -r requirements.txt."
    assert not workspace.lockfiles.exists()
    workspace.write("pyproject.toml", '[project]\nname = "app"\nversion = "1"\ndependencies = ["leaf"]\n')
    done = workspace.lock("--backend", "cpu")
    assert done.error["hint"] == "Add torch to what pyproject.toml asks for, if it is needed."


def test_a_python_of_the_project_that_is_not_here(workspace: Workspace) -> None:
    # A lock installs nothing: it is made for the Python that .python-version names.
    other = "3.10" if PRIMARY != "3.10" else "3.14"
    workspace.write(".python-version", f"{other}.777\n")
    workspace.write("requirements.txt", "torch\n")
    workspace.locked("--backend", "cpu")
    assert f'pythons = [\n    "{other}",' in workspace.text("lock.toml")


@pytest.mark.parametrize("command", ["lock", "setup"])
def test_a_requires_python_that_is_not_here(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def missing(request: str) -> Path:
        raise InstallError("python.missing", f"no Python {request} found on this machine", "Install it.")

    monkeypatch.setattr(project, "find_python", missing)
    other = "3.10" if PRIMARY != "3.10" else "3.14"
    bounds = f">={other},<3.{int(other[2:]) + 1}"
    workspace.write(
        "pyproject.toml",
        f'[project]\nname = "app"\nversion = "1"\nrequires-python = "{bounds}"\ndependencies = ["torch"]\n',
    )
    done = workspace.run(command, "--json", *(["--backend", "cpu"] if command == "lock" else ["--cpu"]))
    if command == "setup":
        assert (done.exit_code, done.error["code"]) == (6, "python.missing")
    else:
        assert done.exit_code == 0, done.error
        assert f'pythons = [\n    "{other}",\n]' in workspace.text("lock.toml")


def test_a_python_that_no_build_is_for(workspace: Workspace) -> None:
    workspace.write(".python-version", "2.7\n")
    workspace.write("requirements.txt", "torch\n")
    done = workspace.lock("--backend", "cpu")
    assert done.exit_code == 6
    assert done.error["code"] == "python.missing"
    assert done.error["message"] == "no Python 2.7 found on this machine (named in .python-version)"


def test_a_requires_python_with_a_patch_release(workspace: Workspace, default_index: DefaultIndex) -> None:
    bound = f">={sys.version_info[0]}.{sys.version_info[1]}.1"
    default_index.add("careful", "1.0", python=bound)
    workspace.write("requirements.txt", "torch\ncareful\n")
    workspace.every_python(bound)
    workspace.locked("--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["careful==1.0", "leaf==2.0"]
    workspace.every_python(bound[:-1] + "0")
    done = workspace.lock("--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
