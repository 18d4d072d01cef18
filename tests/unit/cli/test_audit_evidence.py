"""The evidence of a risk report: whatever lies in a project, it is a note and not the end."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envtool.audit.risk.evidence import Mention
from envtool.cli.app import application
from envtool.cli.audit_evidence import gather


def close(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """This user may not look into folders and files of these names (the tests may run as root, who may)."""

    def closed(real: Any) -> Any:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(path, int) and Path(os.fspath(path)).name in names:
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return real(path, *args, **kwargs)

        return call

    for name in ("scandir", "listdir", "open"):
        monkeypatch.setattr(os, name, closed(getattr(os, name)))
    monkeypatch.setattr(Path, "read_text", closed(Path.read_text))


def test_an_environment_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / "README.md").write_text("envtool setup --cpu\n", encoding="utf-8")
    close(monkeypatch, ".venv")
    found = gather(tmp_path)
    assert found.notes == (f"The environments could not be read: Permission denied: {tmp_path / '.venv'}.",)
    assert (found.environments, found.own_size, found.way_back) == ((), None, None)
    assert found.setup_documented is not None


def test_the_report_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / "app.py").write_text("import torch\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    close(monkeypatch, ".venv")
    done = CliRunner().invoke(application("audit"), ["audit", "-q", "app.py", "-o", "risk.md"])
    assert done.exit_code == 0, done.output
    assert "The environments could not be read: Permission denied" in Path("risk.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "setup", "rollback"),
    [
        ("`envtool setup --cpu`", True, False),
        ("$ envtool  setup  --backend cpu torch", True, False),
        ("envtool setup torch --backend=cpu\tthen", True, False),
        ("envtool setup", False, False),
        ("envtool setup --full", False, False),
        ("`envtool setup --full`, not `--cpu`", False, False),
        ("| `envtool setup --full` | --cpu |", False, False),
        ("envtool setup --cpu --dry-run", False, False),
        ("envtool setup --dry-run --cpu", False, False),
        ("envtool setup --cpu-only", False, False),
        ("envtool setup-all --cpu", False, False),
        ("see envtool rollback.", False, True),
        ("`envtool rollback --to previous`", False, True),
        ("envtool rollback --dry-run", False, False),
        ("envtool rollbacks", False, False),
    ],
)
def test_what_a_readme_has_to_name(tmp_path: Path, text: str, setup: bool, rollback: bool) -> None:
    (tmp_path / "README.md").write_text(f"# App\n\n{text}\n", encoding="utf-8")
    found = gather(tmp_path)
    line = Mention(path="README.md", line=3)
    assert (found.setup_documented, found.rollback_documented) == (line if setup else None, line if rollback else None)


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    for name in (".venv", ".envtool", "lockfiles", "README.md", "pyproject.toml"):
        (tmp_path / name).symlink_to(name)
    assert gather(tmp_path).environments == ()
