"""Where setup runs: what stands at .venv, odd folder names, a terminal, an stdout that takes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from place import TARGETS, Place
from small_wheels import Indexes, wheel

from envtool.errors import UsageError
from envtool.lock import project
from envtool.models import Completed

# --- what stands at .venv ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "link"])
@pytest.mark.parametrize("words", [("setup", "--cpu"), ("setup", "--cpu", "--plain"), ("setup", "--cpu", "--dry-run")])
def test_a_foreign_venv_is_refused_before_anything_is_fetched(place: Place, kind: str, words: tuple[str, ...]) -> None:
    if kind == "file":
        place.venv.touch()
    else:
        place.venv.symlink_to("elsewhere")
    done = place.call(*words, "--no-probe", "--json", ENVTOOL_TORCH_INDEX="http://127.0.0.1:9/whl")
    assert (done.code, done.error["code"]) == (6, "env.foreign")
    assert not (place.root / "lockfiles").exists()


def test_a_folder_that_PATH_cannot_name(tmp_path: Path, surroundings: dict[str, str]) -> None:  # noqa: N802
    place = Place(tmp_path / "a:b", surroundings)
    place.write("requirements.txt", "torch\n")
    assert place.setup("--cpu", "--json").error["code"] == "env.path"


def test_a_folder_like_an_option(tmp_path: Path, surroundings: dict[str, str]) -> None:
    place = Place(tmp_path / "-dash", surroundings)
    place.write("requirements.txt", "torch\n")
    place.write("pyproject.toml", TARGETS)
    place.done("--cpu")
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}


def test_a_folder_that_is_gone(tmp_path: Path, surroundings: dict[str, str]) -> None:
    script = 'import os; os.rmdir(os.getcwd()); import runpy, sys; sys.argv[1:] = ["status", "--json"]; '
    script += 'runpy.run_module("envtool", run_name="__main__")'
    (tmp_path / "gone").mkdir()
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path / "gone", env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert '"usage.folder"' in done.stdout


@pytest.mark.parametrize("gone", ["leaf/__init__.py", "leaf-2.0.dist-info"])
def test_a_broken_plain_environment_is_built_again(place: Place, gone: str) -> None:
    place.done("--cpu", "--plain")
    subprocess.run(["rm", "-r", place.site / gone], check=True)
    done = place.done("-r", "requirements.txt", "--cpu", "--plain")
    assert done.out.startswith("current  .venv is a plain environment")
    assert (place.site / "leaf/__init__.py").is_file()
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}


# --- a terminal -------------------------------------------------------------------------------------------------------


def test_on_a_terminal_a_wrong_wheel_is_told_from_a_failed_install(place: Place, tmp_path: Path) -> None:
    """uv draws its bars on the terminal; what kind of failure it is has to be known all the same."""
    import pty

    place.done("--cpu")
    (tmp_path / "wheels").mkdir()
    python = f"{sys.version_info[0]}{sys.version_info[1]}"
    name, data = wheel("torch", "2.13.0+cpu", tag=f"cp{python}-cp{python}-manylinux_2_28_x86_64")
    (tmp_path / "wheels" / name).write_bytes(data)
    subprocess.run(["rm", "-r", place.venv.resolve(), place.venv], check=True)
    words = ["setup", "--cpu", "--frozen", "--no-probe", "--find-links", str(tmp_path / "wheels")]
    master, slave = pty.openpty()
    environment = {**place.environment, "ENVTOOL_TORCH_INDEX": "http://127.0.0.1:9/whl", "TERM": "xterm"}
    command = [sys.executable, "-m", "envtool", *words]
    with subprocess.Popen(command, cwd=place.root, env=environment, stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                shown += os.read(master, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
        code = process.wait()
    os.close(master)
    assert code == 5, shown.decode()
    assert b"install.hash-mismatch" in shown
    assert b"cannot be reached" in shown


# --- stdout -----------------------------------------------------------------------------------------------------------

QUICK = ("setup", "--no-probe", "--cpu")  # as Place.done says it: nothing is to do


def told(place: Place, command: list[str], stdout: int = subprocess.DEVNULL) -> tuple[int, str]:
    """Exit code and stderr."""
    done = subprocess.run(
        command,
        cwd=place.root,
        env=place.environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), QUICK, ("--help",)])
def test_a_full_disk_behind_stdout(place: Place, words: tuple[str, ...]) -> None:
    place.done("--cpu")
    with Path("/dev/full").open("w") as full:
        code, error = told(place, [sys.executable, "-m", "envtool", *words], full.fileno())
    assert code == 2
    assert error.startswith("error[output]: cannot write ")
    assert "Traceback" not in error


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), QUICK])
def test_a_reader_that_has_gone_is_no_error(place: Place, words: tuple[str, ...]) -> None:
    place.done("--cpu")
    read, write = os.pipe()
    os.close(read)
    assert told(place, [sys.executable, "-m", "envtool", *words], write) == (0, "")
    os.close(write)


def test_closed_stdout_and_stderr(place: Place) -> None:
    place.done("--cpu")
    shell = f'"{sys.executable}" -m envtool "$@" '
    code, error = told(place, ["sh", "-c", shell + ">&-", "sh", "status"])
    assert (code, error.splitlines()[0]) == (2, "error[output]: cannot write to stdout: it is closed")
    assert told(place, ["sh", "-c", shell + "2>&-", "sh", "setup", "--cpu", "--no-probe", "torch", "leaf<2"]) == (0, "")
    assert place.installed()["leaf"] == "1.0"
    # An error that cannot be told keeps its exit code, and is not written into a file that got stderr's number.
    before = {path: path.read_bytes() for path in sorted((place.root / ".envtool").glob("*")) if path.is_file()}
    assert told(place, ["sh", "-c", shell + "2>&-", "sh", "rollback", "--to", "99"]) == (8, "")
    assert {path: path.read_bytes() for path in before} == before


# --- uv's own words ---------------------------------------------------------------------------------------------------


def test_a_project_that_does_not_build(place: Place) -> None:
    place.write("back/backend.py", "def build_editable(*a, **k):\n    raise RuntimeError('no compiler here')\n")
    place.write(
        "pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["back"]\n'
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["torch"]\n' + TARGETS,
    )
    done = place.setup("--cpu", "--json")
    assert (done.code, done.error["code"]) == (6, "install.failed")
    first, *printed = done.error["message"].splitlines()
    assert first.startswith("installing the project app: Failed to build `app @ ")
    assert printed[-1] == "  RuntimeError: no compiler here"
    assert not place.venv.exists()


def test_the_default_index_cannot_be_reached(place: Place, tmp_path: Path) -> None:
    assert place.call("lock").code == 0
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_CACHE_DIR": str(tmp_path / "another-cache")}
    done = place.setup("--cpu", "--json", **nowhere)
    assert (done.code, done.error["code"]) == (6, "network.unreachable")
    assert "an index cannot be reached: http://127.0.0.1:9/simple/leaf/ (" in done.error["message"]
    assert "UV_DEFAULT_INDEX" in done.error["hint"]


TORCH_HINT = (
    "The wheels of torch come from torch-index (ENVTOOL_TORCH_INDEX, --torch-index), and a mirror has to serve them, "
    "not only their pages. Mend it there, or put the wheel into a folder that find-links names; or try again."
)


@pytest.mark.parametrize("words", [("--cpu",), ("--cpu", "--in-place", "--python", "prefix/bin/python")])
def test_a_torch_wheel_that_its_index_does_not_serve(place: Place, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Both indexes are on one host here, and the pages of torch are served."""
    own = Indexes(tmp_path / "own")
    own.fill()
    place.environment |= {"ENVTOOL_TORCH_INDEX": own.torch_index, "UV_DEFAULT_INDEX": own.default_index}
    place.environment["COLUMNS"] = "40"  # uv would break its lines
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place.root / "prefix"], check=True)
    assert place.call("lock").code == 0
    place.write("requirements.txt", "torch\nleaf<2\n")  # locked again, with what uv knows of torch by now
    for path in (own.folder / "whl/cpu/torch").glob("*.whl"):
        path.unlink()
    done = place.setup(*words, "--json")
    shutil.rmtree(tmp_path / "uv-cache")
    shutil.rmtree(place.root / "lockfiles")
    locked = place.call("lock", "--json")
    own.stop()
    assert (done.code, done.error["code"]) == (6, "network.unreachable")
    assert done.error["hint"] == f"{TORCH_HINT} The environment is as it was; lockfiles/ is new."
    assert (locked.code, locked.error["code"], locked.error["hint"]) == (6, "network.unreachable", TORCH_HINT)
    start = f"an index cannot be reached: {own.torch_index}/cpu/torch/torch-2.13.0%2Bcpu-cp3"
    for message in (done.error["message"], locked.error["message"]):
        assert message.startswith(start)
        assert message.endswith("-manylinux_2_28_x86_64.whl (404 File not found)")


@pytest.mark.parametrize("package", ["leaf", "torch"])
def test_a_wheel_that_the_default_index_does_not_serve(place: Place, tmp_path: Path, package: str) -> None:
    own = Indexes(tmp_path / "own")
    own.fill()
    place.environment |= {"ENVTOOL_TORCH_INDEX": own.torch_index, "UV_DEFAULT_INDEX": own.default_index}
    assert place.call("lock").code == 0
    for path in (own.folder / "simple" / package).glob("*.whl"):
        path.unlink()
    shutil.rmtree(tmp_path / "uv-cache")
    done = place.setup("--full", "--frozen", "--json")
    own.stop()
    assert (done.code, done.error["code"]) == (6, "network.unreachable")
    assert done.error["hint"] == (
        "It is named by UV_DEFAULT_INDEX or PIP_INDEX_URL, in the requirement files, under [tool.uv] of "
        "pyproject.toml, or in the configuration of uv or pip: mend it there, or try again."
    )


def test_a_cache_that_cannot_be_made(place: Place) -> None:
    assert place.call("lock").code == 0
    done = place.setup("--cpu", "--json", UV_CACHE_DIR="/dev/null/uv")
    assert (done.code, done.error["code"]) == (6, "uv.cache")


def test_in_place_mends_what_is_broken(place: Place, indexes: Indexes, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    words = ("--cpu", "--in-place", "--python", str(prefix / "bin/python"))
    place.done(*words)
    module = place.packages(prefix) / "leaf/__init__.py"
    module.unlink()
    assert place.done(*words, "--json").result["changed"] is True
    assert module.is_file()
    assert place.done(*words, "--json").result["changed"] is False


# --- Pythons ----------------------------------------------------------------------------------------------------------


def test_a_python_that_is_not_there(place: Place) -> None:
    done = place.setup("--cpu", "--python", "3.19", "--json")
    assert (done.code, done.error["code"]) == (6, "python.missing")
    assert done.error["hint"].startswith("Install it (uv python install 3.19)")
    done = place.setup("--cpu", "--python", "no/such/python", "--json")
    assert (done.code, done.error["message"]) == (6, "no file or folder no/such/python")


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Completed(args=("python3.9",), returncode=0, stdout="3.9 cpython", stderr="")
    monkeypatch.setattr(project, "run", lambda _: said)
    with pytest.raises(UsageError, match=r"^/old/python is Python 3\.9; envtool sets up 3\.10 to 3\.14$") as caught:
        project._inspect(Path("/old/python"), "/old/python")
    assert caught.value.code == "python.unsupported"


def test_wheels_in_several_folders_and_no_index(place: Place, indexes: Indexes, tmp_path: Path) -> None:
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    folders = [indexes.folder / "whl/cpu/torch", tmp_path / "more"]
    folders[1].mkdir()
    name, data = wheel("torchvision", "0.28.0+cpu", requires=["torch==2.13.0"])
    (folders[1] / name).write_bytes(data)
    place.write("requirements.txt", "torch\ntorchvision\nleaf\n")
    place.environment["ENVTOOL_TORCH_INDEX"] = "http://127.0.0.1:9/whl"
    words = ("--python", sys.executable, *(word for folder in folders for word in ("--find-links", str(folder))))
    done = place.done("--cpu", *words)
    assert f"torch-2.13.0+cpu-{python}" in done.err
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_size_of_a_wheel_in_find_links_is_known(place: Place, indexes: Indexes) -> None:
    """A lock for several Pythons has several digests; the index says no sizes, and is switched off here."""
    assert place.call("lock").code == 0
    folder = indexes.folder / "whl/cpu/torch"
    words = ("--cpu", "--frozen", "--dry-run", "--json", "--find-links", str(folder))
    plan = place.setup(*words, ENVTOOL_TORCH_INDEX="http://127.0.0.1:9/whl").result["plan"]
    python = f"{sys.version_info[0]}{sys.version_info[1]}"
    assert plan["unknown"] == ["leaf"]
    assert plan["download"] == next(folder.glob(f"*-cp{python}-*.whl")).stat().st_size


def test_what_is_not_known_is_not_said_to_be_saved(place: Place) -> None:
    assert "saved" not in place.done("--cpu").out  # these indexes say no sizes
