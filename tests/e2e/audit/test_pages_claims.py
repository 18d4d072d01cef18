"""The errors that pages quote without an example that can be run as it stands, made to happen by the official torch.

A page's example may be a spec, a Dockerfile or a model from a GPU; here is what it comes down to. The quoted words have
to be in the page and in what is raised.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from official import TORCH

from envtool.audit.explain import page_of
from envtool.audit.rules import RULES

pytestmark = pytest.mark.official

# Archives as a GPU would have written them: a CPU's, with the device rewritten in pickles, code and JSON.
_FROM_GPU = r"""
import zipfile
import torch

def from_gpu(source, target):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith(".pkl"):
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            if entry.filename.endswith(".py"):
                data = data.replace(b'torch.device("cpu")', b'torch.device("cuda:0")')
            if entry.filename.endswith(".json"):
                data = data.replace(b'"type": "cpu", "index": null', b'"type": "cuda", "index": 0')
            new.writestr(entry, data)
"""
_COMPILED = """
import pathlib, py_compile, sys
import torch

pathlib.Path("lib.py").write_text("import torch\\n@torch.jit.script\\ndef f(x):\\n    return x + 1\\n")
py_compile.compile("lib.py", cfile="lib.pyc")
pathlib.Path("lib.py").unlink()
sys.path.insert(0, ".")
import lib
"""
_EXCLUDED = """
import sys

class Excluded:
    def find_spec(self, name, path=None, target=None):
        if name == "torch.distributed":
            raise ModuleNotFoundError("No module named 'torch.distributed'", name=name)

sys.meta_path.insert(0, Excluded())
import torch
"""
_JIT_LOAD = """
torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), "a.zip")
from_gpu("a.zip", "model.jit")
torch.jit.load("model.jit")
"""
_ATTRIBUTE = """
import pathlib, sys
pathlib.Path("module.py").write_text('''
import torch

class M(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dev = torch.device("cpu")

    def forward(self, x):
        return x + torch.zeros(1, device=self.dev)
''')
sys.path.insert(0, ".")
from module import M
torch.jit.save(torch.jit.script(M()), "a.zip")
from_gpu("a.zip", "model.jit")
torch.jit.load("model.jit", map_location="cpu")(torch.ones(1))
"""
_CONSTANT = """
torch.jit.save(torch.jit.trace(lambda x: x + torch.zeros(3, device="cpu"), torch.ones(3)), "a.zip")
from_gpu("a.zip", "model.jit")
torch.jit.load("model.jit", map_location="cpu")(torch.ones(3))
"""
_EXPORTED = """
torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)), "a.pt2")
from_gpu("a.pt2", "model.pt2")
torch.export.load("model.pt2")
"""
_FORK_RNG = "import torch\nwith torch.random.fork_rng(devices=[0]):\n    pass"
_NO_ACCELERATOR = "Cannot access accelerator device when none is available."
CLAIMS = [
    ("CPU102", "import torch; torch.device(0)", "RuntimeError", _NO_ACCELERATOR),
    ("CPU102", "import torch; torch.zeros(1, device=0)", "RuntimeError", _NO_ACCELERATOR),
    ("CPU102", _FORK_RNG, "AssertionError", "Torch not compiled with CUDA enabled"),
    ("CPU105", "import torch; torch.accelerator.synchronize()", "RuntimeError", _NO_ACCELERATOR),
    ("CPU202", _COMPILED, "OSError", "Can't get source for <function f at 0x"),
    ("CPU202", _COMPILED, "OSError", "make sure original .py files are available"),
    ("CPU212", _EXCLUDED, "ModuleNotFoundError", "No module named 'torch.distributed'"),
    (
        "CPU215",
        "from importlib.metadata import version; version('triton')",
        "PackageNotFoundError",
        "No package metadata was found for triton",
    ),
    (
        "CPU501",
        _FROM_GPU + _JIT_LOAD,
        "NotImplementedError",
        "Could not run 'aten::empty_strided' with arguments from the 'CUDA' backend",
    ),
    (
        "CPU502",
        _FROM_GPU + _ATTRIBUTE,
        "NotImplementedError",
        "Could not run 'aten::empty.memory_format' with arguments from the 'CUDA' backend",
    ),
    (
        "CPU503",
        _FROM_GPU + _CONSTANT,
        "NotImplementedError",
        "Could not run 'aten::empty.memory_format' with arguments from the 'CUDA' backend",
    ),
    ("CPU505", _FROM_GPU + _EXPORTED, "AssertionError", "Torch not compiled with CUDA enabled"),
]


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def raised(environment: Path, code: str, folder: Path) -> str:
    """What a child says on stderr; it has to fail."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [python_of(environment), "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode != 0, "nothing was raised"
    return " ".join(done.stderr.split())


def quoted(code: str, words: str) -> None:
    page = " ".join((page_of(code) or "").split())
    assert words in page


@pytest.mark.parametrize(
    ("code", "program", "kind", "words"), CLAIMS, ids=[f"{row[0]}-{row[3][:20]}" for row in CLAIMS]
)
def test_what_a_page_quotes_is_raised(code, program, kind, words, official_environment, tmp_path):
    quoted(code, kind)
    quoted(code, words)
    said = raised(official_environment, program, tmp_path)
    assert kind in said
    assert words in said


@pytest.mark.skipif(sys.platform != "linux", reason="torch_shm_manager is looked for at the import on Linux only")
def test_torch_without_its_bin_folder(environment, tmp_path):
    (manager,) = environment.rglob("torch/bin/torch_shm_manager")
    manager.unlink()
    quoted("CPU216", "RuntimeError: Unable to find torch_shm_manager at")
    assert "RuntimeError: Unable to find torch_shm_manager at" in raised(environment, "import torch", tmp_path)


@pytest.mark.skipif(shutil.which("strip") is None or sys.platform != "linux", reason="no strip here, or not Linux")
def test_stripped_numpy(environment, tmp_path):
    (libraries,) = environment.rglob("numpy.libs")
    for library in libraries.iterdir():
        stripped = tmp_path / library.name
        subprocess.run(["strip", "-o", stripped, library], check=True, capture_output=True)
        stripped.replace(library)
    words = "ELF load command address/offset not page-aligned"
    quoted("CPU217", words)
    assert words in raised(environment, "import numpy", tmp_path)


@pytest.mark.network
def test_torchvision_of_the_default_index(environment, tmp_path):
    quoted("CPU306", f"torch {TORCH} with torchvision 0.28.0")
    command = [sys.executable, "-m", "uv", "pip", "install", "--python", environment, "--no-deps"]
    subprocess.run([*command, "torchvision==0.28.0", "pillow"], check=True, capture_output=True)
    words = "operator torchvision::nms does not exist"
    quoted("CPU306", words)
    assert words in raised(environment, "import torchvision", tmp_path)


def test_uv_rejects_an_option_behind_a_requirement(tmp_path):
    (tmp_path / "requirements.txt").write_text("torch --index-url https://mirror.example/whl/cpu\n")
    command = [sys.executable, "-m", "uv", "pip", "compile", "--offline", "requirements.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    words = 'Expected `--hash`, found `"--index-url"`'
    quoted("CPU304", words)
    assert words in " ".join(done.stderr.split())


def test_every_error_that_a_page_quotes_is_run_somewhere():
    here = {code for code, *_ in CLAIMS} | {"CPU216", "CPU217", "CPU304", "CPU306"}
    blocks = re.compile(r"^```(?:text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for rule in RULES:
        page = page_of(rule.code) or ""
        # What follows a "python raises" example is compared in test_pages_official.
        rest = re.sub(r"^```python raises\n.*?^```\n\n```text\n.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
        if re.search(r"\b\w*[eE]rror: ", "".join(blocks.findall(rest))):
            assert rule.code in here
