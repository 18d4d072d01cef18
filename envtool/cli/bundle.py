"""``envtool bundle``: a frozen app from the proven CPU environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from envtool.cli import completion
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.errors import ExitCode, UsageError
from envtool.models import Layout, Outcome, Reporter

if TYPE_CHECKING:
    from envtool.bundle.models import BundleResult, SpecOptions

_NEW = "For a new spec"
_GATES = "Gates"

Source = Annotated[
    Path, typer.Argument(metavar="SPEC|SCRIPT", help="A PyInstaller spec, or a script to write one for.")
]
Smoke = Annotated[
    str | None,
    typer.Option("--smoke", metavar="COMMAND", help='Run the built app: "app --selftest".', rich_help_panel=_GATES),
]
MaxSize = Annotated[
    str | None,
    typer.Option("--max-size", metavar="SIZE", help="Fail above this size: 600MB.", rich_help_panel=_GATES),
]
Compare = Annotated[
    bool,
    typer.Option("--compare", help="Compare with PyInstaller's own hook (minutes).", rich_help_panel=_GATES),
]
Audit = Annotated[
    bool, typer.Option("--audit/--no-audit", help="Audit the spec, its code and its models.", rich_help_panel=_GATES)
]
Strip = Annotated[bool, typer.Option("--strip", help="Strip symbol tables from torch's libraries, and no others.")]
Dist = Annotated[Path, typer.Option("--dist", metavar="DIR", help="Where the bundle goes.")]
Python = Annotated[
    str | None,
    typer.Option(
        "--python",
        "-p",
        metavar="PATH|VERSION",
        help="The app's environment or interpreter. Default: .venv's.",
        autocompletion=completion.pythons,
    ),
]
Onefile = Annotated[bool, typer.Option("--onefile", help="One file that unpacks itself.", rich_help_panel=_NEW)]
Windowed = Annotated[bool, typer.Option("--windowed", help="No console (Windows, macOS).", rich_help_panel=_NEW)]
Icon = Annotated[str | None, typer.Option("--icon", metavar="FILE", help="Icon of the app.", rich_help_panel=_NEW)]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="SRC[:DIR]", help="Bundle files. Repeatable.", rich_help_panel=_NEW),
]


def bundle(
    source: Source,
    *,
    smoke: Smoke = None,
    max_size: MaxSize = None,
    audit: Audit = True,
    compare: Compare = False,
    strip: Strip = False,
    dist: Dist = Path("dist"),
    python: Python = None,
    onefile: Onefile = False,
    windowed: Windowed = False,
    icon: Icon = None,
    data: Data = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build a PyInstaller bundle of a torch app that is small, and proven to start.

    First, what the spec bundles is audited: an error that the build does not
    mend stops it (--no-audit goes on). The bundle is built from the project's
    CPU environment, which is verified and not changed. A torch hook leaves out
    what a CPU app does not use; a start check in the app proves torch before
    the app runs, or says in one line why not. The built app is then run where
    there is no Python, no PATH and no HOME. It replaces the one in dist only if
    every check passes.

    \b
    Examples:
      envtool bundle app.py --data models      writes app.spec, builds it
      envtool bundle app.spec --smoke "app --selftest"
      envtool bundle app.spec --max-size 600MB --strip
      envtool bundle app.spec --compare --json

    \b
    Settings, in pyproject.toml:
      \\[tool.envtool.bundle]
      smoke = "app --selftest"
      max-size = "600MB"
      on-failure = "exit"      or "continue": the app starts all the same
      keep = ["torch.onnx"]    modules that are not left out

    Exit code 10 if the audit stops it, 6 if the build fails, 7 if the
    environment or the bundle is not sound, 2 for a wrong option.
    """

    def stage(reporter: Reporter) -> Outcome:
        from dataclasses import replace

        from envtool.bundle.build import bundle as build
        from envtool.bundle.models import BundleRequest, SpecOptions
        from envtool.bundle.record import write_record
        from envtool.bundle.settings import parse_size, read_bundle_settings
        from envtool.bundle.spec import data_entry, seen_from
        from envtool.cli.bundle_audit import audit_before
        from envtool.cli.options import open_here
        from envtool.env.generations import exclusive
        from envtool.env.records import layout_for
        from envtool.env.verify import locate_site_packages, named_environment
        from envtool.lock.project import index_access

        project = open_here()
        settings = read_bundle_settings(project.settings.bundle)
        settings = replace(
            settings,
            smoke=smoke if smoke is not None else settings.smoke,
            max_size=parse_size(max_size) if max_size is not None else settings.max_size,
            strip=strip or settings.strip,
        )
        options = SpecOptions(
            onefile=onefile,
            windowed=windowed,
            icon=icon and seen_from(icon, source.parent),
            data=tuple(data_entry(item, source.parent) for item in data or ()),
        )
        layout = layout_for(project.root, project.settings.venv)
        environment = named_environment(python) if python is not None else layout.venv
        with exclusive(layout):
            spec = _spec(source, options, reporter)
            audited = audit_before(spec, project.root, reporter) if audit else None
            if audited is not None and audited.check.status == "fail":
                return audited.stopped()
            interpreter = _interpreter(environment, given=python is not None, reporter=reporter)
            request = BundleRequest(
                spec=spec,
                python=interpreter,
                site_packages=locate_site_packages(interpreter.parent.parent),
                state=layout.state,
                dist=project.root / dist,
                settings=settings,
                access=index_access(project, (), {}),
                compare=compare,
                full_packages=_full_packages(layout) if compare else None,
            )
            result = build(request, reporter)
            if audited is not None:
                result = replace(result, checks=(audited.check, *result.checks))
            if result.ok:
                write_record(layout.state, project.root, result)
            return _outcome(result, project.root, audit=audited.data if audited is not None else None)

    run_command("bundle", stage, as_json=json, quiet=quiet)


def _interpreter(environment: Path, *, given: bool, reporter: Reporter) -> Path:
    """The interpreter to build from, proven to be CPU-only torch."""
    from envtool.env.verify import locate_python, require_cpu
    from envtool.lock.above import project_above

    if not given and not environment.is_dir():
        hint = project_above(Path.cwd()) or "Make it: envtool setup --cpu"
        raise UsageError("bundle.environment", "no .venv in this folder", hint)
    reporter.phase("verify", "the environment")
    interpreter = locate_python(environment) if environment.is_dir() else environment
    require_cpu(interpreter)
    return interpreter.absolute()


def _spec(source: Path, options: SpecOptions, reporter: Reporter) -> Path:
    """The spec to build: the one named, or a new one for a script."""
    from envtool.bundle.spec import find_spec, write_spec
    from envtool.reports.escape import printable

    spec, text = find_spec(source, options)
    if text:
        write_spec(spec, text)
        reporter.note(f"{printable(spec.name)} written: keep it with the app's sources")
    return spec


def _full_packages(layout: Layout) -> Path | None:
    """The packages of the environment with full torch that this project came from, if it is still there."""
    from envtool.env.generations import way_back
    from envtool.env.verify import locate_site_packages

    full = way_back(layout)
    return locate_site_packages(layout.generation(full.id)) if full is not None else None


def _outcome(result: BundleResult, root: Path, *, audit: list[dict[str, Any]] | None = None) -> Outcome:
    from envtool.reports.bundle import render_bundle, render_failures

    def relative(path: Path) -> str:
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()

    data: dict[str, Any] = {
        "path": relative(result.path),
        "executable": relative(result.executable),
        "torch": result.torch,
        "size": result.sizes.total,
        "packed": result.sizes.packed,
        "parts": [{"name": name, "size": size} for name, size in result.sizes.parts],
        "default_hook_size": result.default_size,
        "full_torch_size": result.full_size,
        "ratio": result.ratio,
        "audit": audit,
        "checks": [check.as_dict() for check in result.checks],
        "notes": list(result.notes),
        "seconds": dict(result.seconds),
    }
    text = render_bundle(data, result.checks)
    failed = [check for check in result.checks if check.status == "fail"]
    if not failed:
        return Outcome(result=data, text=text, brief="")
    others = [check.id for check in failed[1:]]
    more = f" ({len(others)} more failed: {', '.join(others)})" if others else ""
    error = (f"bundle.{failed[0].id}", failed[0].found + more, f"{failed[0].fix} The bundle before it is untouched.")
    brief = render_failures(result.checks)
    return Outcome(result=data, text=text, brief=brief, exit_code=int(ExitCode.VERIFY), error=error)
