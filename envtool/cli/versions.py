"""``envtool versions``: which builds there are, before anything is locked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from envtool.cli import completion
from envtool.cli import options as o
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.models import Outcome, Reporter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.requirements import Requirement

    from envtool.torch.availability import Availability
    from envtool.torch.select import Grid


def versions(
    packages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PACKAGE",
            help='Such as "torchvision>=0.27". Default: torch.',
            autocompletion=completion.packages,
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", metavar="NAME", help="cpu, cu126, cu128, rocm6.4, …", autocompletion=completion.backends
        ),
    ] = "cpu",
    python: Annotated[
        list[str] | None,
        typer.Option(
            "--python",
            "-p",
            metavar="VERSION",
            help="Only this Python. Repeatable.",
            autocompletion=completion.pythons,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="Only this target: linux-aarch64, … Repeatable.",
            autocompletion=completion.targets,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All releases, not the five newest.")] = False,
    torch_index: o.TorchIndex = None,
    find_links: o.FindLinks = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show which builds of torch there are, for which Pythons and platforms.

    Reads the PyTorch index of a backend. A + build that does not exist for
    your Python shows here before it fails in CI. A * marks releases for which
    the index advertises no sha256 yet: envtool lock then hashes the bytes.

    \b
    Examples:
      envtool versions
      envtool versions torch torchvision torchaudio --python 3.13
      envtool versions "torch==2.13.*" --backend cu130 --target linux-aarch64
      envtool versions --json | jq '.result.cells[] | select(.available)'

    Exit codes: 2 usage, 4 no such build, 6 the index cannot be reached.
    """

    def stage(reporter: Reporter) -> Outcome:
        from packaging.utils import canonicalize_name

        from envtool.lock.project import find_links_folders, index_access
        from envtool.lock.project import torch_index as index_of
        from envtool.torch.availability import cells, look_up
        from envtool.torch.backends import parse_backend
        from envtool.torch.offers import folders_named

        wanted = {canonicalize_name(item.name): item for item in map(_requirement, packages or ["torch"])}
        chosen = parse_backend(backend)
        grid = _grid(python or [], target or [])
        project = o.open_here(torch_index=torch_index, find_links=find_links)
        folders = find_links_folders(project, index_access(project, (), {}))
        reporter.phase("read", f"the {chosen.name} index")
        offers, notes = look_up(tuple(wanted), chosen, index_of(project), folders)
        for note in notes:
            reporter.note(note.message)
        specifiers = {name: item.specifier for name, item in wanted.items()}
        found = cells(offers, specifiers, chosen, grid, None if everything else 5)
        fallen_back = any(note.code == "torch-index.find-links" for note in notes)
        place = f"in {folders_named(folders)}" if fallen_back else f"on the {chosen.name} index"
        result = {"cells": [cell.as_dict() for cell in found], "notes": [note.as_dict() for note in notes]}
        return Outcome(result=result, text=_text(found, grid, place))

    run_command("versions", stage, as_json=json, quiet=quiet)


def _requirement(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    from envtool.errors import UsageError
    from envtool.lock.requirements_file import why_invalid

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        message = f"{text!r} is no requirement: {why_invalid(text, error)}"
        raise UsageError("versions.package", message, "Such as torch==2.13.*") from None
    if requirement.url is not None:
        message = f"{requirement.name} is given by a link, which is one build and no range of them"
        raise UsageError("versions.package", message, "Such as torch==2.13.*")
    return requirement


def _grid(pythons: list[str], targets: list[str]) -> Grid:
    from envtool.errors import UsageError
    from envtool.models import SUPPORTED_PYTHONS
    from envtool.torch.select import Grid
    from envtool.torch.targets import TARGETS, parse_target

    for python in pythons:
        if python not in SUPPORTED_PYTHONS:
            hint = f"Pythons are {', '.join(SUPPORTED_PYTHONS)}."
            raise UsageError("python.unsupported", f"{python!r} is no Python that envtool supports", hint)
    chosen = [parse_target(name) for name in targets] or list(TARGETS.values())
    asked = tuple(python for python in SUPPORTED_PYTHONS if python in pythons) or SUPPORTED_PYTHONS
    return Grid(targets=tuple(dict.fromkeys(chosen)), pythons=asked, primary=asked[-1], host=None)


def _text(found: Sequence[Availability], grid: Grid, place: str) -> str:
    from envtool.reports.tables import table
    from envtool.torch.availability import spans

    blocks = []
    for package in dict.fromkeys(cell.package for cell in found):
        own = [cell for cell in found if cell.package == package]
        rows = []
        for public in dict.fromkeys(cell.public for cell in own):
            builds = [cell for cell in own if cell.public == public and cell.available]
            star = "" if all(cell.hashed for cell in builds) else "*"
            has = [spans(b.python for b in builds if b.platform == t.name) for t in grid.targets]
            rows.append([f"{public}{star}", *has])
        blocks.append(f"{package} {place}\n" + table(["release", *(t.name for t in grid.targets)], rows))
    if any(cell.available and not cell.hashed for cell in found):
        blocks.append("* no sha256 is advertised for some of its builds: envtool lock hashes the bytes itself")
    return "\n\n".join(blocks)
