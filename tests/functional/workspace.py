"""A project folder, and envtool in it: what the functional tests speak with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application


@dataclass
class Done:
    """A command that ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> dict[str, Any]:
        return json.loads(self.stdout)

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = self.answer["result"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.answer["error"]
        return found

    @property
    def messages(self) -> str:
        return "\n".join(note["message"] for note in self.result["notes"])


class Workspace:
    """A project folder, and envtool in it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch

    @property
    def lockfiles(self) -> Path:
        return self.root / "lockfiles"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def every_python(self, requires: str = ">=3.10") -> None:
        """A pyproject.toml that says which Pythons to lock for; without one it is the test's own and later ones."""
        self.write("pyproject.toml", f'[project]\nname = "app"\nversion = "1"\nrequires-python = "{requires}"\n')

    def text(self, name: str) -> str:
        return (self.lockfiles / name).read_text(encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.lockfiles.iterdir())}

    def pins(self, name: str) -> list[str]:
        """The pins of a lock file: ``name==version ; marker``, in the file's order."""
        rows = [line.removesuffix("\\").strip() for line in self.text(name).splitlines() if line[:1] not in ("#", " ")]
        return [row for row in rows if row]

    def hashes(self, name: str, package: str) -> set[str]:
        found: set[str] = set()
        inside = False
        for line in self.text(name).splitlines():
            if not line.startswith(" "):
                inside = line.startswith(f"{package}==")
            elif inside:
                found.add(line.strip().removesuffix("\\").strip().removeprefix("--hash=sha256:"))
        return found

    def run(self, *args: str) -> Done:
        self._monkeypatch.chdir(self.root)
        done = CliRunner().invoke(application(args[0]), list(args), catch_exceptions=False)
        return Done(done.exit_code, done.stdout, done.stderr)

    def lock(self, *args: str) -> Done:
        """``envtool lock --json``."""
        return self.run("lock", "--json", *args)

    def locked(self, *args: str) -> Done:
        """``envtool lock --json`` that must succeed."""
        done = self.lock(*args)
        assert done.exit_code == 0, done.error
        return done
