"""The gates audit and fix, in projects where a fix in one file decides about a finding in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.env.records import layout_for
from envtool.errors import FindingsError
from envtool.migrate.audit import audit, fix, plan_fix
from envtool.migrate.docs import docs, plan_docs
from envtool.migrate.models import Before, Migration, Options
from envtool.reports.progress import make_reporter

CPU = "https://download.pytorch.org/whl/cpu"
GPU_LINE = "--extra-index-url https://download.pytorch.org/whl/cu121\n"
DOCKERFILE = f"FROM python:3.11-slim\nRUN pip install torch --index-url {CPU}\nRUN pip install -r requirements.txt\n"
BECAUSE = "  Dockerfile:3 CPU402 installs torch (in requirements.txt) as a GPU build, because of requirements.txt:1"


def moving(root: Path, texts: dict[str, str], *, only: tuple[str, ...] = (), with_fix: bool = False) -> Migration:
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    options = Options(fix=with_fix, only=only)
    return Migration(layout=layout_for(root), options=options, found=Before(), reporter=make_reporter(quiet=True))


def test_a_finding_that_a_fix_in_another_file_mends_stops_no_move(tmp_path: Path) -> None:
    migration = moving(tmp_path, {"requirements.txt": f"{GPU_LINE}torch\n", "Dockerfile": DOCKERFILE}, with_fix=True)
    assert audit(migration).evidence == (
        "2 files read; nothing to mend by hand",
        "mended by fixes: CPU402 in Dockerfile, CPU304 in requirements.txt",
    )
    assert fix(migration).evidence == ("1 fix in requirements.txt (1)",)
    assert (tmp_path / "requirements.txt").read_text() == "torch\n"
    assert (tmp_path / "Dockerfile").read_text() == DOCKERFILE


def test_without_fix_the_gate_names_the_line_that_is_to_blame(tmp_path: Path) -> None:
    migration = moving(tmp_path, {"requirements.txt": f"{GPU_LINE}torch\n", "Dockerfile": DOCKERFILE})
    audit(migration)
    with pytest.raises(FindingsError) as caught:
        fix(migration)
    assert caught.value.code == "migrate.fix"
    assert caught.value.message.splitlines()[:2] == [
        "2 findings can be mended by a fix, and --fix was not given",
        BECAUSE,
    ]
    assert (tmp_path / "requirements.txt").read_text() == f"{GPU_LINE}torch\n"


def test_a_pin_of_a_gpu_build_is_to_blame_too(tmp_path: Path) -> None:
    files = {"requirements.txt": "numpy\ntorch==2.5.0+cu121\n", "Dockerfile": DOCKERFILE}
    with pytest.raises(FindingsError) as caught:
        fix(moving(tmp_path, files))
    assert BECAUSE.replace("txt:1", "txt:2") in caught.value.message.splitlines()


def test_what_a_fix_elsewhere_only_changes_is_not_mended_by_it(tmp_path: Path) -> None:
    # Without its pin the command takes torch from the default index: the same finding in other words.
    dockerfile = "FROM python:3.11-slim\nRUN pip install -r requirements.txt\n"
    migration = moving(tmp_path, {"requirements.txt": "numpy\ntorch==2.5.0+cu121\n", "Dockerfile": dockerfile})
    with pytest.raises(FindingsError) as left:
        audit(migration)
    assert [line.split()[:2] for line in left.value.message.splitlines()[1:]] == [["Dockerfile:2", "CPU402"]]
    with pytest.raises(FindingsError) as fixable:
        fix(migration)
    assert [line.split()[:2] for line in fixable.value.message.splitlines()[1:]] == [["requirements.txt:2", "CPU303"]]


@pytest.mark.parametrize(("with_fix", "below"), [(True, 2), (False, 3)])
def test_what_is_below_the_level_is_counted_as_the_fixes_leave_it(tmp_path: Path, with_fix: bool, below: int) -> None:
    texts = {
        "app.spec": "a = Analysis(['a.py'], hiddenimports=['triton'])\n",
        "a.py": "import torch\ntorch.jit.load(p)\n",
    }
    evidence = audit(moving(tmp_path, texts, with_fix=with_fix)).evidence
    assert evidence[-1] == f"{below} below error; see: envtool audit"


def test_a_plan_that_changes_nothing_says_so_as_the_run_does(tmp_path: Path) -> None:
    migration = moving(tmp_path, {"a.py": "import os\n"}, with_fix=True)
    assert (plan_fix(migration).status, plan_fix(migration).evidence) == ("pass", ("nothing to fix",))
    assert (fix(migration).status, fix(migration).evidence) == ("pass", ("nothing to fix",))
    (tmp_path / ".gitignore").write_text(".venv\n.envtool\n")
    assert plan_docs(migration).status == docs(migration).status == "skip"


def test_what_a_fix_uncovers_counts(tmp_path: Path) -> None:
    texts = {"requirements.txt": f"numpy\n{GPU_LINE}torch\n"}
    assert audit(moving(tmp_path, texts)).evidence[1:] == (
        "mended by fixes: CPU304 in requirements.txt",
        "settled by the lock: CPU301 in requirements.txt",
    )
    with pytest.raises(FindingsError) as caught:
        audit(moving(tmp_path, texts, only=("audit", "fix")))
    assert caught.value.message.splitlines()[0] == "1 finding that no safe fix mends (--fail-on error)"
    assert caught.value.message.splitlines()[1].startswith("  requirements.txt:2 CPU301 torch comes from")


def test_what_stays_is_told_with_the_place_that_it_has_now(tmp_path: Path) -> None:
    files = {"requirements.txt": f"{GPU_LINE}torch==2.5.0\nflash-attn\n"}
    with pytest.raises(FindingsError) as caught:
        audit(moving(tmp_path, files))
    message = caught.value.message.splitlines()
    assert message[0] == "1 finding that no safe fix mends (--fail-on error)"
    assert message[1].startswith("  requirements.txt:3 CPU303 flash-attn")
