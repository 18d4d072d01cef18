"""The second resolver: pip-compile and uv give the same lock for a single target, and neither sees an extra index."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest
from indexes import DefaultIndex, TorchIndex
from workspace import Workspace

from envtool.lock import indexed_step
from envtool.torch.targets import host_target

HOST = host_target()
REST = "requirements.txt"
PRIMARY = f"{sys.version_info[0]}.{sys.version_info[1]}"
pytestmark = pytest.mark.skipif(HOST is None, reason="this machine is none of the targets")


def lock_with(place: Workspace, resolver: str, *args: str) -> list[str]:
    assert HOST is not None
    done = place.locked("--resolver", resolver, "--target", HOST.name, "--python", sys.executable, *args)
    return [note["message"] for note in done.result["notes"]]


@pytest.mark.parametrize(
    "text",
    [
        "torch\nleaf\n",
        "vision-app\n",
        "torch\ntorchvision\nold-app\n",
        "speedy-app\nhelper-app\n",
        'torch<2.14\nleaf<2 ; python_version >= "3.10"\nleaf>=2 ; python_version < "3.10"\n',
    ],
    ids=["direct", "through-another", "going-back", "gpu-left-out", "markers"],
)
def test_both_give_the_same_lock(make_workspace: Callable[[str], Workspace], text: str) -> None:
    # Names, versions and markers. pip-compile lists the digests of all platforms, so these are more.
    found, hashes = [], []
    for resolver in ("uv", "pip-tools"):
        place = make_workspace(resolver)
        # What uv resolves for is the whole range; pip-compile knows one Python.
        place.every_python(f"=={PRIMARY}.*")
        place.write("requirements.in", text)
        lock_with(place, resolver)
        found.append({name: place.pins(name) for name in ("torch-cpu.txt", "torch-full.txt", "requirements.txt")})
        hashes.append({name: place.hashes(file, name) for file, name in (("torch-cpu.txt", "torch"), (REST, "leaf"))})
    assert found[0] == found[1]
    assert hashes[0] == hashes[1]


def test_the_note_of_what_was_left_out_is_the_same(make_workspace: Callable[[str], Workspace]) -> None:
    found = [lock_with(make_workspace(name), name, "speedy-app", "--backend", "cpu") for name in ("uv", "pip-tools")]
    assert "triton left out of the cpu lock: speedy-app asked for it" in found[0]
    assert "triton left out of the cpu lock: speedy-app asked for it" in found[1]


@pytest.mark.parametrize("how", ["PIP_EXTRA_INDEX_URL", "pip.conf"])
def test_an_ambient_extra_index_does_not_leak(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    other = DefaultIndex()
    try:
        other.add_torch("torch", "99.0.0")
        other.add("leaf", "99.0.0")
        if how == "pip.conf":
            if sys.platform != "linux":
                pytest.skip("pip looks for its configuration elsewhere on this system")
            workspace.write("config/pip/pip.conf", f"[global]\nextra-index-url = {other.url}\n")
            monkeypatch.setenv("XDG_CONFIG_HOME", str(workspace.root / "config"))
        else:
            monkeypatch.setenv(how, other.url)
        lock_with(workspace, "pip-tools", "torch", "leaf", "--backend", "cpu")
        assert workspace.pins("requirements.txt") == ["leaf==2.0"]
        assert workspace.pins("torch-cpu.txt")[0].startswith("torch==2.14.0")
        assert other.asked == []
        assert "://" not in "".join(workspace.text(name) for name in ("torch-cpu.txt", "requirements.txt"))
    finally:
        other.stop()


def test_a_lock_keeps_its_resolver(workspace: Workspace, default_index: DefaultIndex) -> None:
    workspace.write("requirements.in", "torch\nleaf\n")
    workspace.locked("--resolver", "pip-tools", "--backend", "cpu", "--python", sys.executable)
    default_index.add("leaf", "3.0")
    assert workspace.locked().result["changed"] is False
    done = workspace.locked("--upgrade", "--python", sys.executable)
    assert done.result["diff"] == ["~ leaf 2.0 -> 3.0  (requirements.txt)"]
    assert 'resolver = "pip-tools"' in workspace.text("lock.toml")


def test_pins_are_kept_by_both(make_workspace: Callable[[str], Workspace], default_index: DefaultIndex) -> None:
    places = {name: make_workspace(name) for name in ("uv", "pip-tools")}
    for name, place in places.items():
        place.write("requirements.in", "torch\nleaf\n")
        lock_with(place, name, "--backend", "cpu")
    default_index.add("leaf", "3.0")
    default_index.add("twig", "1.0")
    for name, place in places.items():
        place.write("requirements.in", "torch\nleaf\ntwig\n")
        lock_with(place, name, "--backend", "cpu")
        assert place.pins("requirements.txt") == ["leaf==2.0", "twig==1.0"], name


def test_several_targets_are_narrowed_with_a_note(workspace: Workspace) -> None:
    assert HOST is not None
    done = workspace.locked("torch", "--resolver", "pip-tools", "--backend", "cpu", "--python", sys.executable)
    assert f"this lock covers {HOST.name} with Python {PRIMARY} only: pip-compile knows no other" in done.messages
    assert f'targets = [\n    "{HOST.name}",\n]' in workspace.text("lock.toml")


def test_no_solution(workspace: Workspace) -> None:
    done = workspace.lock("torch>=2.14", "old-app", "--backend", "cpu", "--resolver", "pip-tools")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.unsatisfiable"
    assert "torch<2.14" in done.error["message"]
    assert "Traceback" not in done.error["message"]


def test_back_to_the_version_that_is_asked_for(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip says who asked for which torch: one round finds it, however old it is."""
    for release in ("2.9.0", "2.10.0", "2.11.0", "2.12.0"):
        torch_index.release("torch", release, ["leaf>=1"])
    default_index.add("ancient-app", "1.0", ["torch==2.10.0"])
    monkeypatch.setattr(indexed_step, "_ROUNDS", 2)
    notes = lock_with(workspace, "pip-tools", "torch", "ancient-app", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt")[0].startswith("torch==2.10.0+cpu")
    assert "torch 2.14.0 not possible: ancient-app==1.0 needs torch==2.10.0. Using torch 2.10.0" in notes


def test_too_many_rounds(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexed_step, "_ROUNDS", 1)
    done = workspace.lock("torch", "old-app", "--backend", "cpu", "--resolver", "pip-tools")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unstable")
    assert "old-app==1.0 depends on torch<2.14" in done.error["message"]
    assert done.error["hint"] == "Pin torch: envtool lock 'torch==X.Y.Z' -r FILE."
    assert not workspace.lockfiles.exists()


def test_a_name_that_nobody_has(workspace: Workspace) -> None:
    done = workspace.lock("torch", "nobody-has-this", "--backend", "cpu", "--resolver", "pip-tools")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
    message = "Could not find a version that satisfies the requirement nobody-has-this (from versions: none)"
    assert (done.error["message"], done.error["hint"]) == (message, "Is its name right?")


def test_torch_that_only_another_package_asks_for(workspace: Workspace, default_index: DefaultIndex) -> None:
    """The full builds bind triton, which pip cannot leave out then; the builds of the cpu index ask for none."""
    default_index.projects["torch"].clear()
    default_index.add_torch("torch", "2.14.0", ['triton==3.7 ; sys_platform == "linux"'])
    default_index.add("new-app", "1.0", ["torch>=2.13"])
    lock_with(workspace, "pip-tools", "new-app", "--backend", "cpu")
    assert workspace.pins("torch-cpu.txt")[0].startswith("torch==2.14.0")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "new-app==1.0"]


def test_many_causes_are_not_all_listed(workspace: Workspace, default_index: DefaultIndex) -> None:
    for number in range(30):
        default_index.add("leafy-application", f"1.{number}", ["leaf==1.0"])
    args = ("torch", "leafy-application", "leaf>=2", "--backend", "cpu", "--resolver", "pip-tools")
    message = workspace.lock(*args).error["message"]
    assert message.startswith("pip finds no versions that fit together: ")
    assert len(message) < 450
    assert re.search(r"; and \d+ more$", message)


def test_a_source_that_cannot_be_built(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add_sdist("native", "1.0", built=True, failure="libnative is missing")
    done = workspace.lock("torch", "native", "--backend", "cpu", "--resolver", "pip-tools")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.build")
    assert done.error["message"] == (
        "native has no wheel that fits, and its source cannot be built to read what it needs: "
        "OSError: libnative is missing"
    )
    assert done.error["hint"] == "Ask for a version of native that has wheels."


def test_a_gpu_package_with_an_upper_bound(workspace: Workspace, default_index: DefaultIndex) -> None:
    """pip cannot override a requirement, as uv can."""
    default_index.add("bound-app", "1.0", ["torch", "deepspeed==0.12.4"])
    done = workspace.lock("torch", "bound-app", "--backend", "cpu", "--resolver", "pip-tools")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.unsatisfiable")
    assert done.error["message"].endswith("bound-app==1.0 depends on deepspeed==0.12.4")
    assert "cannot leave out deepspeed" in done.error["hint"]
    assert "--resolver uv" in done.error["hint"]
    assert workspace.locked("torch", "bound-app", "--backend", "cpu").exit_code == 0


def test_what_it_cannot_do(workspace: Workspace) -> None:
    assert HOST is not None
    done = workspace.lock("torch", "--resolver", "poetry")
    assert (done.exit_code, done.error["code"]) == (2, "usage.resolver")
    other = next(name for name in ("linux-x86_64", "windows-amd64") if name != HOST.name)
    done = workspace.lock("torch", "--resolver", "pip-tools", "--target", other)
    assert (done.exit_code, done.error["code"]) == (2, "usage.resolver-target")
    assert done.error["message"] == f"--resolver pip-tools can lock for {HOST.name} only, and targets are {other}"
    old = "3.10" if PRIMARY != "3.10" else "3.14"
    done = workspace.lock("torch", "--resolver", "pip-tools", "--python", old)
    assert (done.exit_code, done.error["code"]) == (2, "usage.resolver-python")


def test_a_build_without_metadata(workspace: Workspace, torch_index: TorchIndex) -> None:
    for file in torch_index.channels["cpu"]["torch"]:
        file.metadata = False
    done = workspace.lock("torch", "--backend", "cpu", "--resolver", "pip-tools")
    assert (done.exit_code, done.error["code"]) == (4, "resolve.no-metadata")
    assert "Use --resolver uv" in done.error["hint"]
