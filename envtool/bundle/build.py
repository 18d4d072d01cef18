"""Build a bundle: tools, PyInstaller, trial, scan, sizes; then, if all is well, into dist."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envtool.adapters import files, platform
from envtool.adapters.process import clean_environment, follow, run
from envtool.bundle import build_environment, contents
from envtool.bundle.checks import judge_libraries, judge_size, judge_trial
from envtool.bundle.models import START_FAILED, BundleRequest, BundleResult, Sizes
from envtool.bundle.trial import attempt, smoke_arguments
from envtool.errors import InstallError, UsageError
from envtool.models import CheckResult, Completed, Reporter
from envtool.reports.escape import printable

INSIDE = Path(__file__).parent / "inside"
_START = "envtool_start"
_BUILD_TIMEOUT = 1800.0
_TRIAL_TIMEOUT = 300.0
_LEVEL = re.compile(r"^\d+ [A-Z]+: ")
"""What PyInstaller writes before each line: milliseconds and the level."""


@dataclass
class _Clock:
    seconds: dict[str, float]

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 1)


def bundle(request: BundleRequest, reporter: Reporter) -> BundleResult:
    """Build, try, scan and measure a bundle; it reaches ``request.dist`` only if every check passed.

    Raises UsageError (``bundle.*``) for a wrong request, InstallError (``bundle.build-failed``, ``bundle.nothing``)
    where PyInstaller fails. A failing check is data in the result, and the bundle stays in the work folder.
    """
    _check_request(request)
    clock = _Clock({})
    with clock.measure("tools"):
        tools = build_environment.ensure(request.state, request.python, request.access, reporter)
    files.remove_tree(request.work)
    files.make_folder(request.work)
    facts = _make_model(request)
    with clock.measure("build"):
        reporter.phase("build", f"{request.spec.name} with PyInstaller")
        done = _run_pyinstaller(request, tools, request.work, reporter, lean=True)
    notes = tuple(line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("envtool-note: "))
    for note in notes:
        reporter.note(printable(note))
    built, executable = contents.find_bundle(request.work / "dist")
    _write_library_sizes(built, facts)
    sizes, listed = _measure(request.work, built)
    with clock.measure("trial"):
        checks = _try(request, executable, reporter)
    checks += [
        judge_libraries(contents.gpu_libraries(listed)),
        judge_size(sizes, request.settings.max_size, stripped=request.settings.strip),
    ]
    default_size = None
    if request.compare:
        reporter.phase("compare", "the same app with PyInstaller's default hook; this takes minutes")
        with clock.measure("compare"):
            default_size = _default_size(request, tools, reporter)
    full_size = None
    if default_size is not None and request.full_packages is not None:
        extra = contents.library_bytes(request.full_packages) - contents.library_bytes(request.site_packages)
        full_size = default_size + extra
    if all(check.status != "fail" for check in checks):
        reporter.phase("place", f"{request.dist.name}/{built.name}")
        executable = _place(built, executable, request.dist)
        built = request.dist / built.name
    return BundleResult(
        path=built,
        executable=executable,
        torch=facts["torch"],
        sizes=sizes,
        checks=tuple(checks),
        seconds=clock.seconds,
        notes=notes,
        default_size=default_size,
        full_size=full_size,
    )


def _check_request(request: BundleRequest) -> None:
    import shutil

    if not request.spec.is_file():
        raise UsageError("bundle.spec", f"no file {printable(str(request.spec))}", "Name a .spec file or a script.")
    if request.settings.smoke is not None:
        smoke_arguments(request.settings.smoke, request.name)
    if request.settings.strip and not platform.is_windows() and shutil.which("strip") is None:
        raise UsageError("bundle.strip", "--strip needs the program strip", "Install binutils, or leave --strip out.")


def _make_model(request: BundleRequest) -> dict[str, Any]:
    """The tiny model of the start check, made by the app's own torch; returns what the check compares with."""
    folder = request.work / _START
    files.make_folder(folder)
    # -B: the app's environment stays as it is, byte for byte.
    done = run([request.python, "-I", "-B", INSIDE / "make_model.py", folder / "model.pt"], timeout=300)
    try:
        facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise InstallError(
            "bundle.torch",
            f"the environment's torch cannot save a model: {_last_words(done)}",
            "envtool verify says why.",
        ) from None
    facts |= {"on_failure": request.settings.on_failure, "exit_code": START_FAILED}
    files.write_text(folder / "start.json", json.dumps(facts, indent=1) + "\n")
    return facts


def _run_pyinstaller(request: BundleRequest, tools: Path, work: Path, reporter: Reporter, *, lean: bool) -> Completed:
    files.make_folder(work)
    start = request.settings.start_check and lean
    config = {
        "site_packages": str(request.site_packages),
        "hooks": str(INSIDE / "hooks"),
        "start_check": str(INSIDE / "envtool_start_check.py") if start else None,
        "datas": [[str(request.work / _START / name), _START] for name in ("model.pt", "start.json")] if start else [],
        "lean": lean,
        "keep": list(request.settings.keep),
        "sources": list(request.settings.sources),
        "strip": request.settings.strip and lean,
        "work": str(work),
        "contents": str(work / "contents.json"),
        "arguments": [
            *("--noconfirm", "--log-level", "INFO"),
            *("--distpath", str(work / "dist"), "--workpath", str(work / "pyinstaller")),
            str(request.spec),
        ],
    }
    path = work / "config.json"
    files.write_text(path, json.dumps(config, indent=1) + "\n")
    environment = clean_environment(
        {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "PYINSTALLER_CONFIG_DIR": str(request.state / "build" / "cache"),
        }
    )
    command: list[str | Path] = [tools, "-B", INSIDE / "run_pyinstaller.py", path]
    with reporter.busy("build") as heard:
        done = follow(
            command,
            lambda line: heard(_LEVEL.sub("", line)),
            env=environment,
            cwd=request.spec.parent,
            timeout=_BUILD_TIMEOUT,
        )
    log = work / "pyinstaller.log"
    files.write_text(log, done.stdout + done.stderr)
    if done.returncode != 0:
        raise InstallError(
            "bundle.build-failed",
            f"PyInstaller could not build {printable(request.spec.name)}: {_last_words(done)}",
            f"Its whole output is in {_relative(log, request.state.parent)}",
        )
    return done


def _last_words(done: Completed) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or line.split(":", 1)[0].endswith(("Error", "Exception"))]
    return printable((errors or lines or [f"status {done.returncode}"])[-1][:400])


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _write_library_sizes(built: Path, facts: dict[str, Any]) -> None:
    """Tell the start check how long torch's libraries are: a cut-off one kills the process before it can say why.

    One-folder bundles only: a one-file one unpacks itself whole, and a signed .app must not change.
    """
    start = next(iter(sorted(built.rglob(f"{_START}/start.json"))), None) if built.is_dir() else None
    if start is None or built.suffix == ".app":
        return
    root = start.parent.parent
    libraries = {f"torch/lib/{path.name}": path.stat().st_size for path in sorted((root / "torch" / "lib").glob("*.*"))}
    files.write_text(start, json.dumps({**facts, "files": libraries}, indent=1) + "\n")


def _measure(work: Path, built: Path) -> tuple[Sizes, list[str]]:
    on_disk, inside = contents.list_files(built), contents.read_contents(work / "contents.json")
    packed = built.is_file()
    sizes = contents.sizes_of(inside if packed else on_disk, sum(on_disk.values()), packed=packed)
    return sizes, [*on_disk, *inside]


def _try(request: BundleRequest, executable: Path, reporter: Reporter) -> list[CheckResult]:
    checks = []
    settings = request.settings
    log = f"Its log, and PyInstaller's, are in {_relative(request.work, request.state.parent)}."
    if settings.start_check:
        reporter.phase("check", "the app's start check, in an empty environment")
        trial = attempt(executable, [], extra={"ENVTOOL_BUNDLE_CHECK": "1"}, timeout=_TRIAL_TIMEOUT)
        why = "torch has to start where there is no Python, no PATH and no HOME"
        checks.append(judge_trial("start-check", trial, why, log))
    if settings.smoke is None:
        found, why = "no smoke command is set", "only the app itself can say that it works"
        checks.append(CheckResult(id="smoke", status="skip", found=found, why=why))
        return checks
    reporter.phase("smoke", settings.smoke)
    arguments = smoke_arguments(settings.smoke, request.name)
    trial = attempt(executable, arguments, extra=None, timeout=_TRIAL_TIMEOUT)
    why = "the app has to work where there is no Python, no PATH and no HOME"
    checks.append(judge_trial("smoke", trial, why, f"{log} Run it by hand: {executable.name} {' '.join(arguments)}"))
    return checks


def _default_size(request: BundleRequest, tools: Path, reporter: Reporter) -> int:
    work = request.work / "default-hook"
    _run_pyinstaller(request, tools, work, reporter, lean=False)
    built, _ = contents.find_bundle(work / "dist")
    total = sum(contents.list_files(built).values())
    files.remove_tree(work / "dist")
    files.remove_tree(work / "pyinstaller")
    return total


def _place(built: Path, executable: Path, dist: Path) -> Path:
    """Move the bundle into dist; the one before it goes only when the new one is there."""
    inside = executable.relative_to(built)
    final = dist / built.name
    aside = dist / f".{built.name}.old"
    try:
        files.make_folder(dist)
        _discard(aside)
        if platform.exists(final):
            final.replace(aside)
        built.replace(final)
        _discard(aside)
    except OSError as error:
        raise InstallError(
            "bundle.place", f"cannot write {printable(str(final))}: {error.strerror}", "Is the app still running?"
        ) from error
    return final / inside if final.is_dir() else final


def _discard(path: Path) -> None:
    if path.is_file():
        files.remove_file(path)
    else:
        files.remove_tree(path)
