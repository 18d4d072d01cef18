"""``envtool model``: will these model files load on CPU-only torch?"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from envtool.cli import completion
from envtool.cli.output import JsonOption, QuietOption, run_command
from envtool.errors import UsageError
from envtool.models import Outcome, Reporter


class FailOn(str, Enum):
    """When to exit with 10."""

    error = "error"
    warning = "warning"
    never = "never"


def model(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Model files, or folders to search.")],
    *,
    fail_on: Annotated[
        FailOn,
        typer.Option(
            metavar="LEVEL",
            help="Exit 10: error, for a model that cannot run on a CPU; warning, also if it needs map_location; never.",
        ),
    ] = FailOn.error,
    load: Annotated[bool, typer.Option("--load", help="Also load and run each model in an environment.")] = False,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            "-p",
            metavar="PATH|VERSION",
            help="Environment for --load. Default: .venv.",
            autocompletion=completion.pythons,
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="SHAPE", help="An input of forward: 1x5, 1x5:long, 16000, true. Repeatable."),
    ] = None,
    npz: Annotated[Path | None, typer.Option(metavar="FILE", help="Inputs of forward from an .npz, in order.")] = None,
    unsafe_load: Annotated[
        bool, typer.Option("--unsafe-load", help="Let --load run code from the file (torch.package, full unpickling).")
    ] = False,
    rewrite: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a CPU copy of one model that was saved on a GPU.")
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say whether model files load on CPU-only torch, without loading them.

    Reads TorchScript, checkpoints (new and legacy), state dicts, torch.package,
    pt2, safetensors and plain pickles by their structure. Nothing is unpickled,
    so a file from a stranger is safe to look at.

    Each file gets a verdict, with the reason: it loads as it is, it loads with
    map_location="cpu", or it does not run on a CPU (its code fixes a device).
    A plain pickle is for pickle.load: torch.load does not read it.

    With --load, each model is also loaded there and run: are the outputs finite
    and the same twice, how long does it take, with how many threads.

    \b
    Examples:
      envtool model model.pt
      envtool model models/ --json
      envtool model *.jit --fail-on warning
      envtool model gpu.pt --rewrite cpu.pt
      envtool model vad.jit --load --input 1x512 --input 16000

    Exit codes: 10 a model that will not run or cannot be judged, 3 no model
    files, 2 usage.
    """

    def stage(reporter: Reporter) -> Outcome:
        from envtool.cli.options import open_here
        from envtool.env.model_load import LoadOptions, check_inputs, find_python
        from envtool.env.models import Inspection, inspect_models, rewrite_model
        from envtool.env.verify import named_environment

        options = None
        if load:
            given = check_inputs(inputs or ())
            if npz is not None and not npz.is_file():
                raise UsageError("usage.input", f"no such file: {npz}", "Give an .npz of NumPy arrays.")
            environment = named_environment(python) if python is not None else Path(open_here().settings.venv)
            options = LoadOptions(python=find_python(environment), inputs=given, npz=npz, unsafe=unsafe_load)
        elif inputs or npz or unsafe_load or python is not None:
            raise UsageError("usage.load", "--python, --input, --npz and --unsafe-load need --load", "Add --load.")
        if rewrite is not None:
            if len(paths) != 1:
                raise UsageError("usage.rewrite", "--rewrite takes one model file", "Rewrite them one by one.")
            return rewrite_model(paths[0], rewrite, options, reporter)
        return inspect_models(paths, Inspection(fail_on=fail_on.value, load=options), reporter)

    run_command("model", stage, as_json=as_json, quiet=quiet)
