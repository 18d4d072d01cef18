#!/usr/bin/env python3
"""What envtool costs on top of uv: both do the same work in turns, and the ratio of each pair counts, not the seconds.

    .tools/bin/python scripts/bench.py [--pairs N] [--python PATH] [--no-compile]

Run it with the interpreter of .tools (scripts/bootstrap.sh makes it). In a temporary folder with this checkout's locks,
``envtool setup --cpu --frozen --no-probe`` stands against ``uv venv`` and two ``uv pip install`` with the same flags.
The first run of each warms the cache and does not count. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
FIND_LINKS = os.environ.get("PIP_FIND_LINKS", os.environ.get("UV_FIND_LINKS", ""))
INDEX = os.environ.get("ENVTOOL_TORCH_INDEX", "https://download.pytorch.org/whl") + "/cpu"


def by_envtool(python: str, compiled: bool) -> list[list[str]]:
    """One command."""
    tool = [sys.executable, "-m", "envtool", "setup", "--cpu", "--frozen", "--no-probe", "--quiet", "--python", python]
    return [tool if compiled else [*tool, "--no-compile"]]


def by_uv(python: str, compiled: bool) -> list[list[str]]:
    """Three commands; torch from the find-links folder where there is one, as envtool does, else from the CPU index."""
    uv = find_uv_bin()
    install = [uv, "pip", "install", "--quiet", "--python", ".venv", "--no-deps", "--require-hashes"]
    if compiled:
        install.append("--compile-bytecode")
    source = ["--no-index", "--find-links", FIND_LINKS] if FIND_LINKS else ["--index-url", INDEX]
    return [
        [uv, "venv", "--quiet", "--relocatable", "--python", python, ".venv"],
        [*install, *source, "-r", "lockfiles/torch-cpu.txt"],
        [*install, "-r", "lockfiles/requirements.txt"],
    ]


def seconds(commands: list[list[str]], folder: Path) -> float:
    """Run the commands in a folder without an environment; the wall time of all of them."""
    for name in (".venv", ".envtool"):
        path = folder / name
        if path.is_symlink():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
    start = time.perf_counter()
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print every pair, then the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--no-compile", action="store_true", help="neither of them compiles bytecode")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envtool-bench-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "lockfiles", folder / "lockfiles")
        sides = [make(options.python, not options.no_compile) for make in (by_envtool, by_uv)]
        for commands in sides:
            seconds(commands, folder)
        ratios = []
        for _ in range(options.pairs):
            ours, bare = (seconds(commands, folder) for commands in sides)
            ratios.append(ours / bare)
            print(f"envtool {ours:5.2f} s   uv {bare:5.2f} s   ratio {ours / bare:.2f}", flush=True)
        print(f"median ratio {statistics.median(ratios):.2f}, smallest {min(ratios):.2f}, largest {max(ratios):.2f}")


if __name__ == "__main__":
    main()
