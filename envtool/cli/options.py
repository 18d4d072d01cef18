"""Options that several commands share, with one help text each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from envtool.cli import completion
from envtool.errors import UsageError

if TYPE_CHECKING:
    from envtool.lock.request import RequestOptions
    from envtool.lock.workspace import Project
    from envtool.models import Reporter

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
    """The inputs that a command line names. Raises UsageError (``usage.*``) for what cannot be meant so."""
    from envtool.lock.request import RequestOptions

    _refuse_command(" ".join(specifiers or ()))
    for text in specifiers or ():
        _refuse_path(text)
    chosen = [f"--extra {name}" for name in extras or ()] + [f"--group {name}" for name in groups or ()]
    if chosen and (specifiers or files or script):
        what = "-r" if files else "--script" if script else "what the command line names"
        message = f"{what} replaces the project's requirements, which {' '.join(chosen)} adds to"
        raise UsageError("usage.extra", message, f"Leave out {what}, or {' '.join(chosen)}.")
    return RequestOptions(
        specifiers=tuple(specifiers or ()),
        files=tuple(files or ()),
        constraints=tuple(constraints or ()),
        extras=tuple(extras or ()),
        groups=tuple(groups or ()),
        script=script,
    )


def _refuse_command(text: str) -> None:
    """``pip install torch`` in words: pip and install are packages, too."""
    from envtool.lock.slips import is_command, nearest

    if is_command(text):
        raise UsageError(
            "usage.command", f"{' '.join(text.split()[:2])} is a command, not a requirement", nearest(text)
        )


def _refuse_path(text: str) -> None:
    """A file or folder in place of a requirement; ``requirements.txt`` could be the name of a package."""
    name = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if text.endswith((".txt", ".in")):
        raise UsageError("usage.file", f"{text} is no requirement", f"Did you mean -r {text}?")
    if text in (".", "./") or (name in ("pyproject.toml", "setup.py", "setup.cfg") and os.path.exists(text)):  # noqa: PTH110
        hint = "The project of this folder is set up without naming it: leave it out."
        raise UsageError("usage.file", f"{text} is no requirement", hint)


def note_choice(project: Project, extras: list[str] | None, groups: list[str] | None, reporter: Reporter) -> None:
    """Say how a choice of extras or groups is kept: without it, the next command takes its packages away again."""
    kept = [
        f"{key} = [{', '.join(json.dumps(name) for name in (*there, *new))}]"
        for key, there, given in (
            ("extras", project.settings.extras, extras),
            ("groups", project.settings.groups, groups),
        )
        if (new := [name for name in given or () if name not in there])
    ]
    if kept:
        words = " ".join([*(f"--extra {name}" for name in extras or ()), *(f"--group {name}" for name in groups or ())])
        reporter.note(
            f"without {words}, the next command leaves it out again; to keep it: {', '.join(kept)} in [tool.envtool]"
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
