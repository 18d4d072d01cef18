"""What has to be built before it can be locked: projects that list nothing, and packages without a wheel that fits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from indexes import LINUX, MACOS, PLATFORMS, WINDOWS, DefaultIndex, TorchIndex, backend_project
from packaging.markers import Marker
from workspace import Workspace

from envtool.adapters import process, uv
from envtool.models import Completed
from envtool.torch.targets import TARGETS

PRIMARY = f"{sys.version_info[0]}.{sys.version_info[1]}"


def write_project(place: Workspace, folder: str, requires: list[str], failure: str = "") -> None:
    for name, text in backend_project("app", "1", requires, failure).items():
        place.write(f"{folder}/{name}", text)


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_a_project_that_only_its_backend_knows(workspace: Workspace, resolver: str) -> None:
    write_project(workspace, ".", ["vision-app", "triton"])
    done = workspace.locked("--backend", "cpu", "--resolver", resolver, "--python", sys.executable)
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "vision-app==1.0"]
    assert [pin.partition(" ")[0] for pin in workspace.pins("torch-cpu.txt")][-1].startswith("torchvision==0.29.0")
    assert "this project does not list what it needs: its build backend is asked" in done.messages
    assert "triton left out of the cpu lock" in done.messages
    assert 'path = "."' in workspace.text("lock.toml")
    assert "file:" not in "".join(workspace.text(name) for name in workspace.files())


def test_it_goes_stale_with_the_files_that_decide(workspace: Workspace) -> None:
    write_project(workspace, ".", ["torch", "leaf"])
    workspace.locked("--backend", "cpu")
    assert workspace.lock("--check").exit_code == 0
    workspace.write("setup.cfg", "[metadata]\n")
    done = workspace.lock("--check")
    assert (done.exit_code, done.error["code"]) == (5, "lock.stale")


def test_two_folders_with_one_project_have_one_lock(make_workspace: Callable[[str], Workspace]) -> None:
    places = [make_workspace("one"), make_workspace("two")]
    for place in places:
        write_project(place, ".", ["torch", "leaf"])
        place.locked("--backend", "cpu")
    found = [place.files() for place in places]
    assert {name: data for name, data in found[0].items() if name != "lock.toml"} == {
        name: data for name, data in found[1].items() if name != "lock.toml"
    }


def test_an_editable_line_is_asked_too(workspace: Workspace) -> None:
    write_project(workspace, "lib", ["old-app"])
    workspace.write("requirements.txt", "torch\n-e ./lib\n")
    workspace.locked("--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "old-app==1.0"]
    assert all("==2.13.0" in pin for pin in workspace.pins("torch-cpu.txt"))


def test_a_project_that_cannot_be_built(workspace: Workspace) -> None:
    write_project(workspace, ".", [], "no compiler here")
    done = workspace.lock("--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.build")
    assert done.error["message"].endswith("cannot be built to read what it needs: OSError: no compiler here")
    assert str(workspace.root) not in done.error["message"]
    assert done.error["hint"] == "Name its requirements with -r FILE, and leave the project itself out."


NEEDS_PKG_RESOURCES = """
import pathlib
from importlib.metadata import version

def prepare_metadata_for_build_wheel(folder, settings=None):
    if int(version("setuptools").split(".")[0]) >= 82:
        raise ModuleNotFoundError("No module named 'pkg_resources'")
    info = pathlib.Path(folder, "app-1.0.dist-info")
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.2\\nName: app\\nVersion: 1.0\\nRequires-Dist: torch\\n")
    return info.name
"""


def write_old_project(workspace: Workspace, default_index: DefaultIndex, setuptools: str) -> None:
    for release in ("81.0", "82.0"):
        default_index.add("setuptools", release)
    system = f'[build-system]\nrequires = ["{setuptools}"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    workspace.write("pyproject.toml", system)
    workspace.write("backend.py", NEEDS_PKG_RESOURCES)


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_a_build_that_needs_pkg_resources(workspace: Workspace, default_index: DefaultIndex, resolver: str) -> None:
    write_old_project(workspace, default_index, "setuptools")
    workspace.locked("--backend", "cpu", "--resolver", resolver, "--python", sys.executable)
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_a_build_with_an_older_setuptools_is_told(
    workspace: Workspace, default_index: DefaultIndex, resolver: str
) -> None:
    for release in ("81.0", "82.0"):
        default_index.add("setuptools", release)
    default_index.add_sdist("old-thing", "1.0", ["leaf"], built=True, failure="No module named 'pkg_resources'")
    default_index.add_sdist("plain-thing", "1.0", ["leaf"], built=True)
    words = ("--backend", "cpu", "--resolver", resolver, "--python", sys.executable)
    done = workspace.locked("torch", "old-thing", "plain-thing", *words)
    said = [note["message"] for note in done.result["notes"] if note["code"] == "lock.old-setuptools"]
    assert said == ["old-thing 1.0 is built with setuptools<82: it needs pkg_resources, which newer ones do not have"]


def test_that_a_build_needs_an_older_setuptools_is_found_out_once(
    workspace: Workspace, default_index: DefaultIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    for release in ("81.0", "82.0"):
        default_index.add("setuptools", release)
    default_index.add_sdist(
        "old-thing", "1.0", ["torch", "triton"], built=True, failure="No module named 'pkg_resources'"
    )
    codes: list[int] = []

    def watched(*args: Any, **how: Any) -> Completed:
        done = process.run(*args, **how)
        if "compile" in args[0]:
            codes.append(done.returncode)
        return done

    monkeypatch.setattr(uv, "run", watched)
    done = workspace.locked("old-thing", "--python", sys.executable)
    assert "old-thing 1.0 is built with setuptools<82" in done.messages
    assert "triton left out of the cpu lock: old-thing asked for it" in done.messages
    # The first one fails; then the rest without torch and beside it, each with a listing, and full torch.
    assert codes == [1, 0, 0, 0, 0, 0]


def test_a_build_that_needs_pkg_resources_and_forbids_it(workspace: Workspace, default_index: DefaultIndex) -> None:
    write_old_project(workspace, default_index, "setuptools>=82")
    done = workspace.lock("--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.build")
    assert done.error["message"].endswith("ModuleNotFoundError: No module named 'pkg_resources'")


@pytest.mark.skipif(PRIMARY == "3.14", reason="no later Python to narrow from")
def test_a_source_that_cannot_be_built_for_later_pythons(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("native", "1.0", ["leaf<2"])
    default_index.add_sdist("native", "0.9", built=True, failure="libnative is missing")
    later = f"python_version > '{PRIMARY}'"
    default_index.add("native-app", "1.0", [f"native<1 ; {later}", f"native>=1 ; python_version <= '{PRIMARY}'"])
    done = workspace.locked("torch", "native-app", "--backend", "cpu", "--python", sys.executable)
    assert workspace.pins("requirements.txt") == ["leaf==1.1", "native==1.0", "native-app==1.0"]
    assert f'pythons = [\n    "{PRIMARY}",\n]' in workspace.text("lock.toml")
    (note,) = [note["message"] for note in done.result["notes"] if note["code"] == "lock.narrow"]
    assert "OSError: libnative is missing" in note


def test_a_source_that_cannot_be_built_at_all(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("native-app", "1.0", ["native<2"])
    default_index.add_sdist("native", "1.0", built=True, failure="libnative is missing")
    done = workspace.lock("torch", "native-app", "--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.build")
    assert done.error["message"] == (
        "native 1.0 has no wheel that fits, and its source cannot be built to read what it needs: "
        "OSError: libnative is missing"
    )
    assert done.error["hint"].startswith("native-app asks for native<2. Ask for a version of native that has wheels")


def test_what_will_be_built_is_said(workspace: Workspace, default_index: DefaultIndex) -> None:
    for platform in (LINUX, WINDOWS):
        default_index.add("native", "1.0", tag=f"cp310-abi3-{platform}")
    for platform in PLATFORMS:
        for python in ("310", "311", "312"):
            default_index.add("older", "1.0", tag=f"cp{python}-cp{python}-{platform}")
    for name in ("native", "older"):
        default_index.add_sdist(name, "1.0")
    default_index.add_sdist("plain", "2.0")
    default_index.add("leafy", "1.0")
    default_index.add_sdist("leafy", "1.0")
    workspace.every_python()
    done = workspace.locked("torch", "native", "older", "plain", "leafy", "--backend", "cpu")
    (note,) = [note["message"] for note in done.result["notes"] if note["code"] == "lock.source"]
    assert note == (
        "no wheel, so built from source when installed: "
        "native 1.0 for Python 3.10, 3.11, 3.12, 3.13, 3.14 on linux-aarch64, macos-arm64; "
        "older 1.0 for Python 3.13, 3.14; plain 2.0"
    )


def test_full_torch_covers_what_the_cpu_lock_covers(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    # In the gap of the cpu lock, full torch would need another version of the rest than the lock has.
    index = torch_index.channels["cpu"]
    index["torchaudio"] = [f for f in index["torchaudio"] if not (WINDOWS in f.filename and "cp310" in f.filename)]
    default_index.add("twig", "1.0", python=">=3.10")
    default_index.add("twig", "2.0", python=">=3.11")
    workspace.every_python()
    workspace.write("requirements.txt", 'torch\ntorchaudio\ntwig>=2 ; sys_platform == "win32"\n')
    done = workspace.locked("--python", sys.executable)
    assert done.result["gaps"] == ["torchaudio 2.11.0 has no build for Python 3.10 on windows-amd64"]
    assert sorted(done.result["pins"]) == ["cpu", "full"]
    gap = dict(TARGETS["windows-amd64"].environment("3.10"))
    for name in ("torch-cpu.txt", "torch-full.txt"):
        for pin in workspace.pins(name):
            if pin.startswith("torch"):
                assert not Marker(pin.partition(" ; ")[2]).evaluate(gap), pin


def test_other_digests_on_both_indexes_for_one_name(workspace: Workspace, torch_index: TorchIndex) -> None:
    # The macOS wheels of several releases differ between the two indexes, under one name.
    workspace.locked("torch", "--target", "macos-arm64")
    assert workspace.pins("torch-cpu.txt") == workspace.pins("torch-full.txt") == ["torch==2.14.0"]
    mac = {file.digest for file in torch_index.files("torch", "2.14.0") if MACOS in file.filename}
    assert workspace.hashes("torch-cpu.txt", "torch") <= mac
    assert not workspace.hashes("torch-full.txt", "torch") & mac
