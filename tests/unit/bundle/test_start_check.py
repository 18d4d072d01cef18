"""The start check of a frozen app, each branch: run as the bootloader runs it, on a stand-in for torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envtool.bundle.build import INSIDE

HOOK = INSIDE / "envtool_start_check.py"
# sys.executable is where the log goes and what the app is called: a program in the bundle's folder.
RUN = """
import sys
root, executable, *sys.argv = sys.argv[1:]
sys._MEIPASS, sys.executable = root, executable
sys.path.insert(0, root)
import os, tempfile
if os.environ.get("ENVTOOL_TEST_NO_TEMP"):
    tempfile._candidate_tempdir_list = lambda: ["/nowhere/at/all"]
exec(compile(open({hook!r}, encoding="utf-8").read(), "envtool_start_check.py", "exec"))
assert "_envtool_start_check" not in globals()
import os
print("the app runs", os.environ.get("ENVTOOL_START_FAILED", "well"))
"""
TORCH = """
from contextlib import nullcontext as no_grad
import inspect
from torch import backends, jit, nn, version
__version__ = version.__version__
def ones(*shape): return 1
"""
FILES = {
    "torch/__init__.py": TORCH,
    "torch/version.py": "__version__ = '2.13.0+cpu'\ncuda: str = None\nhip = None\n",
    "torch/backends/__init__.py": "from torch.backends import cuda\n",
    "torch/backends/cuda.py": "def is_built(): return False\n",
    "torch/nn/__init__.py": "from torch.nn import functional\ndef Linear(a, b): return None\n",
    "torch/nn/functional.py": "def relu(x): return x\n",
    "torch/jit.py": "def load(path, map_location):\n    assert map_location == 'cpu'\n    return lambda x: 15.0\n",
    "torch/lib/libtorch_cpu.so": "x" * 10,
    "envtool_start/model.pt": "",
}
FACTS = {
    "torch": "2.13.0+cpu",
    "number": 15.0,
    "on_failure": "exit",
    "exit_code": 78,
    "files": {"torch/lib/libtorch_cpu.so": 10},
}


class App:
    """A frozen app in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root, self.executable = folder / "_internal", folder / "voice"
        for name, text in FILES.items():
            self.write(name, text)
        self.facts()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def facts(self, **changes: object) -> None:
        self.write("envtool_start/start.json", json.dumps({**FACTS, **changes}))

    @property
    def log(self) -> Path:
        return self.executable.with_name("voice-start.log")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", "-B", "-c", RUN.format(hook=str(HOOK)), str(self.root), str(self.executable)]
        kept = {key: os.environ[key] for key in ("SYSTEMROOT", "TEMP") if key in os.environ}
        return subprocess.run(
            [*words, "voice", *arguments], env={**kept, **environment}, capture_output=True, text=True, check=False
        )


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "dist")


def test_a_sound_app_starts_and_says_nothing(app):
    done = app.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "the app runs well\n", "")
    assert not app.log.exists()


def test_the_check_alone(app):
    done = app.run(ENVTOOL_BUNDLE_CHECK="1")
    assert (done.returncode, done.stdout) == (0, "voice: start check passed: torch 2.13.0+cpu\n")


def break_version(app):
    app.facts(torch="2.12.0+cpu")


def break_cuda(app):
    app.write("torch/version.py", "__version__ = '2.13.0+cpu'\ncuda: str = '13.0'\nhip = None\n")


def break_cuda_by_build(app):
    app.write("torch/backends/cuda.py", "def is_built(): return True\n")


def break_nn(app):
    app.write("torch/nn/__init__.py", "from torch.nn import functional\n")


def break_import(app):
    app.write("torch/__init__.py", "raise ImportError('libtorch_cpu.so: cannot open\\nshared object')\n")


def break_import_by_source(app):
    app.write("torch/__init__.py", "raise OSError('could not get source code')\n")


def break_source(app):
    app.write("torch/nn/functional.py", "relu = len\n")


def break_load(app):
    app.write("torch/jit.py", "def load(path, map_location): raise RuntimeError('PytorchStreamReader failed\\nat x')\n")


def break_number(app):
    app.write("torch/jit.py", "def load(path, map_location): return lambda x: 14.0\n")


def break_forward(app):
    app.write("torch/jit.py", "def load(path, map_location): return lambda x: 1 / 0\n")


def remove_facts(app):
    (app.root / "envtool_start/start.json").unlink()


def cut_facts(app):
    app.write("envtool_start/start.json", '{"torch": ')


def cut_library(app):
    app.write("torch/lib/libtorch_cpu.so", "x" * 4)


def remove_library(app):
    (app.root / "torch/lib/libtorch_cpu.so").unlink()


BROKEN = [
    (break_version, "version", "torch is 2.13.0+cpu, the app was built with 2.12.0+cpu. Build the app again"),
    (break_cuda, "cuda", "this torch is a build for cuda 13.0, not for the CPU. Build the app again"),
    (break_cuda_by_build, "cuda", "this torch is built with CUDA. Build the app again"),
    (break_nn, "nn", "torch.nn does not work (AttributeError: "),
    (break_import, "import", "torch cannot be imported (ImportError: libtorch_cpu.so: cannot open). Copy or install"),
    (break_import_by_source, "source", "the Python source of torch is not in the bundle"),
    (break_source, "source", "the Python source of torch is not in the bundle"),
    (break_load, "jit-load", "torch.jit.load fails (RuntimeError: PytorchStreamReader failed). Copy or install"),
    (break_number, "number", "torch computes 14.0 where 15.0 is right. Copy or install the app again, whole"),
    (
        break_forward,
        "number",
        "torch does not work (ZeroDivisionError: division by zero). Copy or install the app again",
    ),
    (remove_facts, "files", "envtool_start/start.json cannot be read (FileNotFoundError: "),
    (cut_facts, "files", "envtool_start/start.json cannot be read (JSONDecodeError: "),
    (cut_library, "files", "torch/lib/libtorch_cpu.so has 4 bytes, not 10. Copy or install the app again, whole"),
    (remove_library, "files", "torch/lib/libtorch_cpu.so is missing. Copy or install the app again, whole"),
]


@pytest.mark.parametrize(("breaks", "check", "cause"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_app_says_one_line_writes_a_log_and_exits(app, breaks, check, cause):
    breaks(app)
    done = app.run()
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"voice: cannot start: {cause}")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f" Log: {app.log}\n")
    log = app.log.read_text()
    assert f"voice cannot start: {check}\ncause: " in log
    assert "\nremedy: " in log


@pytest.mark.parametrize("value", ["0", "false", "No", "0v", "off", ""])
def test_pytorch_jit_off_is_refused(app, value):
    done = app.run(PYTORCH_JIT=value)
    assert done.returncode == 78
    expected = f"PYTORCH_JIT={value} is set, and with it TorchScript models cannot be loaded. Unset PYTORCH_JIT."
    assert done.stderr.startswith(f"voice: cannot start: {expected} Log: ")
    assert "cannot start: environment" in app.log.read_text()


def test_pytorch_jit_on_is_fine(app):
    assert app.run(PYTORCH_JIT="1").returncode == 0


def test_control_characters_do_not_reach_the_terminal(app):
    done = app.run(PYTORCH_JIT="0\x1b[2J")
    assert "PYTORCH_JIT=0 [2J is set" in done.stderr
    app.write("torch/__init__.py", "raise ImportError('bad \\x1b[2J name \\u202e')\n")
    done = app.run()
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr


def test_going_on_is_a_setting_and_is_not_silent(app):
    app.facts(on_failure="continue")
    break_number(app)
    done = app.run()
    assert (done.returncode, done.stdout) == (0, "the app runs number\n")
    assert done.stderr.startswith("voice: starts without a sound torch: torch computes 14.0 where 15.0 is right.")
    assert app.log.is_file()
    assert app.run(ENVTOOL_BUNDLE_CHECK="1").returncode == 78


def test_the_log_goes_elsewhere_where_the_app_s_folder_cannot_be_written(app, tmp_path):
    break_number(app)
    app.log.mkdir()
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    done = app.run(TMPDIR=str(elsewhere), TEMP=str(elsewhere))
    assert done.stderr.endswith(f" Log: {elsewhere / 'voice-start.log'}\n")
    assert (elsewhere / "voice-start.log").is_file()


def test_no_place_for_a_log_is_no_crash(app):
    break_number(app)
    app.log.mkdir()
    done = app.run(TMPDIR="/nowhere/at/all", TEMP="/nowhere/at/all", ENVTOOL_TEST_NO_TEMP="1")
    assert done.returncode == 78
    assert done.stderr.endswith(" No log: no folder can be written\n")
    assert done.stderr.count("\n") == 1


def test_what_torch_warns_of_is_shown_when_the_app_starts_and_logged_when_it_does_not(app):
    app.write("torch/__init__.py", "import warnings\nwarnings.warn('an old GPU')\n" + TORCH)
    done = app.run()
    assert (done.returncode, done.stderr.count("UserWarning: an old GPU")) == (0, 1)
    break_number(app)
    done = app.run()
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "an old GPU" not in done.stderr
    assert "UserWarning: an old GPU" in app.log.read_text()
    app.facts(on_failure="continue")
    assert "UserWarning: an old GPU" in app.run().stderr


def test_a_child_of_the_app_skips_what_its_parent_has_proved(app):
    break_number(app)
    starts = json.dumps({"app": str(app.executable), "at": [time.time()]})
    assert app.run(ENVTOOL_BUNDLE_STARTS=starts).returncode == 0
    other = json.dumps({"app": "/another/app", "at": [time.time()] * 9})
    assert app.run(ENVTOOL_BUNDLE_STARTS=other).returncode == 78


@pytest.mark.parametrize("starts", ["nonsense", "[]", '{"app": 1}', '{"at": [1]}'])
def test_a_record_of_starts_that_is_none(app, starts):
    assert app.run(ENVTOOL_BUNDLE_STARTS=starts).returncode == 0


@pytest.mark.parametrize("on_failure", ["exit", "continue"])
def test_an_app_that_starts_itself_again_and_again_is_stopped(app, on_failure):
    app.facts(on_failure=on_failure)
    now = time.time()
    few = json.dumps({"app": str(app.executable), "at": [now] * 4})
    many = json.dumps({"app": str(app.executable), "at": [now] * 5})
    long_ago = json.dumps({"app": str(app.executable), "at": [now - 3600] * 9})
    assert app.run(ENVTOOL_BUNDLE_STARTS=few).returncode == 0
    assert app.run(ENVTOOL_BUNDLE_STARTS=long_ago).returncode == 0
    done = app.run(ENVTOOL_BUNDLE_STARTS=many)
    assert done.returncode == 78
    assert "the app starts itself again and again. torch.compile does not work in a frozen app" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "torch._inductor.compile_worker", "--pickler=x"],
        ["/x/torch/_inductor/__autotune_main__.py", "--parent=1"],
        ["-c", '\nimport sys\nfrom ctypes import cdll\ncdll.LoadLibrary("/tmp/torchinductor_me/73/c73.so")\n'],
    ],
    ids=["worker", "autotune", "probe"],
)
def test_torch_s_compile_worker_is_refused(app, words):
    done = app.run(*words)
    assert done.returncode == 78
    assert "torch.compile starts this executable as its compiler" in done.stderr
