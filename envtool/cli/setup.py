"""``envtool setup``: lock, prove, switch."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from envtool.cli import completion
from envtool.cli import options as o
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.cli.quick import setup_words
from envtool.models import Outcome, Reporter


def setup(
    specifiers: o.Specifiers = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="The CPU build of torch.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The default index's own build, with CUDA on Linux.")] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="Another build: cu126, cu128, rocm6.4, xpu, …",
            autocompletion=completion.backends,
        ),
    ] = None,
    requirement: o.RequirementFiles = None,
    constraint: o.ConstraintFiles = None,
    extra: o.Extras = None,
    group: o.Groups = None,
    script: o.Script = None,
    no_install_project: o.NoInstallProject = False,
    target: o.Targets = None,
    gpu_packages: o.GpuPackages = None,
    python: o.Python = None,
    torch_index: o.TorchIndex = None,
    find_links: o.FindLinks = None,
    frozen: Annotated[bool, typer.Option("--frozen", help="Never lock; a stale lock is an error (exit 5).")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the changes, and stop.")] = False,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="CMD", help="Run this program, in no shell, before the switch. Repeatable."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Make .venv an ordinary folder, with no way back (for images).")
    ] = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Change the environment of --python itself; undone on failure.")
    ] = False,
    no_compile: Annotated[bool, typer.Option("--no-compile", help="Do not compile bytecode.")] = False,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Check files only; run nothing in the new environment.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Set up the project's environment, prove it, and switch to it.

    Locks if needed, builds the new environment beside the current one, runs
    checks in it, and switches .venv to it in one step. Whatever fails before
    that leaves .venv as it was. A .venv of your own is kept as a generation.
    Go back to full torch at any time with: envtool rollback

    \b
    Examples:
      envtool setup --cpu
      envtool setup --cpu torch "numpy<3" --check "python -c 'import torch'"
      envtool setup --cpu --dry-run
      envtool setup --cpu --frozen --plain     # in a Dockerfile
      envtool setup --cpu --in-place --python /usr/local/bin/python
      envtool setup --full

    Exit codes: 2 usage, 3 nothing needs torch, 4 no solution, 5 lock, 6
    install, or no such Python here, 7 checks, 9 another envtool at work. The
    environment is then as it was.
    """
    start = time.monotonic()

    def stage(reporter: Reporter) -> Outcome:
        name = _backend_name(cpu, full, backend, constraint, find_links)
        from envtool.adapters.indexes import begin_reading

        begin_reading()
        from envtool.cli.results import setup_outcome
        from envtool.env.generations import layout_for
        from envtool.env.setup import SetupRequest
        from envtool.env.setup import setup as run_setup
        from envtool.torch.backends import parse_backend

        project = o.open_here(
            targets=target, gpu_packages=gpu_packages, python=python, torch_index=torch_index, find_links=find_links
        )
        layout = layout_for(project.root, project.settings.venv)
        if Path(sys.prefix).resolve() == layout.venv.resolve():
            place = layout.venv.relative_to(layout.root).as_posix()
            reporter.warn(
                f"envtool runs from {place} and will not be in the new one: give it an environment of its own"
            )
        wanted = SetupRequest(
            backend=parse_backend(name),
            inputs=o.request_options(
                specifiers,
                requirement,
                constraint,
                extras=extra,
                groups=group,
                script=script,
            ),
            install_project=not no_install_project,
            frozen=frozen,
            dry_run=dry_run,
            plain=plain,
            checks=tuple(check or ()),
            compile_bytecode=not no_compile,
            probe=not no_probe,
            words=tuple(setup_words(sys.argv[2:])),
        )
        if not frozen:
            o.note_choice(project, extra, group, reporter)
        if in_place:
            from envtool.env.inplace import set_up_in_place

            result = set_up_in_place(project, layout, wanted, reporter)
        else:
            result = run_setup(project, layout, wanted, reporter)
        return setup_outcome(result, layout, time.monotonic() - start, dry_run=dry_run)

    run_command("setup", stage, as_json=json, quiet=quiet)


def _backend_name(
    cpu: bool, full: bool, backend: str | None, constraint: list[Path] | None, find_links: list[str] | None
) -> str:
    from envtool.errors import UsageError

    named = [name for name, given in (("cpu", cpu), ("full", full), (backend or "", backend)) if given]
    if len(named) != 1:
        message = "say which torch: --cpu or --full" if not named else f"choose one of {', '.join(named)}"
        # One dash makes other options of them: -c pu, and -f ull.
        typed = "cpu" if Path("pu") in (constraint or ()) else "full" if "ull" in (find_links or ()) else ""
        hint = f"Did you mean --{typed}? -{typed} is read as -{typed[0]} {typed[1:]}." if typed and not named else ""
        raise UsageError("usage.backend", message, hint or "envtool setup --cpu")
    return named[0]
