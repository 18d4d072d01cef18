"""``envtool setup --in-place``: an interpreter's own packages, only those that have to change, and all of them back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from place import TARGETS, Place, tree
from small_wheels import nvidia_cublas, torch, wheel


@pytest.fixture
def prefix(place: Place, tmp_path: Path) -> Path:
    """A prefix with full torch, its GPU packages, and packages that are nobody's business."""
    folder = tmp_path / "container"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    tag = f"{sys.version_info[0]}{sys.version_info[1]}"
    mine = wheel(
        "mine", "1.0", {"mine/__init__.py": "x = 1\n", "mine/data.bin": b"\x00\x01"}, scripts={"mine": "mine:x"}
    )
    names = []
    for name, data in (torch("2.13.0", tag, cuda="13.0"), nvidia_cublas(), wheel("triton", "3.7"), mine):
        (tmp_path / name).write_bytes(data)
        names.append(tmp_path / name)
    leaf = tmp_path / "leaf-1.0-py3-none-any.whl"
    leaf.write_bytes(wheel("leaf", "1.0", {"leaf/__init__.py": "", "leaf/old.py": "x = 1\n"})[1])
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--compile-bytecode",
        "--python",
        folder / "bin/python",
    ]
    subprocess.run([*command, *names, leaf], check=True)
    (place.packages(folder) / "handmade.pth").write_text("# mine\n")
    return folder


def in_place(place: Place, prefix: Path, *words: str) -> tuple[str, ...]:
    return ("--cpu", "--in-place", "--python", str(prefix / "bin/python"), *words)


def mine(prefix: Path) -> dict[str, str]:
    return {key: value for key, value in tree(prefix).items() if "mine" in key or "handmade" in key}


def test_only_what_has_to_change(place: Place, prefix: Path) -> None:
    before = mine(prefix)
    plan = place.done(*in_place(place, prefix, "--dry-run"))
    assert plan.out.splitlines()[:4] == [
        "~ leaf 1.0 -> 2.0",
        "- nvidia-cublas 13.0",
        "~ torch 2.13.0 -> 2.13.0+cpu",
        "- triton 3.7",
    ]
    assert f"place     {prefix}/bin/python" in plan.out.splitlines()
    assert mine(prefix) == before
    done = place.done(*in_place(place, prefix, "--check", "python -c 'import leaf, mine; assert leaf.__version__'"))
    assert done.out.splitlines()[0].startswith(f"current  {prefix}/bin/python is torch 2.13.0+cpu (cpu), Python 3.")
    assert "    stage  move 4 packages aside  (" in done.err
    assert "removed  nvidia-cublas removed: a GPU leftover" not in done.out
    assert "removed  nvidia-cublas, a GPU leftover" in done.out
    assert place.installed(prefix) == {"leaf": "2.0", "mine": "1.0", "torch": "2.13.0+cpu"}
    assert mine(prefix) == before
    again = place.done(*in_place(place, prefix, "--dry-run"))
    assert again.out.startswith("dry run: already satisfied: torch 2.13.0+cpu (cpu), Python 3.")
    site = place.packages(prefix)
    assert not (site / "nvidia").exists(), "no empty folder is left that could be imported"
    assert not (site / "leaf/old.py").exists()
    assert not (place.root / ".envtool/in-place").exists()
    record = json.loads((place.root / ".envtool/in-place.json").read_text())
    assert record["versions"]["nvidia-cublas"] == "13.0"
    assert not place.venv.exists()
    again = tree(prefix)
    done = place.done(*in_place(place, prefix, "--json"))
    assert (done.result["changed"], done.result["in_place"]) == (False, f"{prefix}/bin/python")
    assert tree(prefix) == again


@pytest.mark.parametrize("step", ["check", "hash", "verify"])
def test_a_failing_step_puts_everything_back(place: Place, prefix: Path, step: str, tmp_path: Path) -> None:
    before = tree(prefix)
    words = in_place(place, prefix)
    if step == "check":
        words = (*words, "--check", "python -c 'import leaf; raise SystemExit(1)'")
    elif step == "verify":
        hook = tmp_path / "hook"
        hook.mkdir()
        code = "import envtool.env.inplace as i\nfrom envtool.errors import VerifyError\n"
        code += "def no(*a):\n    raise VerifyError('verify.test', 'no', '')\ni._report = no\n"
        (hook / "sitecustomize.py").write_text(code)
        place.environment["PYTHONPATH"] = f"{hook}:{place.environment['PYTHONPATH']}"
    else:
        assert place.call("lock").code == 0
        for name in ("requirements.txt", "lock.toml"):
            path = place.root / "lockfiles" / name
            text = path.read_text()
            if name == "requirements.txt":
                old = hashlib.sha256(text.encode()).hexdigest()
                text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, text)
                new = hashlib.sha256(text.encode()).hexdigest()
            else:
                text = text.replace(old, new)
            path.write_text(text)
        words = (*words, "--frozen")
    done = place.setup(*words, "--json")
    assert done.code == {"check": 7, "hash": 5, "verify": 7}[step], done.out
    assert tree(prefix) == before
    assert not (place.root / ".envtool/in-place").exists()


@pytest.fixture
def apart(prefix: Path) -> Path:
    """The same prefix as Fedora's own Python has it: lib64 is a folder of its own, with the compiled packages."""
    lib, lib64 = (prefix / name / f"python3.{sys.version_info[1]}/site-packages" for name in ("lib", "lib64"))
    if (prefix / "lib64").is_symlink():
        (prefix / "lib64").unlink()
    lib64.mkdir(parents=True)
    for path in list(lib.iterdir()):
        if path.name.startswith(("torch", "nvidia", "triton")):
            path.rename(lib64 / path.name)
    (lib / "layout.pth").write_text(
        f"{lib64}\nimport sysconfig; [one.update(platlib={str(lib64)!r}) "
        f"for one in sysconfig._INSTALL_SCHEMES.values() if 'platlib' in one]\n"
    )
    return prefix


@pytest.mark.skipif(os.name == "nt", reason="POSIX has lib64")
@pytest.mark.parametrize("fails", [True, False])
def test_compiled_packages_in_a_lib64_of_their_own(place: Place, apart: Path, fails: bool) -> None:
    before = tree(apart)
    lib, lib64 = (apart / name / f"python3.{sys.version_info[1]}/site-packages" for name in ("lib", "lib64"))
    words = ("--check", "python -c 'raise SystemExit(1)'") if fails else ()
    done = place.setup(*in_place(place, apart, "--no-probe", *words), "--json")
    if fails:
        assert (done.code, done.error["code"]) == (7, "check.failed"), done.out
        assert tree(apart) == before
        return
    assert (done.code, done.result["torch"]) == (0, "2.13.0+cpu"), done.out
    found = [path.name for site in (lib, lib64) for path in site.glob("*.dist-info")]
    assert sorted(found) == ["leaf-2.0.dist-info", "mine-1.0.dist-info", "torch-2.13.0+cpu.dist-info"]
    assert list(lib64.iterdir()) == [], "the full torch and its GPU packages are gone; the new one is a pure wheel"
    again = place.done(*in_place(place, apart, "--no-probe", "--json"))
    assert again.result["changed"] is False


def bad_disk(place: Place, folder: Path, function: str, part: str) -> str:
    """A PYTHONPATH with which a function of the files adapter fails for paths that have ``part`` as a part."""
    code = f"""
import errno, envtool.adapters.files as files
before = files.{function}
def failing(*paths):
    if {part!r} in paths[-1].parts:
        raise OSError(errno.EIO, "Input/output error", str(paths[0]), None, str(paths[-1]))
    before(*paths)
files.{function} = failing
"""
    (folder / "hook").mkdir()
    (folder / "hook/sitecustomize.py").write_text(code)
    return f"{folder / 'hook'}:{place.environment['PYTHONPATH']}"


def test_what_cannot_be_put_back_is_safe(place: Place, prefix: Path, tmp_path: Path) -> None:
    """The disk fails in the middle of the way back: nothing is lost, and the next command ends the work."""
    before = tree(prefix)
    words = in_place(place, prefix, "--check", "python -c 'raise SystemExit(1)'", "--json")
    done = place.setup(*words, PYTHONPATH=bad_disk(place, tmp_path, "move", "old.py"))
    assert (done.code, done.error["code"]) == (6, "in-place.undo"), done.out
    assert done.error["message"].startswith("cannot put back what was there: Input/output error: ")
    assert done.error["message"].endswith("/leaf/old.py")
    assert str(place.root / ".envtool/in-place") in done.error["hint"]
    done = place.setup(*words)
    assert (done.code, done.error["code"]) == (7, "check.failed"), done.out
    assert tree(prefix) == before


def test_an_undo_that_is_stopped_while_it_removes(place: Place, prefix: Path, tmp_path: Path) -> None:
    """What the new packages brought goes at the next attempt, also under a name that none of them has."""
    python = prefix / "bin/python"
    subprocess.run([sys.executable, "-m", "uv", "pip", "uninstall", "-q", "--python", python, "torch"], check=True)
    before = tree(prefix)
    assert not any("torchgen" in name for name in before)
    words = in_place(place, prefix, "--check", "python -c 'raise SystemExit(1)'", "--json")
    done = place.setup(*words, PYTHONPATH=bad_disk(place, tmp_path, "remove_file", "torchgen"))
    assert (done.code, done.error["code"]) == (6, "in-place.undo"), done.out
    assert "torchgen" in done.error["message"]
    done = place.setup(*words)
    assert (done.code, done.error["code"]) == (7, "check.failed"), done.out
    assert tree(prefix) == before


def test_no_record_is_a_clear_error(place: Place, prefix: Path) -> None:
    next(place.packages(prefix).glob("torch-*.dist-info/RECORD")).unlink()
    before = tree(prefix)
    done = place.setup(*in_place(place, prefix, "--json"))
    assert (done.code, done.error["code"]) == (6, "in-place.no-record")
    assert "torch" in done.error["message"]
    assert tree(prefix) == before


def test_without_python(place: Place) -> None:
    done = place.setup("--cpu", "--in-place", "--json")
    assert (done.code, done.error["code"]) == (2, "in-place.python")


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.35])
def test_killed_and_put_back(place: Place, prefix: Path, delay: float) -> None:
    before = tree(prefix)
    assert place.call("lock").code == 0
    words = in_place(place, prefix, "--frozen", "--check", "python -c 'import time; time.sleep(60)'")
    process = place.start("setup", "--no-probe", *words)
    stash = place.root / ".envtool/in-place"
    deadline = time.monotonic() + 60
    while not stash.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    process.stderr.close()  # type: ignore[union-attr]
    time.sleep(0.5)  # uv, whose parent is gone, comes to its end
    done = place.setup(*in_place(place, prefix, "--frozen", "--check", "false"))
    assert "an earlier in-place setup was interrupted: what was there is back" in done.err
    assert done.code == 7
    assert tree(prefix) == before


def test_interrupted_by_the_keyboard(place: Place, prefix: Path) -> None:
    before = tree(prefix)
    started = place.root / "started"
    code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    process = place.start("setup", "--no-probe", *in_place(place, prefix, "--check", f'python -c "{code}"'))
    deadline = time.monotonic() + 60
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert tree(prefix) == before


def test_a_local_project(place: Place, prefix: Path) -> None:
    from test_setup import BACKEND

    (place.root / "requirements.txt").unlink()
    place.write(
        "pyproject.toml",
        TARGETS + '[project]\nname = "my-app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["torch"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    place.write("my_app.py", "")
    place.write("backend.py", BACKEND)
    before = tree(prefix)
    assert place.setup(*in_place(place, prefix, "--check", "false")).code == 7
    assert tree(prefix) == before
    place.done(*in_place(place, prefix, "--check", "python -c 'import my_app'"))
    assert place.done(*in_place(place, prefix)).out.startswith("already satisfied: ")


def interrupted(place: Place, prefix: Path, **changes: object) -> Path:
    """A project with the traces of an in-place setup that was killed, as a stranger could write them."""
    record = {
        "python": str(prefix / "bin/python"),
        "site_packages": str(place.packages(prefix)),
        "scripts": str(prefix / "bin"),
        "prefix": str(prefix),
        "created": "2026-11-25T08:00:00+00:00",
        "names": ["torch"],
        "versions": {},
        "listing": [],
        "folders": [],
        **changes,
    }
    place.write(".envtool/in-place.json", json.dumps(record))
    place.write(".envtool/in-place/moved.json", "[]")
    return place.root / ".envtool/in-place"


def refused(place: Place, prefix: Path, *folders: Path) -> tuple[int, str, str, str]:
    """What the next in-place setup says; it must not have touched anything."""
    before = [tree(folder) for folder in (prefix, place.root / ".envtool/in-place", *folders)]
    done = place.setup(*in_place(place, prefix, "--json"))
    assert [tree(folder) for folder in (prefix, place.root / ".envtool/in-place", *folders)] == before
    error = done.error
    return done.code, error["code"], error["message"], error["hint"]


LIES = "What it moved lies in {}, listed in moved.json. To go on without it, move that folder away."


def test_a_record_of_another_environment_is_refused(place: Place, prefix: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    stash = interrupted(place, other)
    lies = LIES.format(stash)
    assert refused(place, prefix, other) == (
        6,
        "in-place.other",
        f"an in-place setup of another interpreter was interrupted here: {other}/bin/python",
        f"If you began it, put its packages back first: the same command with --python {other}/bin/python. {lies}",
    )
    stash = interrupted(place, prefix, site_packages=str(place.packages(other)))
    assert refused(place, prefix, other) == (
        6,
        "in-place.other",
        f"the record of an interrupted in-place setup names other folders than {prefix}/bin/python has",
        lies,
    )
    stash = interrupted(place, prefix, python="/nowhere/python", scripts="/nowhere")
    assert refused(place, prefix) == (
        6,
        "in-place.other",
        "an in-place setup of /nowhere/python was interrupted, and that interpreter is not there",
        lies,
    )


@pytest.mark.parametrize("link", [False, True])
def test_a_stash_that_leads_out_of_the_environment_is_refused(
    place: Place, prefix: Path, tmp_path: Path, link: bool
) -> None:
    home = tmp_path / "somebody"
    home.mkdir()
    aim = home
    if link:
        aim = place.packages(prefix) / "looks-inside"
        aim.symlink_to(home)
    stash = interrupted(place, prefix)
    (stash / "0").write_text("evil\n")
    (stash / "moved.json").write_text(json.dumps([f"{aim}/.profile"]))
    assert refused(place, prefix, home)[:3] == (
        6,
        "in-place.outside",
        f"{aim} does not lie in the environment {prefix}: files there are left alone",
    )


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_a_damaged_list_of_what_was_moved(place: Place, prefix: Path, text: str) -> None:
    stash = interrupted(place, prefix)
    (stash / "0").write_text("x = 1\n")
    (stash / "moved.json").write_text(text)
    code, name, message, _ = refused(place, prefix)
    assert (code, name) == (6, "in-place.record")
    assert message.startswith(f"{stash}/moved.json cannot be read: ")


def test_a_stash_that_is_a_link(place: Place, prefix: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    interrupted(place, prefix).rename(away)
    stash = place.root / ".envtool/in-place"
    stash.symlink_to(away)
    message = f"{stash} is no folder: envtool did not make it"
    assert refused(place, prefix, away) == (6, "in-place.record", message, "Move it away.")


def test_a_package_that_lists_files_elsewhere_is_not_moved(place: Place, prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine\n")
    record = next(place.packages(prefix).glob("torch-*.dist-info/RECORD"))
    record.write_text(record.read_text() + "../../../../notes.txt,,\n")
    before = tree(tmp_path, "project", "uv-cache", "home")
    done = place.setup(*in_place(place, prefix, "--json"))
    assert (done.code, done.error["code"]) == (6, "in-place.outside")
    assert tree(tmp_path, "project", "uv-cache", "home") == before
    assert not (place.root / ".envtool/in-place").exists()


def test_a_generation_is_refused(place: Place) -> None:
    place.done("--cpu")
    before = tree(place.root)
    for name in (str(place.venv / "bin/python"), str(place.root / ".envtool/generations/1")):
        for words in ((), ("--dry-run",)):
            done = place.setup("--cpu", "--in-place", "--python", name, "--json", *words)
            assert (done.code, done.error["code"]) == (2, "in-place.generation"), done.out
            assert "bin/python is in an environment that envtool made" in done.error["message"]
    assert tree(place.root) == before
