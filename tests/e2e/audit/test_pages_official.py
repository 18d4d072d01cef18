"""Each page's "raises" example, run by the official CPU-only torch, says what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envtool.audit.explain import page_of
from envtool.audit.rules import RULES

# What they share takes long to make: they stay in one worker of the runner.
pytestmark = [pytest.mark.official, pytest.mark.xdist_group("pages")]

EXAMPLE = re.compile(r"^```python raises\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TORCH = "2.13.0+cpu"

# Archives as a GPU would have written them: a CPU's, with the device rewritten in the pickles.
ARCHIVES = r"""
import zipfile
import torch

def from_gpu(source, target):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith(".pkl"):
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(entry.filename, data)

linear = torch.nn.Linear(2, 2)
torch.save(linear.state_dict(), "a.zip")
from_gpu("a.zip", "weights.pt")
torch.jit.save(torch.jit.trace(linear, torch.ones(1, 2)), "b.zip")
from_gpu("b.zip", "model.jit")
with torch.package.PackageExporter("c.zip") as exporter:
    exporter.extern("torch.**")
    exporter.save_pickle("model", "model.pkl", linear)
from_gpu("c.zip", "package.pt")
"""


def examples() -> list[tuple[str, str, str]]:
    found = []
    for rule in RULES:
        for code, error in EXAMPLE.findall(page_of(rule.code) or ""):
            found.append((rule.code, code, error.strip()))
    return found


# torch is imported once, which takes longer than most examples do; each then runs in a process forked from there.
SERVER = """
import json, os, signal, sys, traceback
import torch

for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        signal.alarm(120)
        os.chdir(request["folder"])
        for stream in (1, 2):
            os.dup2(os.open(request["output"][stream - 1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        status = 1
        try:
            exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})
            status = 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Interpreter:
    """The official torch, to run code with."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.folder = folder
        self.command = [python, "-W", "ignore", "-c"]
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self.env.pop("CUDA_HOME", None)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([*self.command, SERVER], env=self.env, text=True, **pipes)

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        if "os.environ" in code.partition("import torch")[0]:  # torch reads it when it is imported
            command = [*self.command, code]
            return subprocess.run(
                command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=120
            )
        output = [str(self.folder / name) for name in ("stdout", "stderr")]
        self.process.stdin.write(json.dumps({"code": code, "folder": str(self.folder), "output": output}) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(["-c"], status, *(Path(name).read_text("utf-8") for name in output))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def page_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    links = os.environ.get("PIP_FIND_LINKS", "")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    if not any(list(Path(folder).glob(f"torch-{TORCH}-{tag}-*.whl")) for folder in links.split()):
        pytest.skip(f"no torch {TORCH} wheel for this Python in PIP_FIND_LINKS")
    folder = tmp_path_factory.mktemp("pages") / "env"
    finder = [word for link in links.split() for word in ("--find-links", link)]
    for args in (
        ["venv", "--quiet", "--python", sys.executable, folder],
        ["pip", "install", "--quiet", "--python", folder, *finder, f"torch=={TORCH}", "numpy"],
    ):
        done = subprocess.run([sys.executable, "-m", "uv", *args], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


@pytest.fixture(scope="session")
def interpreter(page_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interpreter]:
    """In a folder with archives that a GPU wrote."""
    if not hasattr(os, "fork"):
        pytest.skip("no os.fork here")
    found = Interpreter(page_python, tmp_path_factory.mktemp("archives"))
    done = found.run(ARCHIVES)
    assert done.returncode == 0, done.stderr
    yield found
    found.close()


def test_pages_have_examples():
    assert len({code for code, *_ in examples()}) >= 20


@pytest.mark.parametrize(("rule", "code", "error"), examples(), ids=lambda value: value if len(value) == 6 else "")
def test_example_raises_what_the_page_says(rule, code, error, interpreter):
    done = interpreter.run(code)
    assert done.returncode != 0, f"{rule}: nothing was raised"
    kind, _, words = error.partition(": ")
    # The last line of a traceback names the exception with its module.
    last = [line for line in done.stderr.splitlines() if re.match(r"[\w.]*\w+(Error|Exception)\b", line)][-1]
    assert last.split(":")[0].rsplit(".", 1)[-1] == kind
    assert words in done.stderr


def test_what_stands_instead_does_not_raise(interpreter):
    """The harmless calls that CPU105 names, and the mends of some pages, pass on the same build."""
    for rule in ("CPU101", "CPU102", "CPU108", "CPU110", "CPU111", "CPU116", "CPU120", "CPU125", "CPU126"):
        instead = re.search(r"## Use instead\n\n```python\n(.*?)^```", page_of(rule) or "", re.MULTILINE | re.DOTALL)
        assert instead is not None
        done = interpreter.run(instead.group(1))
        assert done.returncode == 0, f"{rule}: {done.stderr}"
