"""The steps of a build, with PyInstaller's part played by a function: what is tried, what is placed, what is kept."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from envtool.bundle import build
from envtool.bundle.models import BundleRequest, BundleSettings
from envtool.errors import InstallError, UsageError
from envtool.models import Completed, IndexAccess, Reporter
from envtool.reports.progress import SilentReporter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the app of these tests is a shell script")

GOOD = '#!/bin/sh\n[ "$ENVTOOL_BUNDLE_CHECK" = 1 ] && { echo checked; exit 0; }\n[ "$1" = --selftest ] && echo tested\n'


class Tools:
    """Stands for PyInstaller: writes a bundle with this program and these libraries."""

    def __init__(self) -> None:
        self.program, self.libraries, self.status, self.stderr = GOOD, {"libtorch_cpu.so": 100}, 0, ""
        self.default_bytes = 1000

    def run(self, request: BundleRequest, tools: Path, work: Path, reporter: Reporter, *, lean: bool) -> Completed:
        app = work / "dist" / request.name
        library = app / "_internal" / "torch" / "lib"
        library.mkdir(parents=True)
        for name, size in self.libraries.items():
            (library / name).write_bytes(b"x" * (size if lean else self.default_bytes))
        start = app / "_internal" / "envtool_start" / "start.json"
        start.parent.mkdir()
        start.write_text((request.work / "envtool_start" / "start.json").read_text())
        (app / request.name).write_text(self.program)
        (app / request.name).chmod(0o755)
        (work / "contents.json").write_text(json.dumps([[f"torch/lib/{name}", 1] for name in self.libraries]))
        return Completed(args=("pyinstaller",), returncode=0, stdout="1 INFO\nenvtool-note: a note\n", stderr="")


def fake_model(request: BundleRequest) -> dict[str, object]:
    facts = {"torch": "2.13.0+cpu", "number": 15.0, "on_failure": "exit", "exit_code": 78}
    (request.work / "envtool_start").mkdir()
    (request.work / "envtool_start" / "start.json").write_text(json.dumps(facts))
    return facts


@pytest.fixture
def tools(monkeypatch):
    fake = Tools()
    monkeypatch.setattr(build.build_environment, "ensure", lambda *_: Path("python"))
    monkeypatch.setattr(build, "_make_model", fake_model)
    monkeypatch.setattr(build, "_run_pyinstaller", fake.run)
    return fake


@pytest.fixture
def request_(tmp_path) -> BundleRequest:
    spec = tmp_path / "voice.spec"
    spec.write_text("")
    return BundleRequest(
        spec=spec,
        python=tmp_path / "python",
        site_packages=tmp_path,
        state=tmp_path / ".envtool",
        dist=tmp_path / "dist",
        settings=BundleSettings(smoke="app --selftest", max_size=10_000),
        access=IndexAccess(),
    )


def statuses(result):
    return {check.id: check.status for check in result.checks}


def test_a_sound_bundle_reaches_dist(tools, request_):
    result = build.bundle(request_, SilentReporter())
    assert statuses(result) == {"start-check": "pass", "smoke": "pass", "gpu-libraries": "pass", "size": "pass"}
    assert (result.path, result.executable) == (request_.dist / "voice", request_.dist / "voice" / "voice")
    assert result.executable.is_file()
    assert result.notes == ("a note",)
    assert [path.name for path in request_.dist.iterdir()] == ["voice"]


def test_the_start_check_knows_the_length_of_each_library(tools, request_):
    build.bundle(request_, SilentReporter())
    start = request_.dist / "voice" / "_internal" / "envtool_start" / "start.json"
    facts = json.loads(start.read_text())
    assert facts["files"] == {"torch/lib/libtorch_cpu.so": 100}
    assert facts["number"] == 15.0


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"program": "#!/bin/sh\nexit 78\n"}, ["start-check", "smoke"]),
        ({"program": GOOD.replace("echo tested", "exit 1")}, ["smoke"]),
        ({"libraries": {"libtorch_cuda.so": 1}}, ["gpu-libraries"]),
        ({"libraries": {"libtorch_cpu.so": 20_000}}, ["size"]),
    ],
    ids=["start", "smoke", "gpu", "size"],
)
def test_a_failing_check_leaves_the_bundle_before_as_it_was(tools, request_, change, failed):
    before = request_.dist / "voice" / "voice"
    before.parent.mkdir(parents=True)
    before.write_text("the one before")
    for name, value in change.items():
        setattr(tools, name, value)
    result = build.bundle(request_, SilentReporter())
    assert [check.id for check in result.checks if check.status == "fail"] == failed
    assert not result.ok
    assert before.read_text() == "the one before"
    assert result.path == request_.work / "dist" / "voice"
    assert result.executable.is_file()


def test_a_new_bundle_replaces_the_one_before_whole(tools, request_):
    old = request_.dist / "voice" / "gone.txt"
    old.parent.mkdir(parents=True)
    old.write_text("")
    build.bundle(request_, SilentReporter())
    assert not old.exists()
    assert (request_.dist / "voice" / "voice").is_file()


def test_without_smoke_and_without_start_check(tools, request_):
    request_ = replace(request_, settings=BundleSettings(start_check=False))
    result = build.bundle(request_, SilentReporter())
    assert statuses(result) == {"smoke": "skip", "gpu-libraries": "pass", "size": "skip"}


def test_compare_with_full_torch_adds_its_libraries(tools, request_, tmp_path):
    full, own = tmp_path / "full", tmp_path / "own"
    for name, bytes_ in (("nvidia/cu13/lib/libcublas.so.13", 5000), ("torch/lib/libtorch_cuda.so", 900), ("x.py", 7)):
        (full / name).parent.mkdir(parents=True, exist_ok=True)
        (full / name).write_bytes(b"x" * bytes_)
    own.mkdir()
    (own / "libtorch_cpu.so").write_bytes(b"x" * 100)
    request_ = replace(request_, compare=True, full_packages=full, site_packages=own)
    result = build.bundle(request_, SilentReporter())
    assert result.full_size == result.default_size + 5900 - 100
    assert build.bundle(replace(request_, full_packages=None), SilentReporter()).full_size is None


def test_compare_gives_the_ratio(tools, request_):
    tools.default_bytes = 10_000
    result = build.bundle(replace(request_, compare=True), SilentReporter())
    assert result.default_size is not None
    assert result.default_size > 10_000
    assert result.ratio == round(result.sizes.total / result.default_size, 3)
    assert not (request_.work / "default-hook" / "dist").exists()


def test_a_wrong_smoke_command_is_found_before_the_build(tools, request_):
    request_ = replace(request_, settings=BundleSettings(smoke="python app.py"))
    with pytest.raises(UsageError):
        build.bundle(request_, SilentReporter())
    assert not request_.work.exists()


def test_a_failing_build_says_the_error_and_where_the_log_is(tools, request_, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(build.build_environment, "ensure", lambda *_: Path("python"))
    monkeypatch.setattr(build, "_make_model", fake_model)
    stderr = "12 INFO: go\nUnable to find x\n13 ERROR: Unable to find '\x1b[2Jmodels'\n"
    done = Completed(args=("p",), returncode=1, stdout="out\n", stderr=stderr)
    monkeypatch.setattr(build, "follow", lambda *_, **__: done)
    with pytest.raises(InstallError) as caught:
        build.bundle(request_, SilentReporter())
    assert caught.value.code == "bundle.build-failed"
    assert caught.value.message.endswith("13 ERROR: Unable to find '\\x1b[2Jmodels'")
    assert caught.value.hint == "Its whole output is in .envtool/build/voice/pyinstaller.log"
    assert (request_.work / "pyinstaller.log").read_text() == "out\n" + stderr


def test_the_app_s_environment_is_never_written(tools, request_, monkeypatch):
    monkeypatch.undo()
    seen = {}

    def run(words, heard, **options):
        heard("12 INFO: Building PKG")
        seen.update(options, words=[str(word) for word in words])
        return Completed(args=(), returncode=0, stdout="", stderr="")

    monkeypatch.setattr(build, "follow", run)
    request_.work.mkdir(parents=True)
    said = []
    reporter = SilentReporter()
    monkeypatch.setattr(reporter, "busy", lambda name: nullcontext(said.append))
    build._run_pyinstaller(request_, Path("tools"), request_.work, reporter, lean=True)
    assert said == ["Building PKG"]
    assert seen["env"]["PYTHONDONTWRITEBYTECODE"] == "1"
    assert Path(seen["env"]["PYINSTALLER_CONFIG_DIR"]).is_relative_to(request_.state)
    assert "-B" in seen["words"]
    config = json.loads((request_.work / "config.json").read_text())
    assert config["arguments"][-1] == str(request_.spec)
    assert Path(config["start_check"]).is_file()
