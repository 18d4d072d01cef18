"""``envtool model``: will these model files load on CPU-only torch?"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.models import Outcome, Reporter


class FailOn(str, Enum):
    """When to exit with 10."""

    error = "error"
    warning = "warning"
    never = "never"


def model(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Model files, or folders to search.")],
    fail_on: Annotated[
        FailOn,
        typer.Option(help="Exit 10 for a model that cannot run on a CPU (error), or also if it needs map_location."),
    ] = FailOn.error,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say whether model files load on CPU-only torch, without loading them.

    Reads TorchScript, checkpoints (new and legacy), state dicts, torch.package,
    pt2, safetensors and plain pickles by their structure. Nothing is unpickled,
    so a file from a stranger is safe to look at.

    Each file gets a verdict, with the reason: it loads as it is, it loads with
    map_location="cpu", or it does not run on a CPU (its code fixes a device).

    \b
    Examples:
      envtool model model.pt
      envtool model models/ --json
      envtool model *.jit --fail-on warning
    """

    def stage(_: Reporter) -> Outcome:
        from envtool.env.models import inspect_models

        return inspect_models(paths, fail_on.value)

    run_command("model", stage, as_json=as_json, quiet=quiet)
