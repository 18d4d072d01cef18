"""``envtool verify``: is this environment what it should be?"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from envtool.cli import completion
from envtool.cli import options as o
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.errors import ExitCode, UsageError
from envtool.models import CheckResult, Generation, Lock, Outcome, Reporter, VerifyReport

if TYPE_CHECKING:
    from envtool.env.verify import VerifyOptions
    from envtool.lock.workspace import Project
    from envtool.torch.backends import Backend

PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python",
        "-p",
        metavar="PATH|VERSION",
        help="Environment or interpreter to verify. Default: the project's.",
        autocompletion=completion.pythons,
    ),
]
PathOption = Annotated[
    Path | None,
    typer.Option("--path", metavar="DIR", help="A site-packages folder: its files are read, nothing is run."),
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="What it should be: cpu, full, cu130, … Default: what envtool made it as, else cpu.",
        autocompletion=completion.backends,
    ),
]
StaticOption = Annotated[bool, typer.Option("--static", help="Read files only: no interpreter, no import, quick.")]
DeepOption = Annotated[bool, typer.Option("--deep", help="Read every file and compare its hash with RECORD.")]
LockOption = Annotated[
    Path | None,
    typer.Option("--lock", metavar="DIR", help="Folder of the lock. Default: lockfiles, if it is there."),
]
NoLockOption = Annotated[bool, typer.Option("--no-lock", help="Compare with no lock.")]
JunitOption = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write a JUnit XML report.")]


def _seconds(value: float) -> float:
    # A range would let nan through; and a program cannot be waited for longer than some weeks.
    if not 1 <= value <= _LONGEST:
        raise typer.BadParameter(f"{value:g} is not in the range 1<=x<={_LONGEST}.")
    return value


_LONGEST = 86400
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", callback=_seconds, help="Give up after this time: at most a day."),
]


def verify(
    *,
    python: PythonOption = None,
    path: PathOption = None,
    backend: BackendOption = None,
    static: StaticOption = False,
    deep: DeepOption = False,
    lock: LockOption = None,
    no_lock: NoLockOption = False,
    junit: JunitOption = None,
    timeout: TimeoutOption = 300,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Prove that an environment is the CPU-only torch that it should be.

    Works on any environment, also one that envtool did not make, and changes
    nothing in it. The build is judged by torch's own files and by what torch
    does, for torch.cuda.is_available() is False for a CUDA build on a machine
    without a GPU too. A failing check says what it found, why it matters and
    how to mend it.

    \b
    Examples:
      envtool verify                       the .venv of this folder
      envtool verify --static              the same, from its files alone
      envtool verify --deep                and read every byte of it
      envtool verify --python ../other/.venv
      envtool verify --backend full        is it the full build again?
      envtool verify --junit verify.xml --json

    Exit codes: 7 a check fails, 2 usage.
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.env.generations import current, layout_for
        from envtool.env.replaceable import before_setup
        from envtool.env.verify import VerifyOptions, verify_environment
        from envtool.reports.escape import printable

        if junit is not None and not junit.parent.is_dir():
            # Before the probe, which takes seconds; a folder is not made, for its name is more likely a slip.
            message = f"cannot write {junit}: there is no folder {junit.parent}"
            raise UsageError("verify.junit", message, "Make the folder, or check --junit.")
        project = o.open_here()
        venv = project.root / project.settings.venv
        layout = layout_for(project.root, project.settings.venv)
        own = current(layout) if python is None and path is None else None
        named = _named(python, path)
        adopted = own is not None and own.kind == "adopted"  # never made from a lock
        options = VerifyOptions(
            expected=_expected(backend, own),
            lock=None if no_lock or (adopted and lock is None) else _read_lock(lock, project),
            deep=deep,
            static=static,
            timeout=timeout,
            before_setup=before_setup(layout) if _within(path or named, layout.venv) else _ELSEWHERE,
        )
        interpreter, folder = _target(named, path, venv, static=static)
        started = time.perf_counter()
        if interpreter is not None and not static:
            reporter.phase("probe", str(interpreter))
        report = verify_environment(python=interpreter, site_packages=folder, options=options)
        shown = printable((path or named or Path(project.settings.venv)).as_posix())
        seconds = time.perf_counter() - started
        if junit is not None:
            _write_junit(junit, report, shown, seconds)
        # Without --json the first failure is annotated as the error of the command.
        _annotate(report.failures if json else report.failures[1:])
        return _outcome(report, options, shown, seconds=seconds)

    run_command("verify", stage, as_json=json, quiet=quiet)


def _within(named: Path | None, venv: Path) -> bool:
    """Whether what the options name is the project's environment, or lies in it; nothing named is the former."""
    place = Path(os.path.abspath(named)) if named is not None else venv  # noqa: PTH100 - a link is not followed
    return venv in (place, *place.parents)


_ELSEWHERE = "Go to the folder of its project."
"""Before a setup, where another environment was verified: here it would make one that nobody asked for."""


def _expected(backend: str | None, own: Generation | None) -> Backend:
    """``--backend``, else what the record of the project's environment says, else cpu."""
    from envtool.torch.backends import CPU, parse_backend

    if backend is not None:
        return parse_backend(backend)
    return parse_backend(own.backend) if own is not None and own.backend not in ("none", "") else CPU


def _named(python: str | None, path: Path | None) -> Path | None:
    from envtool.env.verify import named_environment

    if python is not None and path is not None:
        raise UsageError("verify.target", "--python and --path were both given", "Name the environment one way.")
    return named_environment(python) if python is not None else None


def _target(python: Path | None, path: Path | None, venv: Path, *, static: bool) -> tuple[Path | None, Path | None]:
    """The interpreter, or the site-packages folder, that the options name."""
    from envtool.env.verify import locate_python, locate_site_packages
    from envtool.lock.above import project_above

    if path is not None:
        if not path.is_dir():
            raise UsageError("verify.target", f"no folder {path}", "--path takes a site-packages folder.")
        if (path / "pyvenv.cfg").is_file():
            return None, locate_site_packages(path)
        metadata = (entry for pattern in ("*.dist-info", "*.egg-info") for entry in path.glob(pattern))
        if path.name not in ("site-packages", "dist-packages") and next(metadata, None) is None:
            message = f"{path} holds no installed packages: is it a site-packages folder?"
            raise UsageError(
                "verify.target", message, "Name lib/pythonX.Y/site-packages of an environment, or --python."
            )
        return None, path
    if python is None and not venv.exists() and not venv.is_symlink():
        # An activated environment is not taken for the project's: what it is depends on the shell.
        active = os.environ.get("VIRTUAL_ENV")
        hint = f"To verify the activated one: --python {active}" if active else "Name one with --python or --path."
        above = project_above(Path.cwd())
        hint += f" {above}" if above else " Or make one: envtool setup --cpu"
        raise UsageError("verify.target", f"no {venv.name} in this folder", hint)
    place = python if python is not None else venv
    if python is not None and not place.is_dir():
        return place, None
    return (None, locate_site_packages(place)) if static else (locate_python(place), None)


def _read_lock(folder: Path | None, project: Project) -> Lock | None:
    from envtool.lock.text import read_existing, read_lock

    return read_lock(folder) if folder is not None else read_existing(project.lockfiles)


def _outcome(report: VerifyReport, options: VerifyOptions, environment: str, *, seconds: float) -> Outcome:
    from envtool.reports.verify import render_text, summary

    result: Mapping[str, Any] = {
        "torch": report.torch,
        "backend": report.backend,
        "expected": options.expected.name,
        "python": report.python,
        "environment": environment,
        "static": options.static,
        "deep": options.deep,
        "summary": summary(report),
        "seconds": round(seconds, 3),
        "checks": [check.as_dict() for check in report.checks],
    }
    text = render_text(report, environment, seconds=seconds)
    brief = render_text(report, environment, seconds=seconds, quiet=True)
    if report.ok:
        if not options.expected.is_cpu:
            name = options.expected.name
            text += f"\nIt is {name} torch, as expected here, and not CPU-only: --backend cpu asks for that."
        return Outcome(result=result, text=text, brief=brief)
    first, *others = report.failures
    more = f" ({len(others)} more failed: {', '.join(check.id for check in others)})" if others else ""
    error = (f"verify.{first.id}", f"{environment}: {first.found}{more}", first.fix)
    return Outcome(result=result, text=text, brief=brief, exit_code=int(ExitCode.VERIFY), error=error)


def _annotate(failures: tuple[CheckResult, ...]) -> None:
    """One annotation per failing check on GitHub; on stderr, because stdout may be JSON."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from envtool.reports.github import annotation

    for check in failures:
        message = f"{check.found}\n{check.why}\n{check.fix}"
        typer.echo(annotation("error", message, title=f"verify.{check.id}"), err=True)


def _write_junit(target: Path, report: VerifyReport, environment: str, seconds: float) -> None:
    from envtool.reports.junit import render_junit

    try:
        target.write_bytes(render_junit(report, environment, seconds=seconds))
    except OSError as error:
        raise UsageError("verify.junit", f"cannot write {target}: {error.strerror}", "Check --junit.") from error
