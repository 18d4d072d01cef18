"""``envtool model --load``: load models with the interpreter of an environment, on the CPU, and run them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envtool.adapters.process import clean_environment, run
from envtool.env import model_probe
from envtool.errors import EnvtoolError, UsageError
from envtool.torch.archive import ModelFile

_TIMEOUT = 600.0
DTYPES = frozenset(
    {*model_probe.DTYPES, *model_probe.DTYPES.values(), "uint16", "uint32", "uint64", "complex64", "complex128"}
)
"""Names of dtypes that an input may have."""
_NAMES = ", ".join(sorted(model_probe.DTYPES))
_SHAPE = re.compile(r"(?:\d{1,9}(?:x\d{1,9}){0,15})?(?::(\w+))?")
_VALUE = re.compile(r"-?\d+(\.\d+)?|true|false", re.IGNORECASE)
_NOTHING_TO_LOAD = frozenset({"unreadable", "not-a-model"})


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOptions:
    """How to load: the interpreter, the inputs of forward (``1x5:long``), an .npz, and whether code may run."""

    python: Path
    inputs: tuple[str, ...] = ()
    npz: Path | None = None
    unsafe: bool = False


def find_python(wanted: Path) -> Path:
    """The interpreter: a path to one, or to an environment. Raises UsageError (``model.python``) when there is none."""
    inside = wanted / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    for path in (inside, wanted):
        if path.is_file():
            # Not resolved: the environment's python is a link to the base interpreter, which has no torch.
            return path.absolute()
    hint = "Run `envtool setup --cpu` first, or name an interpreter with --python."
    raise UsageError("model.python", f"no interpreter at {wanted}", hint)


def check_inputs(texts: Sequence[str]) -> tuple[str, ...]:
    """The inputs as given. Raises UsageError (``usage.input``) for one that is neither a shape nor a plain value."""
    for text in texts:
        shape = _SHAPE.fullmatch(text)
        if _VALUE.fullmatch(text) or (text and shape and (shape[1] is None or shape[1] in DTYPES)):
            continue
        hint = (
            f"Write a shape (1x512), a shape with a dtype (1x5:long), or a value (16000, 0.5, true). Dtypes: {_NAMES}."
        )
        raise UsageError("usage.input", f"--input {text} is neither a shape nor a value", hint)
    return tuple(texts)


def load_model(row: ModelFile, path: Path, options: LoadOptions) -> dict[str, Any]:
    """Load one model in a child process and report: ``loaded``, ``forward``, ``finite``, ``same_twice``, ``runs``.

    Raises UsageError when the interpreter has no torch, or the .npz is none. A model that does not load, crashes the
    child or takes too long is a result (``error``), not an exception.
    """
    if row.kind in _NOTHING_TO_LOAD:
        return {"loaded": False, "skipped": "there is nothing to load"}
    if row.kind in ("package", "pickle") and not options.unsafe:
        return {"loaded": False, "skipped": "loading it runs code from the file: --unsafe-load allows it"}
    request = {
        "path": str(path.absolute()),
        "kind": row.kind,
        "inputs": list(options.inputs),
        "recorded": list(row.inputs),
        "npz": str(options.npz.absolute()) if options.npz else None,
        "unsafe": options.unsafe,
    }
    command: list[str | Path] = [options.python, "-I", "-W", "ignore", model_probe.__file__, json.dumps(request)]
    # A full torch sees no GPU either: the answer is about the CPU.
    environment = clean_environment({"CUDA_VISIBLE_DEVICES": "-1"})
    try:
        done = run(command, env=environment, timeout=_TIMEOUT)
    except EnvtoolError as error:
        if error.code == "process.timeout":
            return {"loaded": False, "error": f"it took more than {_TIMEOUT:.0f} s"}
        raise
    result = _result(done.stdout)
    if result is None:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"loaded": False, "error": f"the interpreter ended with status {done.returncode}: {last}"}
    if result.get("missing") == "torch":
        hint = "Name an interpreter that has torch with --python, or run `envtool setup --cpu`."
        raise UsageError("model.no-torch", f"{options.python} has no torch", hint)
    if "bad_input" in result:
        hint = "It is what numpy.savez writes: arrays of numbers, and no objects."
        raise UsageError("usage.input", f"--npz {options.npz} cannot be used: {result['bad_input']}", hint)
    return result


def _result(text: str) -> dict[str, Any] | None:
    for line in reversed(text.splitlines()):
        if line.startswith(model_probe.MARK):
            found = json.loads(line[len(model_probe.MARK) :])
            return found if isinstance(found, dict) else None
    return None


def load_failed(result: Mapping[str, Any]) -> bool:
    """Whether a report is about a model that does not work on the CPU."""
    if "skipped" in result:
        return False
    return not result["loaded"] or result.get("forward") == "failed" or result.get("finite") is False


def describe_load(result: Mapping[str, Any]) -> Sequence[str]:
    """A report as lines of text."""
    if "skipped" in result:
        return [f"  not loaded: {result['skipped']}"]
    if not result["loaded"]:
        return [f"  loading fails: {result['error']}"]
    lines = [f"  loaded with torch {result['torch']} in {result['seconds']:.2f} s"]
    if result["forward"] == "skipped":
        return [*lines, f"  not run: {result['reason']}"]
    if result["forward"] == "failed":
        return [*lines, f"  forward fails: {result['error']}"]
    finite = "finite" if result["finite"] else "NOT finite"
    same = "the same twice" if result["same_twice"] else "NOT the same twice"
    lines.append(f"  forward ({result['inputs']}): {', '.join(result['outputs'])}; {finite}, {same}")
    runs = result["runs"]
    times = ", ".join(f"{row['ms']:.2f} ms at {_threads(row['threads'])}" for row in runs)
    memory = f"; {result['memory'] / 1e6:.0f} MB" if result.get("memory") else ""
    lines.append(f"  {times}{memory}")
    worst = max(row["ms"] for row in runs)
    best = min(runs, key=lambda row: row["ms"])
    if len(runs) > 1 and worst > 1.5 * best["ms"]:
        times = f"{worst / best['ms']:.1f} times faster than the worst"
        lines.append(f"  best with torch.set_num_threads({best['threads']}): {times}")
    return lines


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
