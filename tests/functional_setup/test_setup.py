"""``envtool setup``: from nothing, again, frozen, dry, with checks, and what stops it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from place import TARGETS, Place, tree
from small_wheels import Indexes, torch, wheel

import envtool


def test_from_nothing(place: Place) -> None:
    done = place.setup("--cpu")
    assert (done.code, done.out.splitlines()[0].split(",")[0]) == (
        0,
        "current  .venv is generation 1: torch 2.13.0+cpu (cpu)",
    )
    assert done.out.splitlines()[-1] == "back     envtool rollback  (builds full torch)"
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}
    assert place.venv.readlink() == Path(".envtool/generations/1")
    assert (place.root / ".envtool/.gitignore").read_text() == "*\n"
    assert sorted(path.name for path in (place.root / "lockfiles").iterdir()) == [
        "lock.toml",
        "requirements.txt",
        "torch-cpu.txt",
        "torch-full.txt",
    ]
    assert list(place.site.glob("leaf/__pycache__/*.pyc"))
    tool = (place.venv / "bin/leaf-tool").read_text()
    assert "generations" not in tool, "a script that names a generation breaks after a rename"


def test_json_is_one_object_and_nothing_else(place: Place) -> None:
    done = place.setup("--cpu", "--json")
    assert done.err == ""
    result = done.result
    assert done.answer["ok"] is True
    found = {key: result[key] for key in ("generation", "backend", "torch", "venv", "changed", "dry_run")}
    assert found == {
        "generation": 1,
        "backend": "cpu",
        "torch": "2.13.0+cpu",
        "venv": ".venv",
        "changed": True,
        "dry_run": False,
    }
    assert {check["id"]: check["status"] for check in result["checks"]}["build-identity"] == "pass"
    assert result["seconds"] > 0


def test_markers_mean_the_very_patch_release(place: Place) -> None:
    own = ".".join(map(str, sys.version_info[:3]))
    names = [f"leaf ; python_full_version == '{own}'", f"leaf<2 ; python_full_version != '{own}'"]
    place.done("--cpu", "torch", *names)
    assert place.installed() == {"leaf": "2.0", "torch": "2.13.0+cpu"}
    assert place.call("verify", "--static").code == 0
    assert place.call("lock", "--check", "torch", *names).code == 0


def test_no_compile(place: Place) -> None:
    place.done("--cpu", "--no-compile")
    assert not list(place.site.rglob("*.pyc"))


def test_already_satisfied_writes_nothing(place: Place) -> None:
    place.done("--cpu")
    before = tree(place.root)
    done = place.setup("--cpu")
    python = place.status()["generations"][0]["python"]
    text = f"already satisfied: .venv is generation 1: torch 2.13.0+cpu (cpu), Python {python}; nothing changed\n"
    assert (done.code, done.out, done.err) == (0, text, "")
    again = place.setup("--cpu", "--json")
    assert (again.result["changed"], again.result["generation"], again.result["venv"]) == (False, 1, ".venv")
    planned = place.done("--cpu", "--dry-run", "--json").result
    assert (planned["changed"], planned["generation"], planned["torch"]) == (False, 1, "2.13.0+cpu")
    assert again.err == ""
    assert tree(place.root) == before


def test_other_words_with_the_same_meaning_flip_nothing(place: Place) -> None:
    place.done("--cpu")
    done = place.done("-r", "requirements.txt", "--cpu")
    assert done.out.startswith("already satisfied: .venv is generation 1: ")
    assert len(place.status()["generations"]) == 1


@pytest.mark.parametrize(
    ("what", "generation"),
    [("requirement", 2), ("lock", 2), ("setting", 1), ("variable", 1), ("dist-info", 2), ("file", 2), ("torch", 2)],
)
def test_a_change_is_seen(place: Place, what: str, generation: int) -> None:
    place.done("--cpu")
    variables = {}
    if what == "requirement":
        place.write("requirements.txt", "torch\nleaf<2\n")
    elif what == "lock":
        (place.root / "lockfiles/requirements.txt").write_text("nonsense\n")
        place.write("requirements.txt", "torch\nleaf<2\n")
    elif what == "setting":
        place.write("pyproject.toml", TARGETS + 'gpu-packages = "drop"\n')
    elif what == "variable":
        variables["ENVTOOL_CHECKS"] = "python -c pass"
    elif what == "dist-info":
        shutil.rmtree(next(place.site.glob("leaf-*.dist-info")))
    elif what == "file":
        # The quick look reads no RECORD; a setup that looks closer does, and builds anew.
        (place.site / "torch/lib/libc10.so").unlink()
        variables["ENVTOOL_CHECKS"] = "python -c pass"
    else:
        text = (place.site / "torch/version.py").read_text().replace("cuda = None", "cuda = '13.0'")
        (place.site / "torch/version.py").unlink()
        (place.site / "torch/version.py").write_text(text)
    done = place.done("--cpu", "--json", **variables)
    assert done.result["generation"] == generation
    assert done.result["changed"] is (generation == 2)
    assert "phases" in done.result, "not by the quick look"


def test_frozen(place: Place) -> None:
    before = tree(place.root)
    done = place.setup("--cpu", "--frozen", "--json")
    assert (done.code, done.error["code"]) == (5, "lock.missing")
    assert tree(place.root, ".envtool") == before
    place.done("--cpu")
    place.write("requirements.txt", "torch\nleaf<2\n")
    before = tree(place.root)
    done = place.setup("--cpu", "--frozen", "--json")
    assert (done.code, done.error["code"]) == (5, "lock.stale")
    assert "leaf<2" in done.error["message"]
    assert tree(place.root) == before
    place.write("requirements.txt", "torch\nleaf\n")
    assert place.setup("--cpu", "--frozen").code == 0


def test_a_dry_run_changes_nothing_at_all(place: Place) -> None:
    before = tree(place.root)
    done = place.setup("--cpu", "--dry-run")
    assert (done.code, done.out.splitlines()[:2]) == (0, ["+ leaf 2.0", "+ torch 2.13.0+cpu"])
    assert done.out.splitlines()[-1] == "dry run: nothing changed; the lock would be written"
    assert done.err.splitlines()[0].split("  (")[0].strip() == "lock  no lock yet: lock requirements.txt"
    assert tree(place.root) == before
    assert place.done("--cpu").err.count("no lock yet") == 1
    place.write("requirements.txt", "torch\nleaf<2\n")
    before = tree(place.root)
    planned = place.setup("--full", "--dry-run", "--json").result
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert [planned[key] for key in ("generation", "backend", "torch", "python", "changed")] == [
        None,
        "full",
        "2.13.0",
        python,
        False,
    ]
    done = place.setup("--full", "--dry-run")
    assert done.out.splitlines()[:4] == [
        "~ leaf 2.0 -> 1.0",
        "+ nvidia-cublas 13.0",
        "~ torch 2.13.0+cpu -> 2.13.0",
        "+ triton 3.7",
    ]
    assert place.call("rollback", "--dry-run").code == 0
    assert tree(place.root) == before


def test_a_check_runs_in_the_staged_environment(place: Place) -> None:
    code = "import sys, leaf; open('seen', 'w').write(sys.prefix + chr(10) + leaf.__version__)"
    place.done("--cpu", "--check", f'python -c "{code}"')
    prefix, version = (place.root / "seen").read_text().splitlines()
    assert (Path(prefix), version) == (place.root / ".envtool/generations/1", "2.0")


def test_an_envtool_command_in_a_check_looks_at_the_staged_environment(place: Place) -> None:
    place.done("--full")
    source = Path(envtool.__file__).parents[1]
    verify = f'PYTHONPATH="{source}" "{sys.executable}" -m envtool verify --backend cpu --static'
    place.write("look.sh", f'echo "$ENVTOOL_VENV" >seen\n{verify}\n')
    place.done("--cpu", "--check", "sh look.sh")
    assert (place.root / "seen").read_text() == ".envtool/generations/2\n"


def test_a_failing_check_changes_nothing(place: Place) -> None:
    place.done("--full")
    before = tree(place.root, "lockfiles")
    code = "print(chr(27) + '[31mred' + chr(27) + ']0;title' + chr(7)); raise SystemExit(3)"
    done = place.setup("--cpu", "--check", f'python -c "{code}"')
    assert done.code == 7
    assert done.err.splitlines()[-2:] == [
        r"  red\x1b]0;title\x07",
        "  hint: Nothing was switched. Mend the cause, and run the same command again.",
    ]
    assert "failed with status 3; the environment is as it was" in done.err
    assert tree(place.root, "lockfiles", ".envtool/state.json") == {
        key: value for key, value in before.items() if key != ".envtool/state.json"
    }


@pytest.mark.parametrize(
    ("check", "code", "status"),
    [("no-such-program --yes", "check.missing", 7), ("python -c 'x", "usage.check", 2), (" ", "usage.check", 2)],
)
def test_a_check_that_cannot_run(place: Place, check: str, code: str, status: int) -> None:
    before = tree(place.root)
    done = place.setup("--cpu", "--json", "--check", check)
    assert (done.code, done.error["code"]) == (status, code)
    assert not place.venv.is_symlink()
    if status == 2:
        assert tree(place.root) == before, "seen before anything is built"


@pytest.mark.parametrize(
    ("text", "cause", "hint"),
    [
        ("exit 0\n", "Exec format error", "A script needs a first line that names its interpreter, such as #!/bin/sh."),
        ("#!/no/such/sh\n", "No such file or directory", "Is the interpreter there that its first line names?"),
    ],
)
def test_a_check_that_the_system_does_not_start(place: Place, text: str, cause: str, hint: str) -> None:
    place.write("script", text).chmod(0o755)
    done = place.setup("--cpu", "--no-probe", "--json", "--check", "./script")
    assert (done.code, done.error["code"]) == (7, "check.unstarted")
    assert done.error["message"] == f"check `./script` cannot be run: {cause}"
    assert done.error["hint"] == f"{hint} Nothing was switched. The environment is as it was; lockfiles/ is new."
    assert not place.venv.is_symlink()


def test_a_check_of_the_settings(place: Place) -> None:
    place.write("pyproject.toml", TARGETS + "checks = [\"python -c 'raise SystemExit(1)'\"]\n")
    assert place.setup("--cpu").code == 7


def test_a_failed_verification_changes_nothing(place: Place, tmp_path: Path) -> None:
    indexes = Indexes(tmp_path / "indexes")
    indexes.fill()
    for python in ("310", "311", "312", "313", "314"):
        name, _ = torch("2.13.0+cpu", python)
        indexes.add("whl/cpu", name, torch("2.13.0+cpu", python, cuda="13.0", honest=False)[1])
    place.environment |= {"ENVTOOL_TORCH_INDEX": indexes.torch_index, "UV_DEFAULT_INDEX": indexes.default_index}
    done = place.setup("--cpu", "--json")
    assert (done.code, done.error["code"]) == (7, "verify.build-identity")
    assert not place.venv.is_symlink()
    assert not (place.root / ".envtool").exists()
    indexes.stop()


def test_a_hash_that_does_not_match(place: Place, tmp_path: Path) -> None:
    indexes = Indexes(tmp_path / "indexes")
    indexes.fill()
    place.environment |= {"ENVTOOL_TORCH_INDEX": indexes.torch_index, "UV_DEFAULT_INDEX": indexes.default_index}
    assert place.call("lock").code == 0
    name, data = wheel("leaf", "2.0", {"leaf/__init__.py": "__version__ = '2.0'  # another\n"})
    indexes.add("simple", name, data)
    place.environment["UV_CACHE_DIR"] = str(tmp_path / "another-cache")
    done = place.setup("--cpu", "--frozen", "--json")
    assert (done.code, done.error["code"]) == (5, "install.hash-mismatch")
    assert "leaf" in done.error["message"]
    assert not place.venv.is_symlink()
    assert not (place.root / ".envtool").exists()
    indexes.stop()


def test_a_wrong_wheel_in_find_links_and_no_index(place: Place, indexes: Indexes, tmp_path: Path) -> None:
    assert place.call("lock").code == 0
    folder = tmp_path / "links"
    folder.mkdir()
    for python in ("310", "311", "312", "313", "314"):
        name, _ = torch("2.13.0+cpu", python)
        (folder / name).write_bytes(torch("2.13.0+cpu", python, cuda="13.0")[1])
    place.environment["ENVTOOL_FIND_LINKS"] = str(folder)
    assert place.setup("--cpu", "--frozen").code == 0, "the index has the right one"
    place.environment |= {"ENVTOOL_TORCH_INDEX": "http://127.0.0.1:9/whl", "UV_CACHE_DIR": str(tmp_path / "cold")}
    shutil.rmtree(place.root / ".envtool")
    place.venv.unlink()
    done = place.setup("--cpu", "--frozen", "--json")
    assert (done.code, done.error["code"]) == (5, "install.hash-mismatch")


def test_no_index_and_nothing_in_find_links(place: Place) -> None:
    assert place.call("lock").code == 0
    place.environment["ENVTOOL_TORCH_INDEX"] = "http://127.0.0.1:9/whl"
    done = place.setup("--cpu", "--frozen", "--json")
    assert (done.code, done.error["code"]) == (6, "torch-index.unreachable")
    assert "find-links" in done.error["message"]
    assert not place.venv.is_symlink()


def test_too_little_disk(place: Place, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    text = "import shutil\nreal = shutil.disk_usage\nshutil.disk_usage = lambda path: real(path)._replace(free=10)\n"
    (hook / "sitecustomize.py").write_text(text)
    path = f"{hook}:{place.environment['PYTHONPATH']}"
    assert place.call("lock").code == 0
    done = place.setup("--cpu", "--json", PYTHONPATH=path)
    assert (done.code, done.error["code"]) == (6, "install.no-space")
    assert "10 B are free" in done.error["message"]
    cache = tmp_path / "uv-cache"
    assert not [path for path in cache.rglob("*") if path.name == "libtorch_cpu.so"], "fetched before it was refused"


def test_another_place_for_the_environment(place: Place) -> None:
    place.write("pyproject.toml", TARGETS + 'venv = "envs/cpu"\n')
    done = place.done("--cpu")
    assert done.out.startswith("current  envs/cpu is generation 1: ")
    assert (place.root / "envs/cpu").readlink() == Path("../.envtool/generations/1")
    assert place.done("--cpu").out.startswith("already satisfied: envs/cpu is generation 1")
    assert place.call("verify", "--static").code == 0
    assert place.call("run", "--", "python", "-c", "import leaf").code == 0
    assert place.call("status").out.splitlines()[-1] == "envs/cpu is generation 1."
    other = place.done("--cpu", "--json", ENVTOOL_VENV="mine")
    assert (other.result["venv"], other.result["generation"]) == ("mine", 1)
    assert not place.venv.is_symlink()


def test_a_path_with_spaces_and_letters(tmp_path: Path, surroundings: dict[str, str]) -> None:
    place = Place(tmp_path / "my pröject 🔥 'quoted'", surroundings)
    place.write("requirements.txt", "torch\nleaf\n")
    place.write("pyproject.toml", TARGETS)
    assert place.done("--cpu", "--check", "python -c 'import leaf'").code == 0
    assert place.call("verify", "--static").code == 0
    place.done("--full")
    done = place.call("rollback", "--to", "1")
    assert (done.code, place.installed()["torch"]) == (0, "2.13.0+cpu")


def test_a_project_is_installed_editable(place: Place) -> None:
    (place.root / "requirements.txt").unlink()
    place.write(
        "pyproject.toml",
        TARGETS + '[project]\nname = "my-app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        'dependencies = ["torch", "leaf"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    place.write("my_app.py", "answer = 42\n")
    place.write("backend.py", BACKEND)
    done = place.setup("--cpu", "--check", "python -c 'import my_app; assert my_app.answer == 42'")
    assert done.code == 0, done.err
    place.write("my_app.py", "answer = 43\n")
    run = place.call("run", "--", "python", "-c", "import my_app; print(my_app.answer)")
    assert run.out == "43\n"
    row = place.status()["generations"][0]
    assert row["drift"] == [], "the project itself is no drift"
    assert "my-app" not in place.setup("--cpu", "--dry-run").out
    done = place.done("--cpu", "--no-install-project", "--json")
    assert done.result["generation"] == 2
    assert "my_app" not in place.installed()


BACKEND = """
import zipfile
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "my_app-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("my_app.pth", str(Path.cwd()))
        wheel.writestr("my_app-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: my-app\\nVersion: 1\\n")
        wheel.writestr("my_app-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("my_app-1.dist-info/RECORD", "my_app.pth,,\\nmy_app-1.dist-info/METADATA,,\\n")
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    return build_editable(folder)
"""


def test_drift(place: Place) -> None:
    place.done("--cpu")
    assert place.status()["generations"][0]["drift"] == []
    shutil.rmtree(next(place.site.glob("leaf-*.dist-info")))
    (place.site / "stray-1.0.dist-info").mkdir()
    (place.site / "stray-1.0.dist-info/METADATA").write_text("Name: stray\nVersion: 1.0\n")
    row = place.status()["generations"][0]
    assert row["drift"] == ["leaf: 2.0 locked, not installed", "stray: 1.0 installed, not locked"]


def test_quiet_and_colours(place: Place) -> None:
    done = place.setup("--cpu", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    again = place.setup("--cpu", "-q")
    assert (again.code, again.out, again.err) == (0, "", "")
    dry = place.setup("--cpu", "--dry-run", "-q").out
    assert dry.startswith("dry run: already satisfied: generation 1: torch 2.13.0+cpu (cpu), Python 3.")
    prune = place.call("prune", "-q")
    assert (prune.code, prune.out, prune.err) == (0, "", "")
    coloured = place.setup("--full", FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[" in coloured.err
    assert "\x1b" not in coloured.out
    plain = place.setup("--cpu", "--check", "false", NO_COLOR="1", FORCE_COLOR="1", TERM="xterm-256color")
    assert plain.code == 7
    assert "\x1b[" not in plain.err
    for words in (["--help"], ["setup", "--help"], ["setup", "--no-such"]):
        shown = place.call(*words, NO_COLOR="1", FORCE_COLOR="1", TERM="xterm-256color")
        assert "Usage: envtool" in shown.out + shown.err
        assert "\x1b[" not in shown.out + shown.err


def test_a_link_that_git_shows_is_told_of_once(place: Place) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", place.root, *words], capture_output=True, text=True, check=True)
        return done.stdout

    git("init", "-q")
    place.write(".gitignore", ".venv/\n")
    note = "git shows .venv, which is a link: add the line .venv to .gitignore, without a slash behind it"
    assert f"note     {note}\n" in place.done("--cpu").out
    assert "?? .venv\n" in git("status", "--short")
    assert "git shows" not in place.done("--full").out
    place.write(".gitignore", ".venv\n")
    assert ".venv" not in git("status", "--short")
    place.venv.unlink()
    done = place.done("--cpu", "--json")
    assert (done.result["changed"], [note["code"] for note in done.result["notes"]].count("git.venv")) == (True, 0)


def test_on_github(place: Place, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    assert place.setup("--cpu", **github).code == 0
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("### envtool\n\n```\ncurrent  .venv is generation 1: torch 2.13.0+cpu (cpu)")
    assert "| build-identity | pass |" in text
    place.write("requirements.txt", "torch\nleaf<2\n")
    done = place.setup("--cpu", "--frozen", **github)
    assert done.err.splitlines()[-1].startswith("::error title=lock.stale::lockfiles/ is stale: ")
    failed = summary.read_text(encoding="utf-8").removeprefix(text)
    assert failed.startswith("### envtool setup\n\n```\nerror[lock.stale]: lockfiles/ is stale: ")
    assert "\n  hint: Bring it up to date with envtool lock" in failed
    done = place.setup("--cpu", "--frozen", "--json", **github)
    assert json.loads(done.out)["exit_code"] == 5


def test_usage_errors_are_json_too(place: Place) -> None:
    done = place.call("setup", "--json")
    assert (done.code, done.error["code"], done.err) == (2, "usage.backend", "")
    done = place.call("setup", "--json", "--nonsense")
    assert (done.code, done.error["code"], done.answer["command"], done.err) == (2, "usage", "setup", "")


def test_nothing_needs_torch(place: Place) -> None:
    place.write("requirements.txt", "other\n")
    before = tree(place.root)
    done = place.setup("--cpu", "--json")
    assert (done.code, done.answer["ok"]) == (3, False)
    assert tree(place.root, ".envtool") == before
