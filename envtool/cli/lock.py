"""``envtool lock``: write lockfiles/."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from envtool.cli import completion
from envtool.cli import options as o
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.models import Outcome, Reporter


def lock(
    specifiers: o.Specifiers = None,
    requirement: o.RequirementFiles = None,
    constraint: o.ConstraintFiles = None,
    extra: o.Extras = None,
    group: o.Groups = None,
    script: o.Script = None,
    target: o.Targets = None,
    gpu_packages: o.GpuPackages = None,
    python: o.Python = None,
    torch_index: o.TorchIndex = None,
    find_links: o.FindLinks = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="cpu, full, cu126, rocm6.4, xpu, … Repeatable. Default: cpu, full.",
            autocompletion=completion.backends,
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 5 if the lock is stale.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change; write nothing.")] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", "-U", help="Take the newest versions of everything.")] = False,
    upgrade_package: Annotated[
        list[str] | None, typer.Option("--upgrade-package", "-P", metavar="NAME", help="Take the newest of this one.")
    ] = None,
    resolver: Annotated[
        str | None,
        typer.Option(
            "--resolver",
            metavar="uv|pip-tools",
            help="Who resolves. Default: uv.",
            autocompletion=completion.resolvers,
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Lock the project: torch from the PyTorch index, the rest as usual.

    Writes lockfiles/: names, versions, markers and hashes for up to four targets,
    with the cpu build and the full build of torch at the same version. No URL
    goes into a lock text, so one lock serves the public index, a mirror and a
    folder of wheels.

    \b
    Examples:
      envtool lock
      envtool lock --check                        in CI: exit 5 when stale
      envtool lock --upgrade-package numpy --diff
      envtool lock --target linux-x86_64 --target windows-amd64
      envtool lock --backend cpu --backend cu126

    Exit codes: 2 usage, 3 nothing needs torch, 4 no solution, 5 stale, no
    lock to check, or not to be written, 6 an index cannot be reached, 9
    another envtool at work.
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.env.generations import exclusive_if_used
        from envtool.env.records import layout_for
        from envtool.errors import UsageError
        from envtool.lock.stage import LockRequest, check_lock, lock_outcome, lock_project, write_lock
        from envtool.torch.backends import parse_backend

        if resolver not in (None, "uv", "pip-tools"):
            raise UsageError("usage.resolver", f"unknown resolver {resolver!r}", "It is uv or pip-tools.")
        project = o.open_here(
            targets=target, gpu_packages=gpu_packages, python=python, torch_index=torch_index, find_links=find_links
        )
        wanted = LockRequest(
            inputs=o.request_options(
                specifiers,
                requirement,
                constraint,
                extras=extra,
                groups=group,
                script=script,
            ),
            backends=tuple(parse_backend(name) for name in backend or ()),
            upgrade=upgrade,
            upgrade_packages=tuple(upgrade_package or ()),
            resolver=resolver,
            only_resolve=True,
            widen=True,
            writes=not diff,
        )
        if check:
            return check_lock(project, wanted)
        o.note_choice(project, extra, group, reporter)
        if diff:
            return lock_outcome(project, lock_project(project, wanted, reporter), (), wrote=False)
        layout = layout_for(project.root, project.settings.venv)
        with exclusive_if_used(layout) as held:
            result = lock_project(project, wanted, reporter)
            # Resolving takes its time: a setup may have begun meanwhile.
            with contextlib.nullcontext() if held else exclusive_if_used(layout):
                changed = write_lock(project, result)
        return lock_outcome(project, result, changed, wrote=True)

    run_command("lock", stage, as_json=json, quiet=quiet)
