"""verify_environment against real interpreters with a small fake torch, and against none at all."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from envtool.env.verify import (
    VerifyOptions,
    locate_python,
    locate_site_packages,
    read_stream,
    verify_environment,
)
from envtool.errors import UsageError, VerifyError
from envtool.models import Completed

STATIC = VerifyOptions(static=True)
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and shebangs")


def python_of(site) -> Path:
    root = next(parent for parent in site.path.parents if (parent / "pyvenv.cfg").is_file())
    return locate_python(root)


def verify(site, **options):
    return verify_environment(python=python_of(site), site_packages=None, options=VerifyOptions(**options))


def by_id(report):
    return {check.id: check for check in report.checks}


def failed(report):
    return [check.id for check in report.failures]


def test_static_and_probe_agree_on_the_files(venv_site):
    venv_site.torch()
    (venv_site.path / "torch/lib/libc10.so").unlink()
    probed = by_id(verify(venv_site))
    static = by_id(verify_environment(python=None, site_packages=venv_site.path, options=STATIC))
    for check in ("torch-present", "build-identity", "cuda-none", "no-gpu-distributions", "record"):
        assert probed[check] == static[check]
    assert probed["interpreter"].status == "pass"
    assert static["interpreter"].status == "skip"


def test_static_by_interpreter_starts_none(venv_site):
    venv_site.torch(init="raise SystemExit")
    report = verify_environment(python=python_of(venv_site), site_packages=None, options=STATIC)
    assert report.ok
    assert by_id(report)["torch-present"].status == "pass"


def test_no_torch_in_a_real_environment(venv_site):
    report = verify(venv_site)
    assert failed(report) == ["torch-present"]


@posix
def test_a_crash_is_laid_at_the_step_that_crashed(venv_site):
    venv_site.torch(init="import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    report = verify(venv_site)
    assert failed(report) == ["torch-import"]
    assert by_id(report)["torch-import"].found == "import torch: python was ended by SIGSEGV"
    assert by_id(report)["interpreter"].status == "pass"


def test_a_hang_is_laid_at_the_step_that_hung(venv_site):
    venv_site.torch(init="import time\ntime.sleep(60)")
    report = verify(venv_site, timeout=1.0)
    assert failed(report) == ["torch-import"]
    assert "did not end in time" in by_id(report)["torch-import"].found


def test_a_missing_interpreter(tmp_path):
    report = verify_environment(python=tmp_path / "python", site_packages=None, options=VerifyOptions())
    assert failed(report) == ["interpreter"]
    assert report.torch is None


@posix
@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("#!/bin/sh\nexit 0\n", "python ended with status 0: it gave no evidence"),
        (
            "#!/bin/sh\necho 'Unknown option: -I' >&2\necho usage >&2\nexit 2\n",
            "python ended with status 2: Unknown option: -I",
        ),
        ("#!/bin/sh\nkill -9 $$\n", "python was ended by SIGKILL"),
        ("#!/bin/sh\necho '[1]'\necho '{'\n", "python ended with status 0: it gave no evidence"),
        ('#!/bin/sh\nprintf \'{"complete": true, "distributions": 1}\\n\'\n', None),
        ("#!/bin/sh\nprintf 'Error\\033[2J: x\\n' >&2\nexit 1\n", "python ended with status 1: Error\\x1b[2J: x"),
    ],
)
def test_what_is_no_python(tmp_path, script, found):
    fake = tmp_path / "python"
    fake.write_text(script)
    fake.chmod(0o755)
    report = verify_environment(python=fake, site_packages=None, options=VerifyOptions())
    assert failed(report) == ["interpreter"]
    assert found is None or by_id(report)["interpreter"].found == found


def test_a_dangling_interpreter(tmp_path):
    if sys.platform == "win32":
        pytest.skip("symlinks")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/nowhere/python3")
    python = locate_python(tmp_path)
    report = verify_environment(python=python, site_packages=None, options=VerifyOptions())
    assert failed(report) == ["interpreter"]


def test_ambient_settings_do_not_reach_the_environment(venv_site, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "torch").mkdir(parents=True)
    (elsewhere / "torch/__init__.py").write_text("raise SystemExit(1)")
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    monkeypatch.chdir(elsewhere)
    assert failed(verify(venv_site)) == ["torch-present"]


@pytest.mark.parametrize("deep", [False, True])
def test_the_probe_runs_isolated_and_writes_no_bytecode(monkeypatch, deep):
    commands = []

    def run(command, *, timeout):
        commands.append([str(word) for word in command])
        return Completed(args=("python",), returncode=0, stdout="", stderr="")

    monkeypatch.setattr("envtool.env.verify.run", run)
    verify_environment(python=Path("python"), site_packages=None, options=VerifyOptions(deep=deep, timeout=5))
    (command,) = commands
    assert command[:3] == ["python", "-I", "-B"]
    assert Path(command[3]).name == "probe.py"
    assert command[4:] == ["--stream", "--timeout", "5", *(["--deep"] if deep else [])]


def test_a_death_after_the_last_step_is_the_interpreters():
    lines = [
        {"interpreter": {"executable": "p", "markers": {}, "environment": {}}},
        {"running": None, "complete": True},
    ]
    stdout = "\n".join(json.dumps(line) for line in lines)
    evidence = read_stream(Completed(args=("/x/python",), returncode=-int(signal.SIGSEGV), stdout=stdout, stderr=""))
    assert evidence.failure == "python was ended by SIGSEGV"


def test_nothing_to_look_at():
    with pytest.raises(UsageError) as caught:
        verify_environment(python=None, site_packages=None, options=STATIC)
    assert caught.value.code == "verify.target"


def test_hostile_metadata_does_not_reach_the_report_raw(site):
    site.torch()
    info = site.add("evil", "1.0")
    (info / "METADATA").write_bytes("Name: nvidia-\u202eevil\x1b[31m\nVersion: 1.0\x07\n".encode())
    (info / "RECORD").write_text("a\x1b]0;owned\x07,sha256=A,1\n")
    report = verify_environment(python=None, site_packages=site.path, options=STATIC)
    assert set(failed(report)) == {"record", "no-gpu-distributions"}
    for check in report.checks:
        assert (check.found + check.why + check.fix).isprintable()


def test_a_file_name_that_is_not_utf8_can_be_printed(site):
    site.torch()
    (site.add("app", "1.0") / "RECORD").write_text("a\udc80b,sha256=A,1\n", encoding="utf-8", errors="surrogatepass")
    report = verify_environment(python=None, site_packages=site.path, options=STATIC)
    json.dumps([check.as_dict() for check in report.checks], ensure_ascii=False).encode("utf-8")


# --- where things are -------------------------------------------------------------------------------------------------


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("place", ["bin/python", "Scripts/python.exe", "bin/python3", "python.exe"])
def test_locate_python(tmp_path, place):
    assert locate_python(tmp_path) == tmp_path / "bin" / "python"
    assert locate_python(touch(tmp_path / place).parents[place.count("/")]) == tmp_path / place


def test_locate_python_keeps_the_symlink(venv_site):
    python = python_of(venv_site)
    assert python.parent.parent == venv_site.path.parents[2] or os.name == "nt"


@pytest.mark.parametrize("place", ["lib/python3.11/site-packages", "Lib/site-packages", "lib/python3/dist-packages"])
def test_locate_site_packages(tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    assert locate_site_packages(tmp_path) == tmp_path / place


def test_locate_site_packages_none_or_several(tmp_path):
    with pytest.raises(VerifyError) as none:
        locate_site_packages(tmp_path)
    assert none.value.code == "verify.site-packages"
    for name in ("python3.11", "python3.12"):
        (tmp_path / "lib" / name / "site-packages").mkdir(parents=True)
    with pytest.raises(UsageError) as several:
        locate_site_packages(tmp_path)
    assert "lib/python3.11/site-packages, lib/python3.12/site-packages" in several.value.message.replace("\\", "/")


@pytest.mark.parametrize(("value", "status"), [("true", "pass"), ("false", "fail")])
def test_static_sees_the_base_of_an_environment_that_does(tmp_path, site, value, status):
    base = type(site)(tmp_path / "base/lib/python3.11/site-packages")
    base.torch()
    root = site.path.parents[2]
    (root / "pyvenv.cfg").write_text(f"home = {tmp_path / 'base/bin'}\ninclude-system-site-packages = {value}\n")
    report = verify_environment(python=None, site_packages=site.path, options=STATIC)
    assert by_id(report)["torch-present"].status == status
