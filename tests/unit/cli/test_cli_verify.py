from __future__ import annotations

import json
import sys
import venv
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from envtool.cli.app import application
from envtool.env import records
from envtool.env.generations import activate, layout_for
from envtool.lock.text import render_lock
from envtool.models import Generation, Lock, LockFile, Pin

VERSION = "__version__ = {0!r}\ncuda = {1!r}\nhip = None\n"


def install_torch(folder: Path, version: str = "2.13.0+cpu", cuda: str | None = None) -> None:
    info = folder / f"torch-{version}.dist-info"
    (folder / "torch").mkdir(parents=True)
    info.mkdir()
    (folder / "torch/__init__.py").touch()
    (folder / "torch/version.py").write_text(VERSION.format(version, cuda))
    (info / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
    (info / "RECORD").write_text("torch/__init__.py,,\ntorch/version.py,,\n")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("VIRTUAL_ENV", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def environment(project):
    """A real .venv with a torch of three files."""
    venv.create(project / ".venv", with_pip=False, symlinks=sys.platform != "win32")
    folder = next(path for path in (project / ".venv").rglob("site-packages") if path.parent.name != "lib64")
    install_torch(folder)
    return folder


def run(*arguments: str):
    return CliRunner().invoke(application("verify"), ["verify", *arguments])


def test_static_passes(environment):
    result = run("--static")
    assert result.exit_code == 0
    assert result.stdout.startswith(".venv: torch 2.13.0+cpu (cpu), Python 3.")
    assert result.stdout.splitlines()[-1].startswith("6 passed, 0 failed, ")
    assert result.stderr == ""


def test_json_has_the_documented_keys(environment):
    result = run("--static", "--json")
    data = json.loads(result.stdout)
    assert (data["command"], data["ok"], data["exit_code"], data["error"]) == ("verify", True, 0, None)
    assert {"torch", "backend", "checks", "expected", "python", "summary"} <= data["result"].keys()
    assert (data["result"]["torch"], data["result"]["backend"]) == ("2.13.0+cpu", "cpu")
    assert {key for check in data["result"]["checks"] for key in check} == {"id", "status", "found", "why", "fix"}


def test_a_failure_exits_7_with_the_check_as_code(environment):
    (environment / "torch/__init__.py").unlink()
    result = run("--static", "--json")
    data = json.loads(result.stdout)
    assert result.exit_code == data["exit_code"] == 7
    assert data["error"]["code"] == "verify.torch-present"
    assert data["error"]["message"].startswith(".venv: metadata of torch 2.13.0+cpu is there")
    assert data["error"]["hint"].startswith("Run `envtool setup --cpu`")


def test_the_interpreter_of_the_environment_runs(environment):
    (environment / "torch/__init__.py").write_text("raise RuntimeError('no')")
    result = run("--json")
    data = json.loads(result.stdout)
    assert result.exit_code == 7
    assert data["error"]["code"] == "verify.torch-import"
    assert data["error"]["message"] == ".venv: import torch: RuntimeError: no"


def test_quiet_prints_failures_only(environment, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    fine = run("--static", "-q")
    assert (fine.exit_code, fine.stdout, fine.stderr) == (0, "", "")
    (environment / "torch/__init__.py").unlink()
    broken = run("--static", "-q")
    assert (broken.exit_code, broken.stderr) == (7, "")
    first, why, fix = broken.stdout.splitlines()[:3]
    assert first.split()[:2] == ["FAIL", "torch-present"]
    assert (why.split()[0], fix.split()[0]) == ("why", "fix")
    assert "passed" not in broken.stdout


def test_a_quiet_failure_is_still_annotated_on_github(environment, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (environment / "torch/__init__.py").unlink()
    assert run("--static", "-q").stderr.splitlines()[-1].startswith("::error title=verify.torch-present::")


def test_no_environment_names_the_activated_one(project, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", "/home/me/env")
    result = run()
    assert result.exit_code == 2
    assert "error[verify.target]: no .venv in this folder" in result.stderr
    assert "--python /home/me/env" in result.stderr


def test_a_dangling_venv_is_a_broken_environment(project):
    if sys.platform == "win32":
        pytest.skip("symlinks")
    (project / ".venv").symlink_to("nowhere")
    assert run().exit_code == 7
    assert "error[verify.interpreter]" in run().stderr
    assert "error[verify.site-packages]" in run("--static").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs symlinks")
def test_where_a_setup_would_refuse_the_hint_says_what_comes_first(project):
    (project / ".venv").symlink_to("/nowhere/x")
    hint = (
        "See that this Python still exists and runs. "
        f"{project / '.venv'} is a link to /nowhere/x, which envtool did not make. "
        "Remove the link (what it leads to stays), or choose another place: venv in [tool.envtool]. "
        "Then run `envtool setup --cpu`: it builds a clean environment beside this one and switches when it is proven."
    )
    assert json.loads(run("--json").stdout)["error"]["hint"] == hint
    assert json.loads(run("--json", "--python", ".venv").stdout)["error"]["hint"] == hint


@pytest.mark.parametrize("option", ["--python", "--path"])
def test_another_environment_is_mended_where_its_project_is(environment, option):
    (environment / "torch/__init__.py").unlink()
    (environment.parents[3] / "other").mkdir()
    moved = (environment.parents[3] / ".venv").rename(environment.parents[3] / "other/.venv")
    named = moved if option == "--python" else next(path for path in moved.rglob("site-packages"))
    hint = json.loads(run("--static", "--json", option, str(named)).stdout)["error"]["hint"]
    run_it = "it builds a clean environment beside this one and switches when it is proven."
    assert hint == f"Go to the folder of its project. Then run `envtool setup --cpu`: {run_it}"


def test_both_targets(project):
    result = run("--python", "x", "--path", "y")
    assert result.exit_code == 2
    assert "error[verify.target]" in result.stderr


def test_python_takes_a_version_as_setup_does(environment, monkeypatch):
    monkeypatch.setattr("envtool.env.verify.find_python", lambda text: Path(f"/pythons/{text}/bin/python"))
    data = json.loads(run("--python", "3.12", "--json").stdout)
    assert data["error"]["message"].startswith("/pythons/3.12/bin/python: cannot run /pythons/3.12/bin/python")


@pytest.mark.parametrize(
    ("python", "code", "message"),
    [
        ("no/such/python", "verify.target", "no file or folder no/such/python"),
        ("3.99", "python.missing", "no Python 3.99 found on this machine"),
        ("nonsense", "python.missing", "no Python found as 'nonsense'"),
    ],
)
def test_a_python_that_is_not_there_is_wrong_usage(environment, tmp_path, monkeypatch, python, code, message):
    monkeypatch.setenv("PATH", str(tmp_path))  # each Python on it would be asked what it is
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    result = run("--python", python)
    assert result.exit_code == 2
    assert f"error[{code}]: {message}\n" in result.stderr


def test_path_takes_site_packages_or_the_environment(environment, project):
    for path in (environment, project / ".venv"):
        result = run("--path", str(path), "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["result"]["summary"]["pass"] == 6


def test_path_that_is_not_there(project):
    result = run("--path", "nowhere")
    assert result.exit_code == 2
    assert "no folder nowhere" in result.stderr


def test_python_takes_a_folder_too(environment):
    assert run("--python", ".venv", "--static").exit_code == 0


def test_unknown_backend(environment):
    result = run("--backend", "gpu")
    assert result.exit_code == 2
    assert "error[usage.backend]" in result.stderr


def test_full_is_judged_as_full(environment):
    result = run("--static", "--backend", "full", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "verify.build-identity"


def write_lock(folder: Path, torch: str) -> None:
    """A lock that holds one pin."""
    pin = Pin(name="torch", version=Version(torch), hashes=("0" * 64,))
    lock = Lock(
        torch={"cpu": LockFile(filename="torch-cpu.txt", backend="cpu", pins=(pin,))},
        rest=LockFile(filename="requirements.txt", backend=None, pins=()),
        inputs="sha256:" + "0" * 64,
        requirements=(),
        constraints=(),
        gpu_packages="default",
        python=">=3.10",
        pythons=("3.11",),
        targets=("linux-x86_64",),
    )
    folder.mkdir(exist_ok=True)
    for name, text in render_lock(lock).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def test_the_lock_of_the_folder_is_compared(environment, project):
    assert run("--static").exit_code == 0
    write_lock(project / "lockfiles", "2.13.0")
    result = run("--static")
    assert result.exit_code == 7
    message = "error[verify.installed-matches-lock]: .venv: torch is 2.13.0+cpu (locked: 2.13.0)"
    assert result.stderr.startswith(message)
    write_lock(project / "lockfiles", "2.13.0+cpu")
    assert run("--static").exit_code == 0


def test_another_lock_and_none(environment, project):
    write_lock(project / "lockfiles", "2.13.0")
    assert run("--static", "--no-lock").exit_code == 0
    write_lock(project / "elsewhere", "2.13.0+cpu")
    assert run("--static", "--lock", "elsewhere").exit_code == 0


def test_a_folder_without_a_lock_toml_is_no_lock(environment, project):
    (project / "lockfiles").mkdir()
    assert run("--static").exit_code == 0
    result = run("--static", "--lock", "lockfiles")
    assert (result.exit_code, "error[lock.missing]" in result.stderr) == (5, True)


def test_the_setting_says_where_the_environment_is(environment, project, monkeypatch):
    (project / ".venv").rename(project / "env")
    assert run("--static").exit_code == 2
    monkeypatch.setenv("ENVTOOL_VENV", "env")
    result = run("--static")
    assert (result.exit_code, result.stdout.split(":")[0]) == (0, "env")


def test_what_envtool_made_it_as_is_what_it_should_be(environment, project):
    (environment / "torch/version.py").write_text(VERSION.format("2.13.0", "13.0"))
    (environment / "torch-2.13.0+cpu.dist-info/METADATA").write_text("Name: torch\nVersion: 2.13.0\n")
    assert run("--static").exit_code == 7
    record = Generation(id=1, backend="full", torch="2.13.0", python="3.11.7", created="", kind="built", healthy=True)
    layout = layout_for(project)
    layout.generations.mkdir(parents=True)
    (project / ".venv").rename(layout.generation(1))
    records.write_record(layout, record)
    activate(layout, record)
    done = json.loads(run("--static", "--json").stdout)
    identity = next(check for check in done["result"]["checks"] if check["id"] == "build-identity")
    assert (done["result"]["expected"], identity["status"]) == ("full", "pass")
    done = json.loads(run("--static", "--json", "--backend", "cpu").stdout)
    assert (done["result"]["expected"], done["exit_code"]) == ("cpu", 7)


def test_a_folder_without_packages_is_no_environment(project):
    (project / "src").mkdir()
    result = run("--path", "src")
    assert (result.exit_code, "error[verify.target]: src holds no installed packages" in result.stderr) == (2, True)
    (project / "src" / "leaf-1.0.dist-info").mkdir()
    assert run("--path", "src").exit_code == 7
    (project / "site-packages").mkdir()
    assert run("--path", "site-packages").exit_code == 7


def test_junit_is_written(environment, project):
    (project / "out").mkdir()
    assert run("--static", "--junit", "out/verify.xml").exit_code == 0
    suite = ET.parse(project / "out/verify.xml").getroot().find("testsuite")
    assert suite.attrib["failures"] == "0"
    assert suite.find("properties/property[@name='environment']").attrib["value"] == ".venv"


def test_junit_that_cannot_be_written(environment, project):
    (project / "file").touch()
    result = run("--static", "--junit", "file/verify.xml")
    assert result.exit_code == 2
    assert "error[verify.junit]" in result.stderr


def test_junit_makes_no_folder(environment, project):
    result = run("--static", "--junit", "nodir/sub/verify.xml")
    assert (result.exit_code, "error[verify.junit]" in result.stderr) == (2, True)
    assert "there is no folder" in result.stderr
    assert not (project / "nodir").exists()


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_one_annotation_per_failing_check_on_github(environment, monkeypatch, options):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    gpu = environment / "nvidia_cublas-13.0.dist-info"
    gpu.mkdir()
    (gpu / "METADATA").write_text("Name: nvidia-cublas\nVersion: 13.0\n")
    (environment / "torch/lib").mkdir()
    (environment / "torch/lib/libtorch_cuda.so").touch()
    result = run("--static", *options)
    lines = [line for line in result.stderr.splitlines() if line.startswith("::error")]
    titles = sorted(line.split("title=", 1)[1].split("::", 1)[0] for line in lines)
    assert titles == ["verify.no-cuda-libraries", "verify.no-gpu-distributions"]
    if options:
        json.loads(result.stdout)


def test_help_shows_examples(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run("--help")
    assert result.exit_code == 0
    assert "envtool verify --static" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "86401", "0.5"])
def test_a_time_limit_that_is_none(environment, seconds):
    done = run("--timeout", seconds, "--static")
    assert done.exit_code == 2
    assert f"'--timeout': {float(seconds):g} is not in the range 1<=x<=86400." in " ".join(done.stderr.split())
