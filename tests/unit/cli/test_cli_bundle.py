"""``envtool bundle`` as a user runs it, up to where PyInstaller would start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envtool.bundle.models import BundleResult, Sizes
from envtool.cli.app import application
from envtool.cli.bundle import _outcome
from envtool.models import CheckResult


def bundle(*words: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(application("bundle"), ["bundle", *map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text("import torch\nprint(torch.compile(abs)(-1))\n")
    (tmp_path / "app.spec").write_text('a = Analysis(["main.py"], excludes=["unittest"])\n')
    return tmp_path


def test_an_error_in_the_app_stops_the_build(folder: Path) -> None:
    code, data = bundle("app.spec")
    assert (code, data["error"]["code"]) == (10, "bundle.audit")
    assert data["error"]["message"] == "nothing was built: 2 errors: CPU212 app.spec:1, CPU205 main.py:2"
    assert "--fix --unsafe-fixes mends 1 of them" in data["error"]["hint"]
    assert [(row["code"], row["path"]) for row in data["result"]["audit"]] == [
        ("CPU212", "app.spec"),
        ("CPU205", "main.py"),
    ]
    assert not (folder / ".envtool" / "build").exists()


def test_the_findings_are_shown(folder: Path) -> None:
    done = CliRunner().invoke(application("bundle"), ["bundle", "app.spec"])
    assert "  2:7: error[CPU205] torch.compile in an app frozen by app.spec" in done.stdout


def test_a_quiet_stop_is_the_error_alone(folder: Path) -> None:
    done = CliRunner().invoke(application("bundle"), ["bundle", "app.spec", "-q"])
    assert (done.exit_code, done.stdout) == (10, "")
    assert done.stderr.startswith("error[bundle.audit]: nothing was built: 2 errors")


@pytest.mark.parametrize("size", ["100", "0.6"])
def test_a_size_without_a_unit_stops_before_the_build(folder: Path, size: str) -> None:
    code, data = bundle("app.spec", "--max-size", size)
    assert (code, data["error"]["code"]) == (2, "bundle.size")
    assert data["error"]["message"] == f"the size {size!r} has no unit"
    assert data["error"]["hint"].startswith("Write it as 600MB")


def test_every_failure_of_a_bundle_is_told(tmp_path: Path) -> None:
    sizes = Sizes(total=3, packed=False, parts=(("torch", 3),))
    checks = (
        CheckResult(id="smoke", status="fail", found="the app ended with status 2: --nope", fix="Run it by hand."),
        CheckResult(id="size", status="fail", found="300 MB is over the limit of 100 MB", fix="Leave packages out."),
    )
    result = BundleResult(
        path=tmp_path / "app",
        executable=tmp_path / "app" / "app",
        torch="2.13.0",
        sizes=sizes,
        checks=checks,
        seconds={},
    )
    outcome = _outcome(result, tmp_path)
    assert outcome.error is not None
    assert outcome.error[:2] == ("bundle.smoke", "the app ended with status 2: --nope (1 more failed: size)")
    assert [line.split(":")[0] for line in (outcome.brief or "").splitlines() if "FAIL" in line] == [
        "FAIL  smoke",
        "FAIL  size",
    ]


def test_no_audit_goes_on_to_the_environment(folder: Path) -> None:
    code, data = bundle("app.spec", "--no-audit")
    assert (code, data["error"]["code"]) == (2, "bundle.environment")


def test_an_error_that_the_build_mends_goes_on(folder: Path) -> None:
    (folder / "app.spec").write_text('a = Analysis(["main.py"])\n')
    (folder / "main.py").write_text("import torch\n@torch.jit.script\ndef f(x): return x\n")
    assert bundle("app.spec")[1]["error"]["code"] == "bundle.environment"
