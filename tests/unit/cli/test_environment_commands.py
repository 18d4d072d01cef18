"""``status``, ``prune`` and ``run`` as a user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest

import envtool
from envtool.adapters import platform
from envtool.cli import prune as cli_prune
from envtool.env.generations import activate, activate_plain, exclusive, layout_for, staging, write_record
from envtool.models import Generation, Layout

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs symlinks")


def call(root: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(envtool.__file__).parents[1]), **env}
    command = [sys.executable, "-m", "envtool", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)


def record(number: int, backend: str = "cpu") -> Generation:
    return Generation(
        id=number,
        backend=backend,
        torch="2.13.0+cpu\x1b[31m" if backend == "cpu" else "2.13.0",
        python="3.11.7",
        created="2026-11-23T08:00:00+00:00",
        kind="built",
        healthy=True,
    )


def environment(folder: Path) -> None:
    platform.scripts_folder(folder).mkdir(parents=True)
    platform.interpreter(folder).symlink_to(sys.executable)
    (folder / "pyvenv.cfg").touch()


@pytest.fixture
def chain(tmp_path: Path) -> Layout:
    layout = layout_for(tmp_path)
    for number, backend in ((1, "full"), (2, "cpu"), (3, "cpu")):
        environment(layout.generation(number))
        write_record(layout, record(number, backend))
    activate(layout, record(3))
    return layout


@pytest.mark.parametrize("found", [True, False])
def test_prune_says_what_stays_in_the_cache_of_uv(chain: Layout, found: bool) -> None:
    from uv import find_uv_bin

    uv = Path(find_uv_bin())
    search = {"PATH": str(uv.parent if found else chain.root)}
    (chain.root / "cache").mkdir()
    with (chain.root / "cache/big").open("wb") as file:
        file.truncate(cli_prune.MUCH)
    (chain.generation(2) / "big").hardlink_to(chain.root / "cache/big")
    command = f"{'uv' if found else uv} cache clean"
    said = f"50.0 MB more {{}} in uv's cache, which all projects share; empty it with: {command}"
    dry = call(chain.root, "prune", "--keep", "1", "--dry-run", **search).stdout.splitlines()
    assert (dry[-2].startswith("would free "), dry[-1]) == (True, said.format("would stay"))
    done = call(chain.root, "prune", "--keep", "1", **search).stdout.splitlines()
    assert (done[-2].startswith("freed "), done[-1]) == (True, said.format("stay"))
    assert call(chain.root, "prune", "--keep", "1", **search).stdout.splitlines()[-1].startswith("Nothing to remove.")


def test_prune_says_nothing_of_a_little_in_the_cache(chain: Layout) -> None:
    (chain.root / "cache").mkdir()
    with (chain.root / "cache/big").open("wb") as file:
        file.truncate(cli_prune.MUCH - 1)
    (chain.generation(2) / "big").hardlink_to(chain.root / "cache/big")
    result = json.loads(call(chain.root, "prune", "--keep", "1", "--dry-run", "--json").stdout)["result"]
    assert result["cached"] == cli_prune.MUCH - 1
    assert call(chain.root, "prune", "--keep", "1").stdout.splitlines()[-1].startswith("freed ")


def test_status_as_json_has_the_promised_keys(chain: Layout) -> None:
    done = call(chain.root, "status", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["command"], answer["ok"]) == (0, "status", True)
    result = answer["result"]
    assert (result["current"], result["mode"], result["venv"], result["way_back"]) == (3, "chain", ".venv", 1)
    assert [row["id"] for row in result["generations"]] == [1, 2, 3]
    row = result["generations"][2]
    size = len(os.fsencode(sys.executable))
    assert row == {
        "id": 3,
        "kind": "built",
        "backend": "cpu",
        "torch": "2.13.0+cpu\x1b[31m",
        "python": "3.11.7",
        "created": "2026-11-23T08:00:00+00:00",
        "healthy": True,
        "size": size,
        "unique_size": size,
        "current": True,
        "drift": None,
        "changed_by_hand": [],
        "other_lock": False,
    }


def test_status_as_text_marks_the_current_one_and_shows_no_control_characters(chain: Layout) -> None:
    platform.interpreter(chain.generation(2)).unlink()
    done = call(chain.root, "status")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[1].split()[:2] == ["1", "full"]
    assert lines[2].split()[-1] == "broken"
    assert lines[3].split()[:3] == ["*", "3", "cpu"]
    assert ".venv is generation 3." in lines
    assert lines[-1] == "Back to full torch (generation 1): envtool rollback"


@pytest.mark.parametrize(
    ("kind", "mode", "sentence"),
    [
        ("absent", "none", "There is no .venv here."),
        ("own", "own", ".venv is a folder of your own;"),
        ("plain", "plain", ".venv is a plain folder, made with --plain;"),
        ("link", "foreign", ".venv is a link to "),
        ("other", "foreign", ".venv is a folder and no environment;"),
        ("file", "foreign", ".venv is no folder;"),
    ],
)
def test_status_says_what_stands_there(tmp_path: Path, kind: str, mode: str, sentence: str) -> None:
    layout = layout_for(tmp_path)
    if kind == "own":
        environment(layout.venv)
    elif kind == "plain":
        environment(staging(layout, 1))
        activate_plain(layout, staging(layout, 1), record(1))
    elif kind == "link":
        layout.venv.symlink_to("elsewhere")
    elif kind == "other":
        (layout.venv / "src").mkdir(parents=True)
    elif kind == "file":
        layout.venv.write_text("", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    assert json.loads(call(tmp_path, "status", "--json").stdout)["result"]["mode"] == mode
    assert sentence in call(tmp_path, "status").stdout
    assert sorted(tmp_path.iterdir()) == before, "status changed something"


def test_prune(chain: Layout) -> None:
    dry = json.loads(call(chain.root, "prune", "--keep", "0", "--dry-run", "--json").stdout)["result"]
    assert (dry["removed"], dry["dry_run"]) == ([2], True)
    assert chain.generation(2).is_dir()
    done = json.loads(call(chain.root, "prune", "--keep", "0", "--json").stdout)["result"]
    assert done == {**dry, "dry_run": False}
    assert done["freed"] == len(os.fsencode(sys.executable))
    assert not chain.generation(2).exists()
    write_record(chain, replace(record(1, "full"), kind="adopted"))
    gone = call(chain.root, "prune", "--all")
    assert gone.stdout.splitlines()[0] == "removed generation 1: your own environment of before, torch 2.13.0 (full)"
    assert [line.split("  (")[0].split() for line in gone.stderr.splitlines()] == [
        ["measure", "1", "generation"],
        ["remove", "generation", "1"],
    ]
    assert call(chain.root, "prune", "--keep", "-1").returncode == 2


SECOND = r"generation 2: torch 2.13.0+cpu\x1b[31m (cpu)"
WITH_ALL = "Nothing to remove. With --all, only the current one stays."
FREED = f"{len(os.fsencode(sys.executable))} B"


def test_prune_in_words(chain: Layout) -> None:
    def lines(*words: str) -> list[str]:
        return call(chain.root, "prune", *words).stdout.splitlines()

    kept = ["kept generation 1: the way back", "kept generation 2: one of the 2 newest", "kept generation 3: current"]
    assert lines("--dry-run") == lines() == [*kept, WITH_ALL]
    dry = call(chain.root, "prune", "--all", "--dry-run")
    assert dry.stdout.splitlines()[:3] == [
        "would remove generation 1: torch 2.13.0 (full)",
        f"would remove {SECOND}",
        kept[2],
    ]
    assert dry.stderr.split("  (")[0] == "  measure  2 generations"
    assert lines("--keep", "0", "--dry-run") == [f"would remove {SECOND}", kept[0], kept[2], f"would free {FREED}"]
    assert lines("--keep", "0") == [f"removed {SECOND}", kept[0], kept[2], f"freed {FREED}"]
    assert lines("--keep", "0") == [kept[0], kept[2], WITH_ALL]
    assert lines("--all")[1:] == [kept[2], f"freed {FREED}"]
    # Nothing more would go with it.
    assert lines() == lines("--all") == [kept[2], "Nothing to remove."]


def test_prune_where_no_environment_is_left(tmp_path: Path) -> None:
    assert call(tmp_path, "prune").stdout == "There are no generations here.\n"
    (tmp_path / ".envtool").mkdir()
    assert call(tmp_path, "prune").stdout == "Nothing to remove.\n"


def test_prune_where_there_is_nothing_makes_nothing(tmp_path: Path) -> None:
    assert call(tmp_path, "prune").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_run_is_like_an_activated_shell(chain: Layout) -> None:
    code = (
        "import os, shutil, sys\n"
        "print(shutil.which('python')); print(os.environ['VIRTUAL_ENV']); print('PYTHONHOME' in os.environ)\n"
        "print(sys.argv[1:]); sys.exit(7)"
    )
    done = call(chain.root, "run", "--", "python", "-c", code, "--json", "a b", PYTHONHOME="")
    assert done.returncode == 7
    assert done.stdout.splitlines() == [
        str(chain.venv / "bin" / "python"),
        str(chain.venv),
        "False",
        "['--json', 'a b']",
    ]
    assert call(chain.root, "run", "python", "-c", "raise SystemExit(3)").returncode == 3


@pytest.mark.parametrize(
    ("command", "status", "code"),
    [
        ("no-such-command", 127, "run.not-found"),
        ("./no-such-file", 127, "run.not-found"),
        ("./data", 126, "run.not-executable"),
        ("./broken", 126, "run.not-executable"),
    ],
)
def test_run_ends_like_a_shell_when_it_cannot_start(chain: Layout, command: str, status: int, code: str) -> None:
    (chain.root / "data").write_text("x", encoding="utf-8")
    (chain.root / "broken").write_bytes(b"\x7fELF")
    (chain.root / "broken").chmod(0o755)
    done = call(chain.root, "run", "--", command)
    assert (done.returncode, done.stdout) == (status, "")
    assert f"error[{code}]" in done.stderr
    assert ("hint: It may not be executed: chmod +x ./data" in done.stderr) == (command == "./data")


@pytest.mark.parametrize("name", ["pip", "pip3", "pip3.11"])
def test_the_machines_pip_is_not_run(chain: Layout, tmp_path: Path, name: str) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / name).write_text("#!/usr/bin/python3\nprint('ran')\n")
    (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = call(chain.root, "run", "--", name, "install", "six", PATH=path)
    assert (done.returncode, done.stdout) == (127, "")
    assert f"error[run.no-pip]: there is no {name} in .venv; {programs / name} is another's" in done.stderr


SHOWN = (
    "Add the package to the requirements, and run envtool setup. To see what is installed: uv pip list --python .venv"
)


@pytest.mark.parametrize("head", [b"#!/bin/sh\nexit 0\n", b"MZ\x00\x01"])
def test_a_pip_of_the_machine_is_one_whatever_starts_it(chain: Layout, tmp_path: Path, head: bytes) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pip").write_bytes(head)
    (programs / "pip").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = call(chain.root, "run", "--", "pip", "list", PATH=path, GITHUB_ACTIONS="")
    told = f"error[run.no-pip]: there is no pip in .venv; {programs / 'pip'} is another's\n  hint: {SHOWN}\n"
    assert (done.returncode, done.stdout, done.stderr) == (127, "", told)


@pytest.mark.parametrize(
    "options",
    [["-m", "pip", "list"], ["-mpip"], ["-Im", "pip"], ["-I", "-X", "utf8", "-W", "ignore", "-Wonce", "-m", "pip"]],
)
def test_python_m_pip_without_pip(tmp_path: Path, options: list[str]) -> None:
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=True)
    done = call(tmp_path, "run", "--", "python", *options, GITHUB_ACTIONS="")
    told = f"error[run.no-pip]: there is no pip in .venv\n  hint: {SHOWN}\n"
    assert (done.returncode, done.stdout, done.stderr) == (127, "", told)
    # One that Python finds, wherever, is run.
    (tmp_path / "own").mkdir()
    (tmp_path / "own/pip.py").write_text("print('ours')", encoding="utf-8")
    if not options[0].startswith("-I"):
        done = call(
            tmp_path,
            "run",
            "--",
            "python",
            *options,
            PYTHONPATH=os.pathsep.join([str(tmp_path / "own"), str(Path(envtool.__file__).parents[1])]),
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "ours\n", "")


@pytest.mark.parametrize("words", [["-c", "print('-m', 'pip')"], ["show.py", "-m", "pip"], ["-m", "show", "pip"]])
def test_a_pip_behind_another_program_is_its_own(tmp_path: Path, words: list[str]) -> None:
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=True)
    (tmp_path / "show.py").write_text("print('-m', 'pip')", encoding="utf-8")
    done = call(tmp_path, "run", "--", "python", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "-m pip\n", "")


def test_run_without_an_environment_says_how_to_make_one(tmp_path: Path) -> None:
    done = call(tmp_path, "run", "python")
    assert done.returncode == 2
    assert done.stderr.startswith("error[env.missing]")
    assert "envtool setup --cpu" in done.stderr


def test_run_warns_of_a_python_program_from_elsewhere(chain: Layout, tmp_path: Path) -> None:
    """pip or pytest of the machine does not see the environment's packages; a shell script is none of our business."""
    bin_ = tmp_path / "elsewhere"
    bin_.mkdir()
    for name, shebang in (("pytool", f"#!{sys.executable}\nprint('ran')\n"), ("shtool", "#!/bin/sh\necho ran\n")):
        (bin_ / name).write_text(shebang, encoding="utf-8")
        (bin_ / name).chmod(0o755)
    path = os.pathsep.join([str(bin_), os.environ["PATH"]])
    warned = call(chain.root, "run", "--", "pytool", PATH=path)
    assert (warned.returncode, warned.stdout) == (0, "ran\n")
    assert f"pytool is not in .venv: this is {bin_ / 'pytool'}" in warned.stderr
    for command in ("shtool", str(bin_ / "pytool")):
        silent = call(chain.root, "run", "--", command, PATH=path)
        assert (silent.returncode, silent.stdout, silent.stderr) == (0, "ran\n", "")


def test_migrate_where_there_is_no_project(tmp_path: Path) -> None:
    done = call(tmp_path, "migrate", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (3, "migrate.nothing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "code", "named"),
    [
        ("Pipfile", "[packages]\n", "request.unread", "Pipfile"),
        ("environment.yml", "dependencies: [pytorch]\n", "request.unread", "environment.yml"),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntorch = "*"\n', "request.poetry", "pyproject.toml"),
    ],
)
def test_migrate_names_what_it_does_not_read(tmp_path: Path, name: str, text: str, code: str, named: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    done = call(tmp_path, "migrate", "--dry-run", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (3, code)
    assert error["message"].startswith(named)
    assert error["hint"]


def test_status_names_the_envtool_at_work(tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    with exclusive(layout):
        done = call(tmp_path, "status")
        assert done.stdout.splitlines() == [
            f"Another envtool (process {os.getpid()}) is at work here.",
            "There is no .venv here yet.",
        ]
        assert json.loads(call(tmp_path, "status", "--json").stdout)["result"]["busy"] == os.getpid()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (layout.state / "lock.pid").write_text(f"{gone.pid}\n", encoding="ascii")  # left by a kill
    assert call(tmp_path, "status").stdout == "There is no .venv here. Make one: envtool setup --cpu\n"


FOREIGN = {
    "link": (
        "{venv} is a link to /nowhere/x, which envtool did not make",
        ".venv is a link to /nowhere/x, which envtool did not make and will not touch.",
        "Remove the link (what it leads to stays), or choose another place: venv in [tool.envtool].",
    ),
    "file": (
        "{venv} is no folder",
        ".venv is no folder; envtool will not touch it.",
        "Move it away, or choose another place: venv in [tool.envtool].",
    ),
    "other": (
        "{venv} is a folder and no environment: it has neither a pyvenv.cfg nor a conda-meta",
        ".venv is a folder and no environment; envtool will not touch it.",
        "Choose another place: venv in [tool.envtool]. If it was an environment, move it away.",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_a_setup_would_refuse_is_not_advised_to_be_set_up(tmp_path: Path, kind: str) -> None:
    venv = tmp_path / ".venv"
    if kind == "link":
        venv.symlink_to("/nowhere/x")
    elif kind == "file":
        venv.touch()
    else:
        (venv / "src").mkdir(parents=True)
    why, told, hint = FOREIGN[kind]
    why = why.format(venv=venv)
    assert call(tmp_path, "status").stdout == f"{told} {hint}\n"
    ran = call(tmp_path, "run", "--", "python", "-V", GITHUB_ACTIONS="")
    assert ran.stderr == (
        f"error[env.missing]: there is no environment at {venv}\n"
        f"  hint: {why}. {hint} Then make one: envtool setup --cpu\n"
    )
    refused = call(tmp_path, "setup", "--cpu", "--dry-run", GITHUB_ACTIONS="")
    assert refused.stderr == f"error[env.foreign]: {why}\n  hint: {hint}\n"
