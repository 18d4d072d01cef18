"""What comes from where: the family from the backend's index, everything else from the default one."""

from __future__ import annotations

import sys

import pytest
from indexes import ARM, LINUX, MACOS, PLATFORMS, WINDOWS, DefaultIndex, TorchIndex
from packaging.markers import Marker
from workspace import Workspace

from envtool.torch.targets import TARGETS

MAC = "sys_platform == 'darwin'"
NOT_MAC = "sys_platform != 'darwin'"
OWN = sys.executable


def test_both_backends(workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex) -> None:
    workspace.every_python()
    done = workspace.locked("torch", "torchvision", "leaf")
    assert workspace.pins("torch-cpu.txt") == [
        f"torch==2.14.0 ; {MAC}",
        f"torch==2.14.0+cpu ; {NOT_MAC}",
        f"torchvision==0.29.0 ; {MAC}",
        f"torchvision==0.29.0+cpu ; {NOT_MAC}",
    ]
    assert workspace.pins("torch-full.txt") == [
        "nvidia-cublas==13.0 ; sys_platform == 'linux'",
        "torch==2.14.0",
        "torchvision==0.29.0",
        "triton==3.7 ; sys_platform == 'linux'",
    ]
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert sorted(done.result["pins"]) == ["cpu", "full"]
    assert done.result["pins"]["cpu"]["leaf"] == [{"version": "2.0", "marker": None}]
    assert done.result["files"] == [
        "lockfiles/lock.toml",
        "lockfiles/requirements.txt",
        "lockfiles/torch-cpu.txt",
        "lockfiles/torch-full.txt",
    ]
    assert done.result["changed"] is True
    # Every file of the chosen builds, and no other one: not the plain Linux builds at the root of the channel either.
    cpu = {file.digest for file in torch_index.files("torch", "2.14.0+cpu")}
    mac = {file.digest for file in torch_index.files("torch", "2.14.0") if MACOS in file.filename}
    assert len(cpu | mac) == 20
    assert workspace.hashes("torch-cpu.txt", "torch") == cpu | mac
    assert workspace.hashes("torch-full.txt", "torch") == {
        file.digest for file in default_index.projects["torch"] if file.version == "2.14.0"
    }
    assert workspace.hashes("requirements.txt", "leaf") == {
        file.digest for file in default_index.projects["leaf"] if file.version == "2.0"
    }


def test_the_rest_never_comes_from_the_torch_index(workspace: Workspace, torch_index: TorchIndex) -> None:
    # The torch index lists leaf 0.1 (stale) and leaf 999.0.0 (poisoned).
    workspace.locked("torch", "leaf", "--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert "/whl/cpu/leaf/" not in torch_index.asked


def test_a_package_that_only_the_torch_index_has_is_not_taken(workspace: Workspace, torch_index: TorchIndex) -> None:
    done = workspace.lock("torch", "poison", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.unsatisfiable"
    assert "poison was not found in the package registry" in done.error["message"]
    assert "/whl/cpu/poison/" not in torch_index.asked
    assert not workspace.lockfiles.exists()


def test_the_family_is_not_looked_up_on_the_default_index(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add_torch("torch", "99.0.0")
    default_index.add_torch("torchvision", "99.0.0")
    workspace.locked("torch", "torchvision", "leaf", "--backend", "cpu")
    assert not any("99.0.0" in pin for pin in workspace.pins("torch-cpu.txt"))
    assert not default_index.asked_for("torch")
    assert not default_index.asked_for("torchvision")


def test_a_member_that_comes_in_through_another_package(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add_torch("torchvision", "99.0.0")
    workspace.locked("vision-app", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt") == [
        f"torch==2.14.0 ; {MAC}",
        f"torch==2.14.0+cpu ; {NOT_MAC}",
        f"torchvision==0.29.0 ; {MAC}",
        f"torchvision==0.29.0+cpu ; {NOT_MAC}",
    ]
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "vision-app==1.0"]


@pytest.mark.parametrize("variable", ["PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"])
def test_an_ambient_extra_index_decides_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    other = DefaultIndex()
    try:
        other.add_torch("torch", "99.0.0")
        other.add("leaf", "99.0.0")
        monkeypatch.setenv(variable, other.url)
        workspace.locked("torch", "leaf")
        assert workspace.pins("requirements.txt") == ["leaf==2.0"]
        assert not any("99.0.0" in pin for name in ("cpu", "full") for pin in workspace.pins(f"torch-{name}.txt"))
        assert other.asked == []
    finally:
        other.stop()


def test_an_extra_index_in_uv_toml_decides_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    other = DefaultIndex()
    try:
        other.add_torch("torch", "99.0.0")
        other.add("leaf", "99.0.0")
        config = workspace.root.parent / "config"
        (config / "uv").mkdir(parents=True)
        (config / "uv" / "uv.toml").write_text(f'[[index]]\nurl = "{other.url}"\n', encoding="utf-8")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
        workspace.locked("torch", "leaf", "--backend", "cpu")
        assert workspace.pins("requirements.txt") == ["leaf==2.0"]
        assert other.asked == []
    finally:
        other.stop()


def test_an_index_line_of_the_project_does_not_serve_the_family(workspace: Workspace) -> None:
    # A line of the project's own adds an index, for all but the family.
    other = DefaultIndex()
    try:
        other.add_torch("torch", "99.0.0")
        other.add_torch("torchvision", "99.0.0")
        other.add("private-app", "1.0", ["torchvision"])
        workspace.write("requirements.txt", f"--extra-index-url {other.url}\nprivate-app\n")
        done = workspace.locked("--backend", "cpu")
        assert workspace.pins("torch-cpu.txt")[1] == f"torch==2.14.0+cpu ; {NOT_MAC}"
        assert workspace.pins("requirements.txt") == ["leaf==2.0", "private-app==1.0"]
        assert f"{other.url} is kept as routing in lock.toml" in done.messages
        assert other.url in workspace.text("lock.toml")
        for name in ("torch-cpu.txt", "requirements.txt"):
            assert "://" not in workspace.text(name)
            assert "index-url" not in workspace.text(name)
    finally:
        other.stop()


def test_an_odd_local_version_is_never_chosen(workspace: Workspace, torch_index: TorchIndex) -> None:
    for python in ("311", "312", "313"):
        torch_index.wheel("torchvision", "0.29.0+e437e35", f"cp{python}-cp{python}-win_arm64", ["torch==2.14.0"])
        torch_index.wheel("torchvision", "0.29.0+e437e35", f"cp{python}-cp{python}-{WINDOWS}", ["torch==2.14.0"])
    workspace.locked("torch", "torchvision", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt")[2:] == [
        f"torchvision==0.29.0 ; {MAC}",
        f"torchvision==0.29.0+cpu ; {NOT_MAC}",
    ]


def test_plain_linux_and_windows_builds_are_never_chosen(workspace: Workspace, torch_index: TorchIndex) -> None:
    # The root of the channel holds plain builds: on Linux x86-64 and Windows they are the CUDA ones.
    torch_index.release("torch", "2.15.0", ["leaf"], platforms=[MACOS])
    for platform in (LINUX, WINDOWS):
        for python in ("310", "311", "312", "313", "314"):
            torch_index.wheel("torch", "2.15.0", f"cp{python}-cp{python}-{platform}", ["leaf"], at_root=True)
    done = workspace.locked("torch", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt") == [f"torch==2.14.0 ; {MAC}", f"torch==2.14.0+cpu ; {NOT_MAC}"]
    assert "torch 2.15.0 has no build for" in done.messages
    assert "torch 2.14.0 is used" in done.messages


def test_a_release_that_is_being_uploaded_is_passed_over(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torch", "2.15.0", ["leaf"], platforms=[LINUX], pythons=["310", "311"])
    done = workspace.locked("torch", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt") == [f"torch==2.14.0 ; {MAC}", f"torch==2.14.0+cpu ; {NOT_MAC}"]
    assert "torch 2.15.0 has no build for Python" in done.messages


def test_a_release_without_a_partner_is_passed_over(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torch", "2.15.0", ["leaf"])
    done = workspace.locked("torch", "torchvision", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt")[0] == f"torch==2.14.0 ; {MAC}"
    assert "no partner fits torch 2.15.0; torch 2.14.0 is used" in done.messages


def test_another_package_forbids_the_newest_torch(workspace: Workspace) -> None:
    done = workspace.locked("torch", "torchvision", "old-app")
    assert workspace.pins("torch-cpu.txt") == [
        f"torch==2.13.0 ; {MAC}",
        f"torch==2.13.0+cpu ; {NOT_MAC}",
        f"torchvision==0.28.0 ; {MAC}",
        f"torchvision==0.28.0+cpu ; {NOT_MAC}",
    ]
    # The full lock has the same public versions.
    assert [pin for pin in workspace.pins("torch-full.txt") if pin.startswith("torch")] == [
        "torch==2.13.0",
        "torchvision==0.28.0",
    ]
    notes = [note for note in done.result["notes"] if note["code"] == "torch.older"]
    assert len(notes) == 1
    assert "torch 2.14.0" in notes[0]["message"]
    assert "old-app" in notes[0]["message"]
    assert "torch<2.14" in notes[0]["message"]
    assert "Using torch 2.13.0, torchvision 0.28.0" in notes[0]["message"]


def test_all_versions_of_another_package_forbid_it(workspace: Workspace, default_index: DefaultIndex) -> None:
    """uv says it in the plural then."""
    for version in ("1.0", "1.1"):
        default_index.add("oldie", version, ["torch<2.14"])
    done = workspace.locked("torch", "oldie", "--backend", "cpu")
    assert "torch 2.14.0 not possible: oldie needs torch<2.14. Using torch 2.13.0" in done.messages


def test_a_torch_that_nothing_allows(workspace: Workspace) -> None:
    done = workspace.lock("torch>=2.14", "old-app", "--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.unsatisfiable"
    assert "old-app" in done.error["message"]
    assert "torch<2.14" in done.error["message"]


def test_builds_with_a_tag_in_their_name(workspace: Workspace, torch_index: TorchIndex) -> None:
    workspace.every_python()
    index = torch_index.channels["cpu"]
    index["torch"] = [file for file in index["torch"] if file.version != "2.14.0+cpu" or ARM not in file.filename]
    for python in ("310", "311", "312", "313", "314"):
        torch_index.wheel("torch", "2.14.0+cpu", f"cp{python}-cp{python}-{ARM}", ["leaf"], build="2")
    workspace.locked("torch", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt")[1] == f"torch==2.14.0+cpu ; {NOT_MAC}"
    tagged = {file.digest for file in index["torch"] if "-2-cp" in file.filename}
    assert len(tagged) == 5
    assert tagged <= workspace.hashes("torch-cpu.txt", "torch")


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("json", [False, True])
def test_every_shape_of_page_gives_the_same_lock(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex, relative: bool, json: bool
) -> None:
    torch_index.relative = relative
    default_index.json = json
    workspace.locked("torch", "leaf", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt") == [f"torch==2.14.0 ; {MAC}", f"torch==2.14.0+cpu ; {NOT_MAC}"]
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]


@pytest.mark.parametrize("channel", ["cu126", "rocm6.4", "xpu"])
def test_other_backends_take_the_same_path(workspace: Workspace, torch_index: TorchIndex, channel: str) -> None:
    torch_index.release("torch", "2.14.0", ["leaf"], channel=channel, platforms=[LINUX, WINDOWS])
    done = workspace.locked("torch", "leaf", "--backend", channel, "--target", "linux-x86_64")
    assert workspace.pins(f"torch-{channel}.txt") == [f"torch==2.14.0+{channel}"]
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
    assert list(done.result["pins"]) == [channel]


def test_a_cpu_and_a_cuda_backend_share_the_rest(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torch", "2.13.0", ["leaf", "nvidia-cublas"], channel="cu126", platforms=[LINUX])
    torch_index.release("torch", "2.14.0", ["leaf", "nvidia-cublas"], channel="cu126", platforms=[LINUX])
    workspace.locked("torch<2.14", "leaf<2", "--backend", "cpu", "--backend", "cu126", "--target", "linux-x86_64")
    assert workspace.pins("torch-cpu.txt") == ["torch==2.13.0+cpu"]
    assert workspace.pins("torch-cu126.txt") == ["nvidia-cublas==13.0", "torch==2.13.0+cu126"]
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]


def test_a_member_without_a_build_for_a_python_narrows_the_lock(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    # torchaudio 2.11.0 has no wheel for Python 3.10 on Linux x86-64 and none for 3.14 on Windows.
    index = torch_index.channels["cpu"]
    index["torchaudio"] = [
        file
        for file in index["torchaudio"]
        if not (LINUX in file.filename and "cp310" in file.filename)
        and not (WINDOWS in file.filename and "cp314" in file.filename)
    ]
    default_index.add("sound-app", "1.0", ["torch", "torchaudio"])
    workspace.every_python()
    done = workspace.locked("sound-app", "--backend", "cpu", "--python", OWN)
    assert done.result["gaps"] == [
        "torchaudio 2.11.0 has no build for Python 3.10 on linux-x86_64; Python 3.14 on windows-amd64"
    ]
    pins = workspace.pins("torch-cpu.txt")
    assert [pin.partition(" ; ")[0] for pin in pins] == [
        "torch==2.14.0",
        "torch==2.14.0+cpu",
        "torchaudio==2.11.0",
        "torchaudio==2.11.0+cpu",
    ]
    # No pin of the family holds in a gap: an installer there can say that the lock does not cover it.
    for pin in pins:
        marker = Marker(pin.partition(" ; ")[2])
        for target, python in (("linux-x86_64", "3.10"), ("windows-amd64", "3.14")):
            assert not marker.evaluate(dict(TARGETS[target].environment(python))), pin
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "sound-app==1.0"]


def test_the_upper_bound_of_requires_python_holds(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    # No wheel for 3.14 at all, and a package that makes uv look there: it ignores the upper bound of requires-python.
    default_index.add("forked", "1.0", ["leaf<2 ; python_version >= '3.14'", "leaf>=2 ; python_version < '3.14'"])
    index = torch_index.channels["cpu"]
    index["torch"] = [file for file in index["torch"] if "cp314" not in file.filename]
    workspace.every_python(">=3.10,<3.14")
    workspace.locked("torch==2.13.0", "forked", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt") == [f"torch==2.13.0 ; {MAC}", f"torch==2.13.0+cpu ; {NOT_MAC}"]
    assert workspace.pins("requirements.txt") == ["forked==1.0", "leaf==2.0"]


def test_other_implementations_are_not_asked_for(workspace: Workspace, default_index: DefaultIndex) -> None:
    # There are builds of torch for CPython only, and a universal resolution would fork for PyPy, and fail there.
    default_index.add("c-api", "1.0", ["only-pypy ; platform_python_implementation == 'PyPy'"])
    workspace.locked("torch", "c-api")
    assert workspace.pins("requirements.txt") == ["c-api==1.0", "leaf==2.0"]


def test_targets_narrow_the_markers(workspace: Workspace) -> None:
    workspace.locked("torch", "--target", "linux-x86_64", "--target", "windows-amd64", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt") == ["torch==2.14.0+cpu"]
    assert 'targets = [\n    "linux-x86_64",\n    "windows-amd64",\n]' in workspace.text("lock.toml")


def test_a_marker_of_the_project_is_kept(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("win-only", "1.0")
    workspace.write(
        "requirements.txt",
        'torch\nwin-only ; sys_platform == "win32"\n'
        'leaf<2 ; python_version < "3.12"\nleaf ; python_version >= "3.12"\n',
    )
    workspace.every_python()
    workspace.locked("--backend", "cpu")
    assert workspace.pins("requirements.txt") == [
        "leaf==1.1 ; python_version < '3.12'",
        "leaf==2.0 ; python_version >= '3.12'",
        "win-only==1.0 ; sys_platform == 'win32'",
    ]


def test_all_four_targets_have_their_files(workspace: Workspace, torch_index: TorchIndex) -> None:
    workspace.locked("torch", "--backend", "cpu")
    found = workspace.hashes("torch-cpu.txt", "torch")
    for platform in PLATFORMS:
        files = [f for f in torch_index.channels["cpu"]["torch"] if platform in f.filename and "2.14.0" in f.version]
        assert any(file.digest in found for file in files), platform


def test_a_source_distribution_is_hashed_too(workspace: Workspace, default_index: DefaultIndex) -> None:
    sdist = default_index.add_sdist("old-style", "1.0", ["leaf<2"])
    workspace.locked("torch", "old-style", "--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==1.1", "old-style==1.0"]
    assert workspace.hashes("requirements.txt", "old-style") == {sdist.digest}


def test_a_yanked_release_is_passed_over(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("leaf", "3.0", yanked=True)
    workspace.locked("torch", "leaf", "--backend", "cpu")
    assert workspace.pins("requirements.txt") == ["leaf==2.0"]
