"""``envtool verify`` on the official torch +cpu wheel, whole and broken in every way that it should notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from envtool.env.verify import VerifyOptions, locate_python, locate_site_packages, verify_environment
from envtool.models import Lock, LockFile, Pin
from envtool.torch.backends import FULL

pytestmark = pytest.mark.official


def verify(environment: Path, **options):
    return verify_environment(python=locate_python(environment), site_packages=None, options=VerifyOptions(**options))


def failed(report):
    return [check.id for check in report.failures]


def found(report, check):
    return next(item.found for item in report.checks if item.id == check)


def replace(path: Path, content: bytes) -> None:
    """Another file in its place; the hard link's other end stays as it is."""
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def lock_of(environment: Path, **versions: str) -> Lock:
    """A lock of what is installed, but for the versions given."""
    report = json.loads(
        subprocess.run(
            [locate_python(environment), "-I", "-B", "-c", LIST], capture_output=True, text=True, check=True
        ).stdout
    )
    pins = {name: Pin(name=name, version=Version(version)) for name, version in {**report, **versions}.items()}
    return Lock(
        torch={"cpu": LockFile(filename="torch-cpu.txt", backend="cpu", pins=(pins.pop("torch"),))},
        rest=LockFile(filename="requirements.txt", backend=None, pins=tuple(pins.values())),
        inputs="",
        requirements=(),
        constraints=(),
        gpu_packages="default",
        python=">=3.10",
        pythons=("3.11",),
        targets=("linux-x86_64",),
    )


LIST = """
import importlib.metadata, json
print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in importlib.metadata.distributions()}))
"""


def test_everything_holds(official_environment):
    lock = lock_of(official_environment)
    before = sorted(official_environment.rglob("*"))
    report = verify(official_environment, deep=True, lock=lock)
    assert failed(report) == []
    assert {check.id for check in report.checks if check.status == "skip"} == {
        "family-builds",
        "family-versions",
        "torchvision-nms",
        "torchaudio",
    }
    assert (report.torch, report.backend) == ("2.13.0+cpu", "cpu")
    assert sorted(official_environment.rglob("*")) == before


def test_it_is_not_full_torch(official_environment):
    report = verify_environment(
        python=None,
        site_packages=locate_site_packages(official_environment),
        options=VerifyOptions(static=True, expected=FULL),
    )
    assert failed(report) == ["build-identity"]


def test_a_deleted_file(environment):
    (locate_site_packages(environment) / "torch/nn/functional.py").unlink()
    report = verify(environment)
    assert failed(report) == ["record", "torch-import"]
    assert found(report, "record") == "1 file missing: torch/nn/functional.py (torch 2.13.0+cpu)"


def test_a_deleted_library(environment):
    (locate_site_packages(environment) / "torch/lib/libtorch_cpu.so").unlink()
    report = verify(environment)
    assert failed(report) == ["record", "torch-import"]
    assert "libtorch_cpu.so: cannot open shared object file" in found(report, "torch-import")


def test_a_changed_byte(environment):
    path = locate_site_packages(environment) / "torch/lib/libshm.so"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    replace(path, bytes(content))
    assert failed(verify(environment, static=True)) == []
    report = verify(environment, static=True, deep=True)
    assert failed(report) == ["record"]
    assert "torch/lib/libshm.so (torch 2.13.0+cpu) has another sha256 than RECORD" in found(report, "record")


def test_an_added_nvidia_cublas(environment):
    info = locate_site_packages(environment) / "nvidia_cublas-13.1.0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nvidia-cublas\nVersion: 13.1.0.3\n")
    (info / "RECORD").write_text("nvidia_cublas-13.1.0.3.dist-info/METADATA,,\n")
    report = verify(environment)
    assert failed(report) == ["no-gpu-distributions"]
    assert found(report, "no-gpu-distributions") == "1 GPU distribution: nvidia-cublas 13.1.0.3"


@pytest.mark.parametrize("locked", ["2.13.0", "2.13.0+cu130", "2.12.0+cpu"])
def test_another_version_than_locked(environment, locked):
    report = verify(environment, static=True, lock=lock_of(environment, torch=locked))
    assert failed(report) == ["installed-matches-lock"]
    assert found(report, "installed-matches-lock") == f"torch is 2.13.0+cpu (locked: {locked})"


def test_no_torch(environment):
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "uninstall", "--quiet", "--python", environment, "torch"], check=True
    )
    report = verify(environment)
    assert failed(report) == ["torch-present"]
    assert report.torch is None


def test_a_broken_interpreter(environment):
    python = locate_python(environment)
    python.unlink()
    python.symlink_to(environment / "gone")
    assert failed(verify(environment)) == ["interpreter"]
    assert failed(verify(environment, static=True)) == []


def test_hostile_metadata(environment):
    info = locate_site_packages(environment) / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_bytes(b"Name: evil\x1b[2J\nVersion: \x07 ; rm -rf\n")
    (info / "RECORD").write_text("../../../../../../../../etc/hostname,sha256=AAAA,1\n/dev/zero,sha256=AAAA,\n")
    report = verify(environment, deep=True)
    assert failed(report) == []
    assert found(report, "record").endswith("2 entries outside of the environment not looked at")
    assert all(check.found.isprintable() for check in report.checks)


def test_pytorch_jit_0(official_environment, monkeypatch):
    monkeypatch.setenv("PYTORCH_JIT", "0")
    report = verify(official_environment)
    assert failed(report) == ["torchscript-construct", "torchscript"]


@pytest.mark.network
def test_the_default_indexs_torchvision(environment):
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        environment,
        "--no-deps",
        "torchvision==0.28.0",
        "pillow",
    ]
    subprocess.run(command, check=True)
    report = verify(environment)
    assert failed(report) == ["family-builds", "torchvision-nms"]
    assert found(report, "torchvision-nms") == "RuntimeError: operator torchvision::nms does not exist"


def test_static_takes_under_half_a_second(official_environment):
    """The whole process, in processor time: a machine that does other work as well makes the wall time longer."""
    # Without this checkout's own lock: it may be older than what the index gave to the environment.
    command = [sys.executable, "-m", "envtool", "verify", "--static", "--no-lock", "--python", official_environment]
    times = []
    for _ in range(5):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        times.append(sum(after[2:4]) - sum(before[2:4]))  # children, user and system
    assert min(times) < 0.5, times
