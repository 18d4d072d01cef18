"""A project folder, and envtool as a program in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGETS = '[tool.envtool]\ntargets = ["linux-x86_64"]\n'


@dataclass
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = self.answer["result"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.answer["error"]
        return found


def tree(folder: Path, *without: str) -> dict[str, str]:
    """Every name below a folder with what it is: a digest, a link's target, or a folder."""
    found = {}
    for top, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(top, name)
            key = path.relative_to(folder).as_posix()
            if any(key == item or key.startswith(f"{item}/") for item in without):
                continue
            if path.is_symlink():
                found[key] = f"-> {path.readlink()}"
            elif path.is_dir():
                found[key] = "folder"
            else:
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Place:
    """A project folder, and envtool in it."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.root = root
        self.environment = environment
        root.mkdir(parents=True, exist_ok=True)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def site(self) -> Path:
        return self.packages(self.venv)

    @staticmethod
    def packages(environment: Path) -> Path:
        return next(environment.glob("lib/python3.*/site-packages"))

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "envtool", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        return subprocess.Popen(command, cwd=self.root, env={**self.environment, **environment}, **pipes)

    def call(self, *words: str, **environment: str) -> Done:
        with self.start(*words, **environment) as process:
            out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)

    def setup(self, *words: str, **environment: str) -> Done:
        """``envtool setup`` without the probe, which the small torch cannot pass."""
        return self.call("setup", "--no-probe", *words, **environment)

    def done(self, *words: str, **environment: str) -> Done:
        """``setup`` that has to succeed."""
        found = self.setup(*words, **environment)
        assert found.code == 0, found.err
        return found

    def status(self) -> dict[str, Any]:
        return self.call("status", "--json").result

    def installed(self, environment: Path | None = None) -> dict[str, str]:
        site = self.packages(environment or self.venv)
        return dict(sorted(path.name.removesuffix(".dist-info").split("-") for path in site.glob("*.dist-info")))
