"""``envtool bundle`` on the voice example with the official torch: one build, and what holds and breaks in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from envtool.bundle.checks import judge_size
from envtool.bundle.contents import list_files, sizes_of
from envtool.env.probe import is_gpu_library
from envtool.env.verify import locate_python

# One build for all of them: they stay in one worker of the runner.
pytestmark = [pytest.mark.official, pytest.mark.network, pytest.mark.xdist_group("bundle")]


def test_every_check_passed(built):
    result = built.said
    assert {check["id"]: check["status"] for check in result["checks"]} == {
        "audit": "pass",
        "start-check": "pass",
        "smoke": "pass",
        "gpu-libraries": "pass",
        "size": "pass",
    }
    assert (result["path"], result["executable"], result["torch"]) == ("dist/voice", "dist/voice/voice", "2.13.0+cpu")
    found = {check["id"]: check["found"] for check in result["checks"]}
    assert found["audit"] == "what was found is mended by the build: CPU201 rthook_torch.py:11"
    assert "start check passed: torch 2.13.0+cpu" in found["start-check"]
    assert [(row["code"], row["path"]) for row in result["audit"] if row["severity"] != "note"] == [
        ("CPU204", "rthook_torch.py"),
        ("CPU201", "rthook_torch.py"),
        ("CPU213", "voice.spec"),
        ("CPU219", "voice.spec"),
    ]


def test_what_is_in_it(built):
    files = list_files(built.app)
    assert built.said["size"] == sum(files.values())
    # The default hook's bundle of the same app has 783 MB (docs/measurements.md).
    assert sum(files.values()) < 0.78 * 783_000_000
    assert [name for name in files if is_gpu_library(Path(name).name)] == []
    inside = {name.removeprefix("_internal/") for name in files}
    assert {"torch/bin/torch_shm_manager", "torch/nn/functional.py", "rthook_torch.py"} <= inside
    assert not any(name.startswith(("torch/test/", "torch/include/", "sympy", "networkx")) for name in inside)
    parts = {part["name"]: part["size"] for part in built.said["parts"]}
    assert parts["torch/lib"] == sum(size for name, size in files.items() if name.startswith("_internal/torch/lib/"))


def test_the_environment_and_the_sources_are_as_before(built):
    sources = {path.name for path in built.folder.iterdir() if not path.name.startswith(".")}
    assert sources == {
        *("README.md", "lockfiles", "models", "dist", "pyproject.toml", "requirements.txt", "voice.spec"),
        *("make_models.py", "punctuation.py", "rthook_torch.py", "speech.py", "voice.py"),
    } | {name for name in sources if name == "__pycache__"}
    packages = built.folder / ".venv" / "lib"
    assert not list(packages.glob("python*/site-packages/PyInstaller"))


def test_where_speech_is_in_a_recording(built, copy):
    done = copy.run(str(built.folder / "models" / "sample.wav"), "--text", " ".join(built.truth["words"]))
    assert (done.returncode, done.stderr) == (0, "")
    position, text = done.stdout.splitlines()
    start, end = map(float, position.split("\t"))
    assert abs(start - built.truth["start"]) < 0.3
    assert abs(end - built.truth["end"]) < 0.3
    assert text == built.truth["text"] == "Hello world. How are you?"
    assert not copy.log.exists()


def test_the_size_gate(built):
    files = list_files(built.app)
    check = judge_size(sizes_of(files, sum(files.values()), packed=False), 100_000_000, stripped=False)
    assert check.status == "fail"
    assert "is over the limit of 100.0 MB; largest: torch/lib 4" in check.found


def no_source(copy):
    copy.inside("torch/nn/functional.py").unlink()


def no_library(copy):
    copy.inside("torch/lib/libtorch_python.so").unlink()


def cut_library(copy):
    copy.replace("torch/lib/libc10.so", copy.inside("torch/lib/libc10.so").read_bytes()[:1000])


def broken_library(copy):
    copy.replace("torch/lib/libshm.so", bytes(copy.inside("torch/lib/libshm.so").stat().st_size))


def cuda_build(copy):
    text = copy.inside("torch/version.py").read_text()
    assert "cuda: Optional[str] = None" in text
    copy.replace(
        "torch/version.py", text.replace("cuda: Optional[str] = None", "cuda: Optional[str] = '13.0'").encode()
    )


def other_version(copy):
    copy.facts(torch="2.12.1+cpu")


def no_model(copy):
    copy.inside("envtool_start/model.pt").unlink()


def broken_model(copy):
    copy.replace("envtool_start/model.pt", copy.inside("envtool_start/model.pt").read_bytes()[:-100])


def wrong_number(copy):
    copy.facts(number=14.0)


BROKEN = [
    (no_source, "source", "the Python source of torch is not in the bundle, and TorchScript needs it. Copy or install"),
    (no_library, "files", "torch/lib/libtorch_python.so is missing. Copy or install the app again, whole"),
    (cut_library, "files", "torch/lib/libc10.so has 1000 bytes, not "),
    (broken_library, "import", "torch cannot be imported (ImportError: "),
    (cuda_build, "cuda", "this torch is a build for cuda 13.0, not for the CPU. Build the app again with"),
    (other_version, "version", "torch is 2.13.0+cpu, the app was built with 2.12.1+cpu. Build the app again with"),
    (no_model, "jit-load", "torch.jit.load fails (ValueError: The provided filename "),
    (broken_model, "jit-load", "torch.jit.load fails (RuntimeError: PytorchStreamReader failed"),
    (wrong_number, "number", "torch computes 15.0 where 14.0 is right. Copy or install the app again, whole"),
]


@pytest.mark.parametrize(("breaks", "check", "cause"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_app_says_one_line_and_why(copy, breaks, check, cause):
    breaks(copy)
    done = copy.run("--selftest")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"voice: cannot start: {cause}")
    assert done.stderr.endswith(f" Log: {copy.log}\n")
    assert done.stderr.count("\n") == 1
    log = copy.log.read_text()
    assert f" voice cannot start: {check}\ncause: " in log
    assert "\nremedy: " in log


def test_torchscript_switched_off_is_refused(copy):
    done = copy.run("--selftest", PYTORCH_JIT="0")
    assert done.returncode == 78
    assert done.stderr == (
        "voice: cannot start: PYTORCH_JIT=0 is set, and with it TorchScript models cannot be loaded. "
        f"Unset PYTORCH_JIT. Log: {copy.log}\n"
    )


def test_going_on_says_the_line_and_runs(copy):
    copy.facts(number=14.0, on_failure="continue")
    done = copy.run("--selftest")
    assert done.returncode == 0
    assert "ok: speech" in done.stdout
    assert done.stderr.startswith("voice: starts without a sound torch: torch computes 15.0 where 14.0 is right.")
    assert copy.log.is_file()


def test_where_the_folder_of_the_app_cannot_be_written_the_log_goes_elsewhere(copy, tmp_path):
    copy.log.mkdir()
    done = copy.run(PYTORCH_JIT="0", TMPDIR=str(tmp_path))
    assert done.returncode == 78
    assert done.stderr.endswith(f" Log: {tmp_path / 'voice-start.log'}\n")


# As torch 2.13's compiler started a frozen app when this was tried.
PROBE = '\nimport sys\nfrom ctypes import cdll\ncdll.LoadLibrary("/tmp/torchinductor_me/73/c73ehs.so")\n'


@pytest.mark.parametrize(
    "words",
    [["-c", PROBE], ["torch/_inductor/compile_worker/__main__.py", "--pickler=torch._inductor.x", "--workers=2"]],
    ids=["probe", "worker"],
)
def test_the_compiler_of_torch_does_not_start_the_app_again(copy, words):
    done = copy.run(*words)
    assert (done.returncode, done.stdout) == (78, "")
    assert "torch.compile starts this executable as its compiler. torch.compile does not work" in done.stderr


def test_the_app_s_own_model_missing_is_its_own_message(copy):
    copy.inside("models/silero_vad.jit").unlink()
    done = copy.run("--selftest")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("voice: error: no models in ")


def test_without_espeak_ng_it_says_what_to_install(built):
    done = subprocess.run(
        [locate_python(built.folder / ".venv"), "-B", "make_models.py"],
        cwd=built.folder,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    expected = "make_models: espeak-ng is missing: apt-get install espeak-ng, or brew install espeak-ng\n"
    assert (done.stdout, done.stderr) == ("", expected)
