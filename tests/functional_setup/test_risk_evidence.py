"""The risk report of a project that envtool has set up: boxes ticked by real records, measured times, real sizes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from place import Place, tree
from small_wheels import TWO_TARGETS, Indexes
from test_rollback import full_wheels, own_environment

from envtool.audit.risk.evidence import Mention
from envtool.cli.audit_evidence import gather


def report(place: Place, *words: str) -> str:
    done = place.call("audit", "-q", "-o", "../risk.md", "--fail-on", "never", *words)
    assert done.code == 0, done.err
    return (place.root.parent / "risk.md").read_text(encoding="utf-8")


def boxes(text: str) -> dict[str, tuple[bool, str]]:
    rows = re.findall(r"^- \[(.)\] (.*?) – (.*)$", text, re.MULTILINE)
    return {what: (mark == "x", evidence) for mark, what, evidence in rows}


def test_the_boxes_of_a_project_that_was_set_up(place: Place) -> None:
    own_environment(place, *full_wheels())
    place.write("app.py", "import torch\n")
    text = report(place)
    assert [what for what, (done, _) in boxes(text).items() if done] == ["no error in code", "no error in packaging"]
    assert "**Time it takes:** Not measured: envtool has not set this project up yet." in text
    assert "Not known yet: `envtool setup --cpu --dry-run` says what both take." in text
    assert re.search(r"^\| the present \.venv, on disk \| \d", text, re.MULTILINE)

    assert place.setup("--cpu").code == 0
    place.write("README.md", "# App\n\nRun `envtool setup --cpu`, or go back: `envtool   rollback`.\n")
    found = boxes(report(place))
    assert found["the lock is there and fits its inputs"] == (
        True,
        "`lockfiles`: torch 2.13.0+cpu (cpu), torch 2.13.0 (full)",
    )
    assert found["a CPU-only environment is built and proven"][0]
    assert found["the project runs in that environment"] == (True, "`.venv` is generation 1")
    assert found["switching back was tried, and timed"][0] is False
    assert found["the README says how to install"] == (True, "`README.md:3` names `envtool setup --cpu`")
    assert found["the README says how to go back"] == (True, "`README.md:3` names `envtool rollback`")

    assert place.call("rollback").code == 0
    flip = (place.root / ".envtool/flip.json").read_bytes()
    assert place.call("rollback", "--to", "previous").code == 0
    assert (place.root / ".envtool/flip.json").read_bytes() == flip, "going forward again is not the way back"
    assert place.call("rollback").code == 0
    text = report(place)
    assert boxes(text)["the project runs in that environment"] == (
        False,
        "`.venv` is generation 2, torch 2.12.0 (full)",
    )
    seconds = re.search(r"The switch: (\d+\.\d\d) s, measured here on (\d{4}-\d\d-\d\d) from generation 1 to", text)
    assert seconds is not None
    assert 0 <= float(seconds[1]) < 5
    assert "it makes generation 2 (torch 2.12.0) current again" in text
    sizes = re.findall(r"^\| (.*?, on disk) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert [(name, source) for name, _, source in sizes] == [
        ("full torch, on disk", "generation 2, torch 2.12.0"),
        ("CPU-only, on disk", "generation 1, torch 2.13.0+cpu"),
    ]


def test_a_stale_lock_ticks_nothing(place: Place) -> None:
    assert place.call("lock").code == 0
    assert boxes(report(place))["the lock is there and fits its inputs"][0]
    place.write("requirements.txt", "torch\nleaf<2\n")
    found = boxes(report(place))["the lock is there and fits its inputs"]
    assert found[0] is False
    assert "requirement leaf\\<2 is new" in found[1]
    (place.root / "lockfiles" / "lock.toml").write_text("nonsense = [", encoding="utf-8")
    text = report(place)
    assert boxes(text)["the lock is there and fits its inputs"][0] is False
    assert "The lock could not be read: " in text


def test_full_torch_that_is_locked_for_another_machine_is_no_way_back(place: Place, tmp_path: Path) -> None:
    indexes = Indexes(tmp_path / "indexes")
    indexes.fill()
    indexes.add_aarch64(full=True)
    place.environment |= {"ENVTOOL_TORCH_INDEX": indexes.torch_index, "UV_DEFAULT_INDEX": indexes.default_index}
    place.write("pyproject.toml", TWO_TARGETS)
    assert place.call("lock").code == 0
    text = report(place)
    assert boxes(text)["the lock is there and fits its inputs"][1].endswith("torch 2.13.0 (full)")
    assert "the lock has no full torch for this machine" in text
    assert "builds one from the lock" not in text
    indexes.stop()


def test_sizes_that_a_plan_learned_are_recalled(place: Place) -> None:
    """A plan asks the index for sizes and remembers them by digest; this index says none, so they are put there."""
    assert place.call("lock").code == 0
    assert "Not known yet" in report(place)
    known = {}
    for name, size in (("torch-cpu", 200_000_000), ("torch-full", 900_000_000), ("requirements", 1_000_000)):
        text = (place.root / "lockfiles" / f"{name}.txt").read_text(encoding="utf-8")
        for package, version, digests in re.findall(r"^(\S+)==(\S+) \\\n((?: .*\n)+)", text, re.MULTILINE):
            wheel = f"{package.replace('-', '_')}-{version}-py3-none-any.whl"
            known.update({digest: [wheel, size] for digest in re.findall(r"sha256:(\w+)", digests)})
    cache = Path(place.environment["XDG_CACHE_HOME"]) / "envtool"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "sizes.json").write_text(json.dumps(known), encoding="utf-8")
    rows = dict(re.findall(r"^\| (.*?, to download) \| (.*?) \|", report(place), re.MULTILINE))
    # torch, and with it cublas and triton; and leaf.
    assert rows == {"full torch, to download": "2.7 GB", "CPU-only, to download": "201.0 MB"}
    known.popitem()
    (cache / "sizes.json").write_text(json.dumps(known), encoding="utf-8")
    assert "Not known yet" in report(place)


def test_a_broken_project_file_is_a_note(place: Place) -> None:
    place.write("pyproject.toml", "[tool.envtool]\nno-such-key = 1\n")
    text = report(place, "app.py") if place.write("app.py", "import torch\n") else ""
    assert "The settings could not be read: " in text


def test_the_report_changes_nothing(place: Place) -> None:
    assert place.setup("--cpu").code == 0
    before = tree(place.root)
    report(place)
    assert tree(place.root) == before


def test_a_readme_that_cannot_be_read_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: str) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "README.md").write_text("envtool setup --cpu\n", encoding="utf-8")
    assert gather(tmp_path).setup_documented == Mention(path="README.md", line=1)
    monkeypatch.setattr(Path, "read_text", refuse)
    assert gather(tmp_path).setup_documented is None
