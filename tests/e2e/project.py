"""A project folder, and envtool in it as a user has it, with the index of torch out of reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import envtool


@dataclass
class Project:
    root: Path
    environment: dict[str, str]

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "envtool", *words]
        inside = {**self.environment, **environment}
        return subprocess.run(
            command, cwd=self.root, env=inside, capture_output=True, encoding="utf-8", timeout=900, check=False
        )

    def result(self, *words: str, **environment: str) -> dict[str, Any]:
        done = self.call(*words, "--json", **environment)
        assert done.returncode == 0, done.stdout
        found: dict[str, Any] = json.loads(done.stdout)["result"]
        return found

    def python(self, code: str) -> str:
        done = subprocess.run([self.root / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def without_index(folder: Path, wheel: Path) -> dict[str, str]:
    """The environment of a command whose torch can only come from the folder of ``wheel``; caches are in ``folder``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "ENVTOOL_"))}
    trust = {key: os.environ[key] for key in ("PIP_CERT", "UV_CACHE_DIR") if key in os.environ}
    return {
        **kept,
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        **trust,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(Path(envtool.__file__).parents[1]),
        "ENVTOOL_TORCH_INDEX": "http://127.0.0.1:9/whl",
        "ENVTOOL_FIND_LINKS": str(wheel.parent),
    }
