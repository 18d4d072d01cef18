"""What a project tells uv under [tool.uv] about other packages' requirements: a lock follows it."""

from __future__ import annotations

import pytest
from indexes import DefaultIndex, TorchIndex
from workspace import Workspace

_PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = {}\n[tool.uv]\n{}\n'


def project(workspace: Workspace, dependencies: list[str], *settings: str) -> None:
    workspace.write("pyproject.toml", _PROJECT.format(dependencies, "\n".join(settings)))


def test_an_override_decides_what_others_ask_for(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("stiff", "1.0", ["leaf<2"])
    project(workspace, ["torch", "stiff"], 'override-dependencies = ["leaf==2.0"]')
    done = workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "stiff==1.0"]
    assert "pyproject.toml: [tool.uv] decides what is asked of leaf, whatever other packages say" in done.messages


def test_without_it_the_package_decides(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add("stiff", "1.0", ["leaf<2"])
    project(workspace, ["torch", "stiff"])
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1", "stiff==1.0"]


def test_an_override_of_torch_takes_its_build_from_the_cpu_index(workspace: Workspace) -> None:
    # old-app wants torch<2.14: without the override torch goes back to 2.13.
    project(workspace, ["torch", "old-app"], 'override-dependencies = ["torch==2.14.0"]')
    done = workspace.locked()
    assert workspace.pins("torch-cpu.txt") == [
        "torch==2.14.0 ; sys_platform == 'darwin'",
        "torch==2.14.0+cpu ; sys_platform != 'darwin'",
    ]
    assert "torch==2.14.0" in workspace.pins("torch-full.txt")
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "old-app==1.0"]
    assert not [note for note in done.result["notes"] if note["code"] == "torch.older"]


def test_an_override_reaches_a_member_that_nobody_names(workspace: Workspace, torch_index: TorchIndex) -> None:
    project(workspace, ["vision-app"], 'override-dependencies = ["torchvision<0.29"]')
    workspace.locked("--backend", "cpu")
    assert [pin.partition(" ")[0] for pin in workspace.pins("torch-cpu.txt")] == [
        "torch==2.13.0",
        "torch==2.13.0+cpu",
        "torchvision==0.28.0",
        "torchvision==0.28.0+cpu",
    ]
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "vision-app==1.0"]


def test_an_override_of_a_build_without_metadata_says_so(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.release("torch", "2.5.0", ["leaf>=1"], metadata=False)
    project(workspace, ["torch", "old-app"], 'override-dependencies = ["torch==2.5.0"]')
    done = workspace.lock("--backend", "cpu")
    assert done.exit_code == 4
    assert done.error["code"] == "resolve.no-metadata"
    assert done.error["hint"] == "Take the override away, or take torch 2.6 or newer."


@pytest.mark.parametrize(
    "setting", ["override-dependencies = [\"leaf ; sys_platform == 'never'\"]", 'exclude-dependencies = ["Leaf"]']
)
def test_a_package_can_be_taken_out(workspace: Workspace, default_index: DefaultIndex, setting: str) -> None:
    default_index.add("heavy", "1.0", ["leaf"])
    project(workspace, ["torch", "heavy"], setting)
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["heavy==1.0"]


def test_constraints(workspace: Workspace) -> None:
    project(workspace, ["torch"], 'constraint-dependencies = ["leaf<2", "torch<2.14"]')
    workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert workspace.pins("torch-cpu.txt")[0].startswith("torch==2.13.0 ")


def test_a_gpu_package_stays_out_whatever_an_override_says(workspace: Workspace) -> None:
    project(workspace, ["speedy-app"], 'override-dependencies = ["triton==3.7"]')
    done = workspace.locked()
    assert workspace.pins("requirements.txt") == ["leaf==2.0", "speedy-app==1.0"]
    assert "triton left out of the cpu lock: speedy-app asked for it" in done.messages


def test_a_changed_override_makes_the_lock_stale(workspace: Workspace) -> None:
    project(workspace, ["torch"], 'override-dependencies = ["leaf==1.0"]')
    workspace.locked()
    assert workspace.lock("--check").exit_code == 0
    assert workspace.pins("requirements.txt") == ["leaf==1.0"]
    project(workspace, ["torch"], 'override-dependencies = ["leaf==1.1"]')
    done = workspace.lock("--check")
    assert done.exit_code == 5
    assert "override leaf==1.1 is new; override leaf==1.0 is gone" in done.error["message"]


def test_the_lock_alone_is_locked_again_with_its_overrides(workspace: Workspace, default_index: DefaultIndex) -> None:
    project(workspace, ["torch"], 'override-dependencies = ["leaf<2"]')
    workspace.locked()
    (workspace.root / "pyproject.toml").unlink()
    default_index.add("leaf", "1.2")
    workspace.locked("--upgrade")
    assert workspace.pins("requirements.txt") == ["leaf==1.2"]


def test_a_script_has_its_own(workspace: Workspace) -> None:
    project(workspace, ["torch"], 'override-dependencies = ["leaf==1.0"]')
    block = '# /// script\n# dependencies = ["torch"]\n# [tool.uv]\n# override-dependencies = ["leaf==1.1"]\n# ///\n'
    workspace.write("job.py", block)
    done = workspace.locked("--script", "job.py")
    assert workspace.pins("requirements.txt") == ["leaf==1.1"]
    assert "job.py: [tool.uv] decides what is asked of leaf" in done.messages


def test_pip_compile_knows_no_overrides(workspace: Workspace) -> None:
    project(workspace, ["torch"], 'override-dependencies = ["leaf==1.0"]')
    done = workspace.lock("--resolver", "pip-tools")
    assert done.exit_code == 2
    assert done.error["code"] == "usage.resolver-overrides"
    assert not workspace.lockfiles.exists()


@pytest.mark.parametrize("key", ["override", "constraint"])
def test_a_link_is_an_error_once_its_package_comes_in(
    workspace: Workspace, default_index: DefaultIndex, key: str
) -> None:
    project(workspace, ["torch"], f'{key}-dependencies = ["other @ git+https://git.example/other"]')
    workspace.locked()
    default_index.add("other", "6.6.6")
    project(workspace, ["torch", "other"], f'{key}-dependencies = ["other @ git+https://git.example/other"]')
    done = workspace.lock()
    assert (done.exit_code, done.error["code"]) == (4, "lock.unlockable")
    assert "cannot pin other @ git+https://git.example/other (pyproject.toml: tool.uv." in done.error["message"]
