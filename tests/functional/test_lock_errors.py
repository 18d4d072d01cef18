"""Errors that a user can cause: each has its code, and says what to do next."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from indexes import DefaultIndex, TorchIndex, make_wheel
from workspace import Workspace

from envtool.lock import indexed_step
from envtool.torch.targets import host_target

HOST = host_target()
PROJECT = '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch"]\n'


def refused(place: Workspace, *args: str) -> tuple[int, str, str, str]:
    """Exit code, error code, message and hint of a lock that fails."""
    done = place.lock(*args)
    assert not place.lockfiles.exists()
    error = done.error
    assert error["hint"], error
    return done.exit_code, error["code"], error["message"], error["hint"]


@pytest.mark.parametrize(
    ("index", "message", "hint"),
    [
        ("wheels", "torch-index is 'wheels', no http(s) URL", "a folder of wheels goes into find-links"),
        ("https://u:t0ken@mirror.example/whl/cpu", "torch-index ends in /cpu", "Set it to https://mirror.example/whl"),
    ],
)
def test_the_base_of_the_index(workspace: Workspace, index: str, message: str, hint: str) -> None:
    status, code, said, advice = refused(workspace, "torch", "--torch-index", index)
    assert (status, code) == (2, "settings.torch-index")
    assert message in said
    assert hint in advice
    assert "t0ken" not in said + advice


@pytest.mark.parametrize("name", ["UV_HTTP_TIMEOUT", "UV_LINK_MODE", "UV_OFFLINE"])
def test_a_variable_that_uv_cannot_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "nonsense")
    status, code, message, hint = refused(workspace, "torch")
    assert (status, code) == (2, "uv.variable")
    assert message.startswith(f"uv cannot read {name}=nonsense")
    assert hint.startswith(f"Unset {name}, or ")


@pytest.mark.parametrize("value", ["../venv", ".", ""])
def test_an_environment_outside_the_project(workspace: Workspace, value: str) -> None:
    workspace.write("pyproject.toml", PROJECT + f'[tool.envtool]\nvenv = "{value}"\n')
    assert refused(workspace)[:2] == (2, "settings.venv")


@pytest.mark.parametrize("python", [">=3.6,<3.10", "<3"])
def test_a_project_for_older_pythons(workspace: Workspace, python: str) -> None:
    workspace.write("pyproject.toml", PROJECT + f'requires-python = "{python}"\n')
    status, code, message, _ = refused(workspace)
    assert (status, code) == (2, "lock.python")
    assert "admits none of Python 3.10, 3.11, 3.12, 3.13, 3.14" in message


def test_another_python_than_the_project_admits(workspace: Workspace) -> None:
    primary = f"{sys.version_info[0]}.{sys.version_info[1]}"
    workspace.write("pyproject.toml", PROJECT + f'requires-python = ">=3.10,!={primary}.*"\n')
    status, code, message, _ = refused(workspace, "--python", sys.executable)
    assert (status, code) == (2, "lock.python")
    assert message.startswith(f"Python {primary} is not in requires-python")


def test_a_requires_python_that_is_none(workspace: Workspace) -> None:
    workspace.write("pyproject.toml", PROJECT + 'requires-python = "three"\n')
    assert refused(workspace)[1::2] == ("request.python", 'Such as ">=3.10".')


@pytest.mark.parametrize(
    "text",
    ["print()\n", "# /// script\n# dependencies = [\n# ///\n", "# /// script\n# dependencies = 1\n# ///\n"],
    ids=["none", "no-toml", "no-list"],
)
def test_a_script_without_metadata(workspace: Workspace, text: str) -> None:
    workspace.write("app.py", text)
    done = workspace.lock("--script", "app.py")
    assert (done.exit_code, done.error["code"]) == (2, "script.metadata")
    assert "app.py" in done.error["message"]


def test_a_script_that_is_not_there(workspace: Workspace) -> None:
    status, code, message, _ = refused(workspace, "--script", "app.py")
    assert (status, code) == (2, "script.unreadable")
    assert message == "script app.py cannot be read: No such file or directory"


def test_a_pyproject_that_is_a_folder(workspace: Workspace) -> None:
    (workspace.root / "pyproject.toml").mkdir()
    assert refused(workspace, "torch")[:2] == (2, "pyproject.unreadable")


@pytest.mark.skipif(sys.platform == "win32", reason="needs an executable shell script")
@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [("echo 3.11 pypy", 2, "python.unsupported"), ("exit 3", 6, "python.broken")],
)
def test_an_interpreter_that_will_not_do(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, code: str
) -> None:
    path = workspace.write("bin/python", f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    monkeypatch.setattr("envtool.lock.project.find_python", Path)
    assert refused(workspace, "torch", "--python", str(path))[:2] == (status, code)


def test_a_folder_that_cannot_be_written(workspace: Workspace) -> None:
    workspace.write("lockfiles", "a file where the folder should be\n")
    done = workspace.lock("torch", "--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (5, "lock.write")
    assert done.error["message"].startswith("lockfiles/ cannot be written")


def test_a_folder_that_may_not_be_written_is_found_before_the_work(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write("requirements.txt", "torch\n")
    workspace.locked("--backend", "cpu")
    monkeypatch.setattr("envtool.adapters.files.may_write", lambda folder: folder != workspace.lockfiles)
    assert workspace.lock("--backend", "cpu").exit_code == 0  # it is up to date: nothing to write
    assert workspace.lock("torch<2.14", "--backend", "cpu", "--diff").exit_code == 0
    monkeypatch.setattr(indexed_step, "resolve", None)
    done = workspace.lock("torch<2.14", "--backend", "cpu")
    assert (done.exit_code, done.error["code"]) == (5, "lock.write")
    assert done.error["message"] == "lockfiles/ cannot be written by this user"


def test_an_extra_that_names_torch(workspace: Workspace) -> None:
    text = '[project]\nname = "app"\nversion = "1"\ndependencies = ["leaf"]\n'
    text += '[project.optional-dependencies]\nworker = ["torchvision>=0.1"]\ndocs = ["leaf"]\n'
    workspace.write("pyproject.toml", text + '[dependency-groups]\ntrain = ["torch", {include-group = "x"}]\nx = []\n')
    status, code, _, hint = refused(workspace, "--backend", "cpu")
    assert (status, code) == (3, "lock.no-torch")
    assert hint == "It is named apart there: add --extra worker or --group train."
    workspace.locked("--extra", "worker", "--backend", "cpu")


@pytest.mark.skipif(HOST is None, reason="this machine is none of the targets")
def test_full_torch_never_comes_from_a_folder_with_another_build(
    workspace: Workspace, torch_index: TorchIndex, default_index: DefaultIndex
) -> None:
    # == and even a plain requirement would match torch 2.14.0+cpu of the folder, which sorts above 2.14.0.
    assert HOST is not None
    (workspace.root / "wheels").mkdir()
    own = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    version = "99.0.0" if HOST.name == "macos-arm64" else "99.0.0+cpu"
    name, data = make_wheel("torch", version, f"{own}-{own}-manylinux_2_28_x86_64")
    (workspace.root / "wheels" / name).write_bytes(data)
    workspace.locked("torch", "--find-links", "wheels", "--backend", "cpu", "--backend", "full")
    assert any(pin.startswith("torch==2.14.0") for pin in workspace.pins("torch-full.txt"))
    assert "99.0.0" not in workspace.text("torch-full.txt")


def test_a_build_of_another_index_is_no_full_torch(workspace: Workspace, default_index: DefaultIndex) -> None:
    default_index.add_torch("torch", "99.0.0+cu126")
    status, code, message, _ = refused(workspace, "torch", "--backend", "full")
    assert (status, code) == (4, "full.local")
    assert message.startswith("full torch resolved to torch 99.0.0+cu126")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--target", "plan9"), "settings.unknown-key", "unknown target 'plan9' in --target"),
        (("--gpu-packages", "no"), "settings.value", "--gpu-packages is 'no'"),
        (("--torch-index", "wheels"), "settings.torch-index", "torch-index is 'wheels', no http(s) URL"),
    ],
)
def test_an_option_is_named_as_it_was_given(workspace: Workspace, words: list[str], code: str, message: str) -> None:
    assert refused(workspace, "torch", *words)[:3] == (2, code, message)


def test_a_file_that_is_listed_and_not_served(workspace: Workspace, torch_index: TorchIndex) -> None:
    # A dangling anchor: the index lists the wheel, and answers 403 for it and for its metadata.
    for file in torch_index.files("torch", "2.14.0+cpu") + torch_index.files("torch", "2.14.0"):
        file.there = file.metadata = False
    status, code, message, hint = refused(workspace, "torch==2.14.0", "--backend", "cpu")
    assert (status, code) == (4, "resolve.no-metadata")
    assert "does not serve its metadata" in message
    assert "complete mirror" in hint


def test_a_page_without_a_link_is_no_offer(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.channels["cpu"]["torchvision"] = []
    status, code, message, _ = refused(workspace, "vision-app", "--backend", "cpu")
    assert (status, code) == (4, "resolve.no-build")
    assert message == "the cpu index does not list torchvision at all (torchvision is needed by vision-app)"


def test_a_page_with_a_foreign_script(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.injected = "<script>document.write('<a href=\"/whl/torch-99.0.0-py3-none-any.whl\">x</a>')</script>"
    workspace.locked("torch", "--backend", "cpu")
    assert all("==2.14.0" in pin for pin in workspace.pins("torch-cpu.txt"))


@pytest.mark.parametrize("status", [500, 503])
def test_one_bad_answer_is_asked_again(workspace: Workspace, torch_index: TorchIndex, status: int) -> None:
    torch_index.broken, torch_index.times = status, 1
    workspace.locked("torch", "--backend", "cpu")


def test_an_answer_that_means_nothing(workspace: Workspace, torch_index: TorchIndex) -> None:
    torch_index.broken = 418
    status, code, message, _ = refused(workspace, "torch", "--backend", "cpu")
    assert (status, code) == (6, "network.status")
    assert "answered 418" in message


def test_a_metadata_file_that_breaks_off(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setenv("ENVTOOL_TORCH_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}/whl")
        monkeypatch.setattr("envtool.adapters.http.READ_TIMEOUT", 0.2)
        status, code, *_ = refused(workspace, "torch", "--backend", "cpu")
    assert (status, code) == (6, "torch-index.unreachable")


def test_a_marker_that_holds_on_no_target(workspace: Workspace) -> None:
    workspace.write("requirements.txt", 'torch ; sys_platform == "darwin"\nleaf\n')
    status, code, message, _ = refused(workspace, "--backend", "cpu", "--target", "linux-x86_64")
    assert (status, code) == (3, "lock.no-torch")
    assert message == "the markers of torch hold on none of the targets: linux-x86_64"


def test_what_is_not_read_is_said(workspace: Workspace) -> None:
    workspace.write("environment.yml", "dependencies: [pytorch]\n")
    done = workspace.locked("--backend", "cpu")
    assert "no requirements found here (environment.yml is not read): setting up torch alone" in done.messages


def test_a_marker_that_holds_on_some_targets(workspace: Workspace) -> None:
    workspace.write("requirements.txt", 'torch ; sys_platform != "linux"\nleaf\n')
    workspace.every_python(">=3.12,<3.14")
    done = workspace.locked("--backend", "cpu", "--python", "3.12")
    assert (
        "this lock does not cover Python 3.12, 3.13 on linux-aarch64, linux-x86_64: nothing asks for torch there"
        in done.messages
    )
    assert 'targets = [\n    "windows-amd64",\n    "macos-arm64",\n]' in workspace.text("lock.toml")


def test_a_find_links_folder_that_is_not_there(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "torch\n--find-links ./nowhere\n")
    status, code, message, _ = refused(workspace, "--backend", "cpu")
    assert (status, code) == (2, "find-links.missing")
    assert message.endswith("nowhere cannot be read")


def test_a_group_that_is_not_there(workspace: Workspace) -> None:
    workspace.write("pyproject.toml", PROJECT + '[dependency-groups]\ndev = ["leaf"]\n')
    status, code, message, hint = refused(workspace, "--group", "tests")
    assert (status, code) == (2, "request.group")
    assert (message, hint) == ("pyproject.toml has no dependency group 'tests'", "Groups: dev.")


def test_a_local_path_that_is_not_there(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "torch\n-e ./nowhere\n")
    status, code, message, _ = refused(workspace)
    assert (status, code) == (4, "lock.unlockable")
    assert message.endswith("cannot pin ./nowhere (requirements.txt:2: there is no such folder)")


def test_a_requirements_file_beside_the_project_names_torch(workspace: Workspace) -> None:
    workspace.write("pyproject.toml", '[project]\nname = "app"\nversion = "1"\ndependencies = ["leaf"]\n')
    workspace.write("requirements.txt", "torch\n")
    status, code, _, hint = refused(workspace, "--backend", "cpu")
    assert (status, code) == (3, "lock.no-torch")
    assert hint == "requirements.txt beside it names torch: envtool setup --cpu -r requirements.txt."


@pytest.mark.parametrize("marker", ["", " ; python_version >= '3.10'"], ids=["everywhere", "by a marker"])
@pytest.mark.skipif(sys.version_info[:2] == (3, 14), reason="no later Python to narrow from")
def test_a_name_that_no_index_has_is_asked_for_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    asked = []
    resolve = indexed_step.resolve
    monkeypatch.setattr(indexed_step, "resolve", lambda *args: asked.append(args) or resolve(*args))
    workspace.write("requirements.txt", f"torch\nno-such-name{marker}\n")
    status, code, message, hint = refused(workspace, "--backend", "cpu")
    assert (status, code, len(asked)) == (4, "resolve.unsatisfiable", 1)
    assert hint.startswith("Is its name right?")
    assert "your project depends on no-such-name" in message


def test_pip_tools_knows_one_python_and_is_asked_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    resolve = indexed_step.resolve
    monkeypatch.setattr(indexed_step, "resolve", lambda *args: asked.append(args) or resolve(*args))
    status, code, *_ = refused(workspace, "torch", "leaf>99", "--backend", "cpu", "--resolver", "pip-tools")
    assert (status, code, len(asked)) == (4, "resolve.unsatisfiable", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs symlinks")
def test_a_folder_elsewhere_is_refused_before_the_work(
    workspace: Workspace, torch_index: TorchIndex, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    workspace.lockfiles.symlink_to(tmp_path / "elsewhere")
    done = workspace.lock("torch")
    assert (done.exit_code, done.error["code"]) == (5, "lock.outside")
    assert torch_index.asked == []
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("command", ["lock", "versions"])
@pytest.mark.parametrize("option", ["--torch-index", "--find-links"])
def test_a_setting_with_a_url_that_cannot_be_read(workspace: Workspace, command: str, option: str) -> None:
    done = workspace.run(command, option, "http://[s3cret/whl", "--json")
    assert done.exit_code == 2
    assert done.error["code"] == f"settings.{option[2:]}"
    assert "a URL that cannot be read" in done.error["message"]
    assert "s3cret" not in done.stdout + done.stderr
