"""Verify an environment: gather evidence, run the checks, report. Nothing in the environment is written."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envtool.adapters.process import run
from envtool.adapters.pythons import find_python, is_path
from envtool.env import probe
from envtool.env.checks import Case, checks_for
from envtool.env.evidence import Evidence, parse_evidence
from envtool.errors import EnvtoolError, InstallError, UsageError, VerifyError
from envtool.models import Completed, Lock, VerifyReport
from envtool.reports.escape import printable
from envtool.torch.backends import CPU, Backend

TIMEOUT = 300.0
"""Seconds that the probe may take by default: a cold import of torch from a network disk takes minutes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions:
    """What to expect and how far to look.

    ``lock``: compare the installed versions with it. ``deep``: read every recorded byte. ``static``: start no
    interpreter. ``timeout``: seconds for the probe.
    """

    expected: Backend = CPU
    lock: Lock | None = None
    deep: bool = False
    static: bool = False
    timeout: float = TIMEOUT
    before_setup: str = ""
    """What has to be done before a setup can build this environment anew; empty where it can at once."""
    beside: tuple[Path, ...] = ()
    """Without an interpreter that is run: more folders of the environment, such as a lib64 apart from lib."""


def verify_environment(*, python: Path | None, site_packages: Path | None, options: VerifyOptions) -> VerifyReport:
    """Check one environment, given by its interpreter or by its site-packages folder.

    With an interpreter the probe runs in it; with ``options.static``, or a folder alone, only files are read. A
    broken interpreter or an environment without torch gives a report with failing checks.

    Raises UsageError (``verify.target``) when there is nothing to look at, EnvtoolError for a bug of the probe.
    """
    if python is not None and not options.static:
        evidence = probe_interpreter(python, deep=options.deep, timeout=options.timeout)
    else:
        folder = site_packages
        if folder is None and python is not None:
            # Not resolved: the interpreter of a virtual environment is a symlink out of it.
            folder = locate_site_packages(python.absolute().parent.parent)
        if folder is None:
            raise UsageError("verify.target", "no environment to verify", "Give --python or --path.")
        folders = (folder, *options.beside, *_base_packages(folder))
        evidence = parse_evidence(probe.static_evidence(*folders, deep=options.deep))
    return judge(
        Case(
            evidence=evidence,
            expected=options.expected,
            lock=options.lock,
            deep=options.deep,
            before_setup=printable(options.before_setup),
        )
    )


def require_cpu(python: Path) -> None:
    """For what is built from an environment: its fault would go to every user. Raises VerifyError (``verify.<check>``)
    unless it is CPU-only torch that works."""
    report = verify_environment(python=python, site_packages=None, options=VerifyOptions())
    if not report.ok:
        first = report.failures[0]
        raise VerifyError(f"verify.{first.id}", f"the environment is not CPU-only torch: {first.found}", first.fix)


def judge(case: Case) -> VerifyReport:
    """Run the checks of the expected backend over the evidence. Pure."""
    checks = tuple(check(case) for check in checks_for(case.expected))
    torch = case.evidence.find("torch")
    build = case.evidence.torch
    if case.evidence.failure and case.evidence.interpreter is None:
        # No evidence: nothing that it does not show is said to be missing.
        checks = tuple(
            check if check.id == "interpreter" else case.skipped(check.id, "no evidence: the interpreter does not run")
            for check in checks
        )
    as_expected = any(check.id == "build-identity" and check.status == "pass" for check in checks)
    backend = build.identity if build is not None and not build.error else None
    version = torch.distribution.version if torch is not None else None
    python = case.environment["python_full_version"] if case.evidence.interpreter is not None else None
    return VerifyReport(
        torch=build.version if build is not None and build.version else version,
        backend=case.expected.name if as_expected else backend,
        python=python or case.evidence.python or (case.environment["python_version"] if case.evidence.paths else None),
        checks=checks,
    )


def probe_interpreter(python: Path, *, deep: bool = False, timeout: float = TIMEOUT) -> Evidence:
    """Run the probe in an interpreter. What goes wrong there is part of the evidence, never an exception."""
    # -I: no user site, no PYTHON* variables, no current folder. -B: looking must not write bytecode.
    command: list[str | Path] = [python, "-I", "-B", Path(probe.__file__), "--stream", "--timeout", str(timeout)]
    try:
        done = run([*command, *(["--deep"] if deep else [])], timeout=timeout + 30)
    except EnvtoolError as error:
        return Evidence(failure=printable(error.message))
    return read_stream(done)


def read_stream(done: Completed) -> Evidence:
    """The evidence in what a probe printed, however far it came. Pure."""
    data: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        try:
            part = json.loads(line)
        except ValueError:
            continue
        if isinstance(part, dict):
            data.update(part)
    failure = "" if done.returncode == 0 and data.get("complete") else _ending(done)
    running = data.get("running")
    if failure and running:
        # The step that killed the interpreter fails, not the interpreter: it did start.
        data["steps"] = {**data.get("steps", {}), running: {"ok": False, "error": {"type": failure, "message": ""}}}
        failure = ""
    try:
        return parse_evidence(data, failure=failure)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return Evidence(failure=printable(f"the interpreter printed something else than evidence ({error!r})"))


def _ending(done: Completed) -> str:
    name = Path(done.args[0]).name
    if "Timeout (" in done.stderr:
        return f"{name} did not end in time"
    if done.returncode < 0:
        try:
            cause = signal.Signals(-done.returncode).name
        except ValueError:
            cause = f"signal {-done.returncode}"
        return f"{name} was ended by {cause}"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    cause = (raised[-1:] or lines[:1] or ["it gave no evidence"])[0]
    return f"{name} ended with status {done.returncode}: {cause[:300]}"


def _base_packages(site_packages: Path) -> list[Path]:
    """What a virtual environment made with ``--system-site-packages`` also sees: the folder of the same Python."""
    root = Path(probe.environment_root(str(site_packages)))
    try:
        text = (root / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    config = {
        key.strip().lower(): value.strip() for key, _, value in (line.partition("=") for line in text.splitlines())
    }
    if config.get("include-system-site-packages", "").lower() != "true" or not config.get("home"):
        return []
    home = Path(config["home"])
    base = home if (home / "Lib").is_dir() and not (home.parent / "lib").is_dir() else home.parent
    folder = base / site_packages.relative_to(root)
    return [folder] if folder.is_dir() else []


def named_environment(text: str) -> Path:
    """What ``--python`` names: a path as it is, or the interpreter that a version or a name leads to.

    Raises UsageError (``verify.target``, ``python.missing``).
    """
    if is_path(text):
        if not os.path.lexists(text):
            hint = "Give an interpreter, the folder of an environment, or a version such as 3.12."
            raise UsageError("verify.target", f"no file or folder {printable(text)}", hint)
        return Path(text)
    try:
        return find_python(text)
    except InstallError as error:
        raise UsageError(error.code, error.message, error.hint) from None


def locate_python(environment: Path) -> Path:
    """The interpreter of a virtual environment or prefix: ``bin/python``, or ``Scripts\\python.exe`` on Windows.

    A conda environment on Windows has ``python.exe`` at its top. Returns the first that exists (a broken symlink
    counts), else the POSIX one.
    """
    candidates = [
        environment / "bin" / "python",
        environment / "Scripts" / "python.exe",
        environment / "bin" / "python3",
        environment / "python.exe",
    ]
    return next((path for path in candidates if path.is_symlink() or path.exists()), candidates[0])


def locate_site_packages(environment: Path) -> Path:
    """The site-packages folder of a virtual environment or prefix, without asking its interpreter.

    Raises VerifyError (``verify.site-packages``) when there is none, UsageError when there are several.
    """
    patterns = ("lib/python3.*/site-packages", "Lib/site-packages", "lib/pypy3.*/site-packages")
    found = [path for pattern in patterns for path in sorted(environment.glob(pattern)) if path.is_dir()]
    # Debian's own Python has another name for it.
    found = found or [path for path in sorted(environment.glob("lib/python3*/dist-packages")) if path.is_dir()]
    unique = list({path.resolve(): path for path in found}.values())
    if len(unique) == 1:
        return unique[0]
    shown = printable(str(environment))
    if not unique:
        raise VerifyError("verify.site-packages", f"no site-packages folder in {shown}", "Name it with --path.")
    names = ", ".join(printable(str(path.relative_to(environment))) for path in unique)
    raise UsageError(
        "verify.site-packages", f"several site-packages folders in {shown}: {names}", "Name one with --path."
    )
