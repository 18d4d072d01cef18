"""Options that several commands share, with one help text each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from envtool.cli import completion
from envtool.errors import UsageError

if TYPE_CHECKING:
    from envtool.lock.request import RequestOptions
    from envtool.lock.workspace import Project

_INPUTS = "Inputs"
_ENVIRONMENT = "Environment"

Specifiers = Annotated[
    list[str] | None,
    typer.Argument(metavar="REQUIREMENT", help='Such as torch "numpy<3". Default: the project\'s.'),
]
RequirementFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--requirement", "-r", metavar="FILE", help="Read a requirements file. Repeatable.", rich_help_panel=_INPUTS
    ),
]
ConstraintFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--constraint", "-c", metavar="FILE", help="Read a constraints file. Repeatable.", rich_help_panel=_INPUTS
    ),
]
Extras = Annotated[
    list[str] | None,
    typer.Option("--extra", metavar="NAME", help="Add an extra of the project. Repeatable.", rich_help_panel=_INPUTS),
]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="NAME", help="Add a dependency group (PEP 735).", rich_help_panel=_INPUTS),
]
Script = Annotated[
    Path | None,
    typer.Option("--script", metavar="FILE", help="Read a script's own metadata (PEP 723).", rich_help_panel=_INPUTS),
]
NoInstallProject = Annotated[
    bool,
    typer.Option(
        "--no-install-project", help="Do not install the project, nor other local ones.", rich_help_panel=_INPUTS
    ),
]
Python = Annotated[
    str | None,
    typer.Option(
        "--python",
        "-p",
        metavar="VERSION|PATH",
        help="Python to use: 3.11, or a path.",
        rich_help_panel=_ENVIRONMENT,
        autocompletion=completion.pythons,
    ),
]
TorchIndex = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Base of the PyTorch index or a mirror; /cpu is appended.", rich_help_panel=_ENVIRONMENT
    ),
]
FindLinks = Annotated[
    list[str] | None,
    typer.Option(
        "--find-links", "-f", metavar="DIR|URL", help="A folder of wheels. Repeatable.", rich_help_panel=_ENVIRONMENT
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="TARGET",
        help="Lock for this target only. Repeatable.",
        rich_help_panel=_INPUTS,
        autocompletion=completion.targets,
    ),
]
GpuPackages = Annotated[
    str | None,
    typer.Option(
        metavar="POLICY",
        help="GPU packages in a cpu lock: drop, refuse, keep.",
        rich_help_panel=_INPUTS,
        autocompletion=completion.gpu_policies,
    ),
]


def request_options(
    specifiers: list[str] | None,
    files: list[Path] | None,
    constraints: list[Path] | None,
    *,
    extras: list[str] | None = None,
    groups: list[str] | None = None,
    script: Path | None = None,
) -> RequestOptions:
    """The inputs that a command line names."""
    from envtool.lock.request import RequestOptions

    return RequestOptions(
        specifiers=tuple(specifiers or ()),
        files=tuple(files or ()),
        constraints=tuple(constraints or ()),
        extras=tuple(extras or ()),
        groups=tuple(groups or ()),
        script=script,
    )


def open_here(**overrides: Any) -> Project:
    """The project of the current folder, with the options that were given over its settings.

    Raises UsageError for a bad setting or option.
    """
    from envtool.lock.workspace import open_project
    from envtool.settings import read_settings

    # The command line's values go through the same checks as the settings of the same name.
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise UsageError("usage.folder", "the current folder is gone", "Change into a folder that exists.") from None
    given = {key: value for key, value in overrides.items() if value not in (None, [], ())}
    checked: dict[str, Any] = {}
    for key, value in given.items():
        setting = key.replace("_", "-")
        option = {"targets": "target", "checks": "check"}.get(setting, setting)
        checked[key] = getattr(read_settings({setting: value}, {}, where=f"--{option}"), key)
    return open_project(here, checked)
