"""``envtool migrate`` with real uv and small wheels: every gate broken on purpose, Ctrl-C, kill -9, and going on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from craft import torchscript
from moving import MIGRATION, MovingPlace, check_moved
from picture import picture
from small_wheels import Indexes, torch

ALL_PASS = ["pass"] * 7


@pytest.fixture
def moving(tmp_path: Path, surroundings: dict[str, str], indexes: Indexes) -> MovingPlace:
    found = MovingPlace(tmp_path / "project", surroundings)
    found.fill(indexes)
    return found


def test_the_whole_move_and_the_way_back(moving: MovingPlace) -> None:
    own = moving.venv.stat().st_ino
    done = moving.call(*MIGRATION, "--json")
    assert done.code == 0, done.out
    assert moving.statuses(done.result) == ALL_PASS
    check_moved(moving)
    result = done.result
    assert (result["state"], result["restored"], result["torch"]["after"]) == ("done", False, "2.13.0+cpu")
    assert result["way_back"]["generation"] == 2
    assert result["sizes"]["environment"]["before"] > result["sizes"]["environment"]["after"] > 0
    assert result["sizes"]["bundle"] == {"before": len("the old app"), "after": 11}
    record = json.loads((moving.root / result["record"]).read_text(encoding="utf-8"))
    assert record["phases"] == result["phases"]
    summary = (moving.root / result["summary"]).read_text(encoding="utf-8")
    assert "- [x] lock: torch 2.13.0+cpu" in summary
    assert "| bundle | 11 B | 11 B |" in summary
    assert result["remaining"] == []
    assert moving.call("audit", "--output", "risk.md", "--fail-on", "never").code == 0
    report = (moving.root / "risk.md").read_text(encoding="utf-8")
    seconds = f"{result['way_back']['seconds']:.2f} s"
    assert f"- [x] switching back was tried, and timed – {seconds} to generation 2" in report
    assert "- [x] the bundle is built and starts without a Python – `dist/app` with torch 2.13.0+cpu: smoke" in report
    (moving.root / "risk.md").unlink()
    back = moving.call("rollback", "--json")
    assert (back.code, back.result["backend"]) == (0, "full")
    assert moving.venv.stat().st_ino == own, "the user's own folder, by rename"


@pytest.mark.parametrize("case", ["git", "no git", "ignored", "undone"])
def test_without_a_gitignore(moving: MovingPlace, case: str) -> None:
    """git would see the link at .venv; what the user has elsewhere against that is respected."""
    ignore = moving.root / ".gitignore"
    ignore.unlink()
    if case != "no git":
        subprocess.run(["git", "init", "-q", moving.root], check=True, env=moving.environment)
    if case == "ignored":
        (moving.root / ".git/info").mkdir(exist_ok=True)
        (moving.root / ".git/info/exclude").write_text(".venv\n", encoding="utf-8")
    if case == "undone":
        (moving.root / "README.md").unlink()
        moving.write("README.md", "<!-- envtool:begin -->\n")
    before = picture(moving.root)
    planned = moving.call(*MIGRATION, "--dry-run", "--json")
    done = moving.call(*MIGRATION, "--json")
    if case == "undone":
        assert (done.code, done.error["code"]) == (2, "migrate.markers")
        assert picture(moving.root) == before
        return
    assert done.code == 0, done.out
    made = case == "git"
    would = "would change docs/start.md, .gitignore" if made else "would change docs/start.md"
    assert moving.row(planned.result, "docs")["evidence"] == [would]
    evidence = ["README.md: the section is written"] + [".gitignore: made, with /.venv"] * made
    assert moving.row(done.result, "docs")["evidence"] == evidence
    assert ignore.exists() == made
    if made:
        assert ignore.read_bytes() == b"/.venv\n"
        command = ["git", "-C", moving.root, "status", "--porcelain", "--untracked-files=all"]
        seen = subprocess.run(command, check=True, capture_output=True, text=True, env=moving.environment).stdout
        assert "?? .gitignore" in seen.splitlines()
        assert not [line for line in seen.splitlines() if ".venv" in line or ".envtool" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes")
def test_a_spec_whose_name_is_no_utf8(moving: MovingPlace) -> None:
    os.rename(moving.root / "app.spec", os.fsencode(moving.root) + b"/caf\xe9.spec")  # noqa: PTH104
    planned = moving.call(*MIGRATION, "--dry-run")
    assert planned.code == 0, planned.err
    done = moving.call(*MIGRATION, "--json")
    assert done.code == 0, done.out
    assert moving.statuses(done.result) == ALL_PASS
    assert b"envtool bundle" not in (moving.root / "docs/start.md").read_bytes()
    record = json.loads((moving.root / ".envtool/migration.json").read_text(encoding="utf-8"))
    assert record["facts"]["spec"] == "caf\udce9.spec"
    assert moving.call(*MIGRATION).out.startswith("nothing to do")


def test_again_there_is_nothing_to_do_until_something_changes(moving: MovingPlace) -> None:
    assert moving.call(*MIGRATION).code == 0
    before = picture(moving.root)
    again = moving.call(*MIGRATION)
    assert (again.code, again.out.split(":")[0]) == (0, "nothing to do")
    assert again.out.endswith("full torch again: envtool rollback\n")
    assert moving.call("migrate").out == again.out, "options that were left out ask for nothing"
    assert picture(moving.root) == before
    moving.write("app.py", "import torch\n\nprint(torch.__version__)\n")
    changed = moving.call(*MIGRATION, "--json")
    assert (changed.result["changed"], changed.result["generation"]) == (True, 1)


def test_without_fix_the_gate_says_so(moving: MovingPlace) -> None:
    before = picture(moving.root)
    done = moving.call("migrate")
    assert done.code == 10
    assert "error[migrate.fix]: gate fix: 1 finding can be mended by a fix, and --fix was not given" in done.err
    assert "hint: What a fix changes: envtool audit --diff. Then: envtool migrate --resume --fix" in done.err
    assert done.out.splitlines()[-1] == "stopped  nothing was changed yet"
    assert "restore" not in done.err + done.out
    going_on = moving.call("migrate", "--resume", "--fix", "--dry-run", "--json")
    assert moving.statuses(going_on.result) == ["pass", "todo", "todo", "todo", "pass", "todo", "todo"], going_on.out
    assert picture(moving.root) == before


def break_audit(place: MovingPlace) -> None:
    place.write("train.py", "import torch\n\ntorch.zeros(1).cuda()\n")


def break_lock(place: MovingPlace) -> None:
    (place.root / "requirements.txt").write_bytes(b"torch\r\nleaf\r\nnot-there-at-all")


def break_torch(place: MovingPlace) -> None:
    (place.root / "requirements.txt").write_bytes(b"torch\r\nleaf @ git+https://git.example/leaf")


def break_check(place: MovingPlace) -> None:
    place.write("check.py", "raise SystemExit('no microphone')\n")


def break_venv(place: MovingPlace) -> None:
    # A link that envtool did not make is not replaced.
    place.venv.rename(place.root / "shared-env")
    place.venv.symlink_to("shared-env")


def break_models(place: MovingPlace) -> None:
    torchscript(place.root / "models" / "fixed.pt", "cuda:0", code='x = torch.device("cuda:0")\n')


def break_loads(place: MovingPlace) -> None:
    place.write("app.py", "import torch\n\n\ndef load(path, **options):\n    return torch.jit.load(path)\n")


def break_spec(place: MovingPlace) -> None:
    place.write("second.spec", 'Analysis(["app.py"])\n')


def break_bundle(place: MovingPlace) -> None:
    place.write("fake-bundle", "fail")


def break_docs(place: MovingPlace) -> None:
    place.write("docs/start.md", "<!-- envtool:begin -->\n")


BROKEN: list[tuple[str, Callable[[MovingPlace], None], int, str]] = [
    ("audit", break_audit, 10, "migrate.audit"),
    ("lock", break_lock, 4, "resolve.unsatisfiable"),
    ("lock", break_torch, 4, "lock.unlockable"),
    ("setup", break_check, 7, "check.failed"),
    ("setup", break_venv, 6, "env.foreign"),
    ("models", break_models, 10, "migrate.models"),
    ("bundle", break_spec, 2, "migrate.spec"),
    ("bundle", break_bundle, 7, "bundle.smoke"),
    ("docs", break_docs, 2, "migrate.markers"),
]


@pytest.mark.parametrize(("gate", "harm", "code", "error"), BROKEN, ids=[row[1].__name__ for row in BROKEN])
def test_a_gate_that_does_not_hold_puts_everything_back(
    moving: MovingPlace, gate: str, harm: Callable[[MovingPlace], None], code: int, error: str
) -> None:
    harm(moving)
    before = picture(moving.root)
    done = moving.call(*MIGRATION, "--json")
    assert (done.code, done.error["code"]) == (code, error), done.out
    assert done.error["message"].startswith(f"gate {gate}: ")
    assert done.error["hint"].count("envtool migrate --resume") == 1
    assert "command again" not in done.error["hint"]
    assert (done.result["restored"], done.result["touched"]) == (True, gate != "audit")
    assert moving.row(done.result, gate)["status"] == "fail"
    assert picture(moving.root) == before
    assert not (moving.root / ".envtool/migration").exists()
    assert moving.call("verify", "--backend", "full", "--static").code == 0, "the environment still is what it was"


def test_a_load_that_hides_its_file_stops_a_model_from_a_gpu(moving: MovingPlace) -> None:
    break_loads(moving)
    before = picture(moving.root)
    done = moving.call("migrate", "--only", "models", "--json")
    assert (done.code, done.error["code"]) == (10, "migrate.models")
    assert "CPU109" in "\n".join(moving.row(done.result, "models")["evidence"])
    assert picture(moving.root) == before


def test_in_a_chain_the_generation_of_before_is_current_again(moving: MovingPlace) -> None:
    assert moving.call(*MIGRATION).code == 0
    assert moving.call("rollback").code == 0
    moving.write("fake-bundle", "fail")
    before = picture(moving.root)
    assert moving.venv.readlink().name == "2"
    done = moving.call(*MIGRATION, "--json")
    assert done.code == 7
    assert picture(moving.root) == before


def test_without_an_environment_and_a_lock_there_is_none_afterwards(moving: MovingPlace) -> None:
    subprocess.run(["rm", "-rf", moving.venv, moving.root / "dist"], check=True)
    moving.write("fake-bundle", "fail")
    before = picture(moving.root)
    assert moving.call(*MIGRATION).code == 7
    assert picture(moving.root) == before
    assert not moving.venv.is_symlink()
    moving.write("fake-bundle", "pass")
    done = moving.call("migrate", "--resume", "--json")
    assert moving.statuses(done.result) == ALL_PASS
    assert done.result["way_back"] is None
    assert "torch-full.txt" in "\n".join(moving.row(done.result, "setup")["evidence"])


def test_full_torch_that_is_locked_for_another_machine_is_no_way_back(
    moving: MovingPlace, tmp_path: Path, surroundings: dict[str, str]
) -> None:
    subprocess.run(["rm", "-rf", moving.venv, moving.root / "dist"], check=True)
    indexes = Indexes(tmp_path / "others")
    indexes.fill()
    indexes.add_aarch64(full=True)
    surroundings |= {"ENVTOOL_TORCH_INDEX": indexes.torch_index, "UV_DEFAULT_INDEX": indexes.default_index}
    settings = (moving.root / "pyproject.toml").read_text(encoding="utf-8")
    moving.write("pyproject.toml", settings.replace('["linux-x86_64"]', '["linux-x86_64", "linux-aarch64"]'))
    done = moving.call(*MIGRATION, "--json")
    assert moving.statuses(done.result) == ALL_PASS
    assert (moving.root / "lockfiles/torch-full.txt").is_file()
    assert "way back" not in "\n".join(moving.row(done.result, "setup")["evidence"])
    indexes.stop()


def test_a_bug_puts_everything_back_too(moving: MovingPlace) -> None:
    moving.write("fake-bundle", "raise")
    before = picture(moving.root)
    done = moving.call(*MIGRATION)
    assert (done.code, "error[bug]" in done.err) == (1, True)
    assert picture(moving.root) == before


def test_a_spec_written_for_a_script_goes_again(moving: MovingPlace) -> None:
    (moving.root / "app.spec").unlink()
    moving.write("fake-bundle", "fail")
    before = picture(moving.root)
    assert moving.call(*MIGRATION, "--spec", "app.py").code == 7
    assert picture(moving.root) == before
    moving.write("fake-bundle", "pass")
    assert moving.call("migrate", "--resume").code == 0
    assert "Written by envtool bundle" in (moving.root / "app.spec").read_text(encoding="utf-8")


def test_resume_takes_the_options_of_before_and_what_was_built(moving: MovingPlace) -> None:
    moving.write("fake-bundle", "fail")
    assert moving.call(*MIGRATION, "--check", "python check.py").code == 7
    assert moving.status()["generations"][0]["torch"] == "2.13.0+cpu", "kept for the next time"
    moving.write("fake-bundle", "pass")
    done = moving.call("migrate", "--resume", "--json")
    assert moving.statuses(done.result) == ALL_PASS
    assert "2 checks of the project passed" in moving.row(done.result, "setup")["evidence"]
    assert done.result["generation"] == 1, "not built a second time"
    check_moved(moving)


def test_nothing_to_resume_or_undo(moving: MovingPlace) -> None:
    for word in ("resume", "undo"):
        done = moving.call("migrate", f"--{word}", "--json")
        assert (done.code, done.error["code"]) == (2, f"migrate.{word}")
    rehearsed = moving.call("migrate", "--resume", "--dry-run", "--json")
    assert (rehearsed.code, rehearsed.error["code"]) == (2, "migrate.resume")
    both = moving.call("migrate", "--undo", "--dry-run", "--json")
    assert (both.code, both.error["code"]) == (2, "usage.migrate")


@pytest.mark.parametrize(
    "words", [("--only", "audit", "--skip", "audit"), ("--skip", "audit,fix,lock,setup,models,bundle,docs")]
)
def test_phases_that_are_all_left_out(moving: MovingPlace, words: tuple[str, ...]) -> None:
    for more in ((), ("--dry-run",)):
        done = moving.call("migrate", *words, *more, "--json")
        assert (done.code, done.error["code"]) == (2, "usage.phase")
        assert done.error["message"].endswith("leave no phase to run")
    assert not (moving.root / ".envtool/migration.json").exists()


def test_a_dry_run_writes_nothing(moving: MovingPlace) -> None:
    before = picture(moving.root)
    done = moving.call(*MIGRATION, "--dry-run", "--json")
    assert done.code == 0, done.out
    assert moving.statuses(done.result) == ["pass", "todo", "todo", "todo", "pass", "todo", "todo"]
    without = moving.call("migrate", "--dry-run", "--json")
    assert (without.code, without.error["code"]) == (10, "migrate.fix")
    assert without.error["hint"] == "What a fix changes: envtool audit --diff. Then: envtool migrate --fix"
    assert picture(moving.root) == before
    assert not (moving.root / ".envtool").exists()
    break_models(moving)
    broken = moving.call(*MIGRATION, "--dry-run", "--json")
    assert (broken.code, moving.row(broken.result, "docs")["status"]) == (10, "todo"), "the others are looked at too"


def test_quiet(moving: MovingPlace) -> None:
    planned = moving.call(*MIGRATION, "--dry-run", "-q")
    assert (planned.code, planned.out.splitlines()[-1].startswith("dry run"), planned.err) == (0, True, "")
    moving.write("no.py", "raise SystemExit('boom: the reason')\n")
    failed = moving.call(*MIGRATION, "--check", "python no.py", "-q")
    assert (failed.code, failed.out.splitlines()[0].split()[:2]) == (7, ["FAIL", "setup"])
    assert "boom: the reason" in failed.out
    assert "ok  audit" not in failed.out
    done = moving.call(*MIGRATION, "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    back = moving.call("rollback", "-q")
    assert (back.code, back.out, back.err) == (0, "", "")


def test_only_and_skip(moving: MovingPlace) -> None:
    lock = moving.call("migrate", "--only", "lock", "--json")
    assert moving.statuses(lock.result) == ["skip", "skip", "pass", "skip", "skip", "skip", "skip"]
    assert lock.result["state"] == "partial"
    assert not moving.venv.is_symlink()
    rest = moving.call("migrate", "--fix", "--skip", "bundle,docs", "--json")
    assert moving.statuses(rest.result) == [*["pass"] * 5, "skip", "skip"]
    assert (moving.root / "dist/app/app").read_text(encoding="utf-8") == "the old app"
    wrong = moving.call("migrate", "--only", "locks", "--json")
    assert (wrong.code, wrong.error["code"]) == (2, "usage.phase")


@pytest.fixture
def newer(tmp_path: Path, surroundings: dict[str, str]) -> Indexes:
    """Indexes that have a torch 2.14 too."""
    found = Indexes(tmp_path / "newer")
    found.fill()
    for python in ("310", "311", "312", "313", "314"):
        found.add("whl/cpu", *torch("2.14.0+cpu", python))
        found.add("simple", *torch("2.14.0", python, cuda="13.0"))
    surroundings |= {"ENVTOOL_TORCH_INDEX": found.torch_index, "UV_DEFAULT_INDEX": found.default_index}
    return found


def test_torch_keeps_its_version_unless_asked(newer: Indexes, moving: MovingPlace) -> None:
    kept = moving.call(*MIGRATION, "--dry-run", "--json")
    assert moving.row(kept.result, "lock")["evidence"][0] == "torch 2.13.0+cpu, the version that is there (2.13.0)"
    newest = moving.call(*MIGRATION, "--dry-run", "--upgrade-torch", "--json")
    assert moving.row(newest.result, "lock")["evidence"][0] == "torch 2.13.0 becomes 2.14.0+cpu (--upgrade-torch)"
    # A lock from before that already has the newer one does not decide it.
    assert moving.call("lock").code == 0
    assert "2.14.0+cpu" in (moving.root / "lockfiles/torch-cpu.txt").read_text(encoding="utf-8")
    assert moving.call(*MIGRATION, "--json").result["torch"]["after"] == "2.13.0+cpu"
    newer.stop()


def test_requirements_that_ask_for_another_torch_are_an_error(newer: Indexes, moving: MovingPlace) -> None:
    (moving.root / "requirements.txt").write_bytes(b"torch>=2.14\r\nleaf")
    before = picture(moving.root)
    done = moving.call(*MIGRATION, "--json")
    assert (done.code, done.error["code"]) == (4, "migrate.torch")
    assert "2.14.0+cpu, and .venv has 2.13.0" in done.error["message"]
    assert picture(moving.root) == before
    newer.stop()


def test_the_python_of_the_environment_stays(moving: MovingPlace) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    others = [(minor, path) for minor in ("3.10", "3.11", "3.12", "3.13") if minor != here for path in pythons(minor)]
    if not others:
        pytest.skip(f"no other Python than {here} from 3.10 to 3.13 is installed here")
    minor, path = others[0]
    shutil.rmtree(moving.venv)
    (moving.root / "requirements.txt").write_bytes(b"torch\r\nleaf")
    moving.python = path
    moving.install(moving.indexes, "torch==2.13.0", "leaf==1.0")
    done = moving.call(*MIGRATION, "--json")
    assert done.code == 0, done.out
    evidence = moving.row(done.result, "setup")["evidence"][0]
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert version.startswith(f"Python {minor}.")
    assert evidence == f".venv is generation 1: torch 2.13.0+cpu, {version}"
    assert str(path) not in (moving.root / "README.md").read_text(encoding="utf-8")


def pythons(minor: str) -> list[str]:
    """Where an interpreter of that version is, on the PATH or where pyenv keeps them."""
    root = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")))
    found = [path for path in sorted(root.glob(f"versions/{minor}.*/bin/python")) if path.exists()]
    on_path = shutil.which(f"python{minor}")
    working = [str(path) for path in (*found, *([on_path] if on_path else []))]
    return [
        path for path in working if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    ]
