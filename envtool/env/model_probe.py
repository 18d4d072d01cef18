"""Loads one model in the target interpreter and prints what happened as JSON. Runs there: standard library and torch.

Called as ``python -I model_probe.py REQUEST``, a JSON object: path, kind, inputs, npz, unsafe. Always on the CPU.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
import traceback
from typing import Any

MARK = "envtool-model-probe:"
_RUN_SECONDS = 0.6
_MAX_RUNS = 200
_REASONS = {
    "state-dict": "it holds tensors, and no module that runs",
    "package": "only its own program knows how to run its objects",
}
DTYPES = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "byte": "uint8",
    "char": "int8",
    "bool": "bool",
    "bfloat16": "bfloat16",
}


class BadInputError(Exception):
    """The file of inputs is none."""


def load(request: dict[str, Any]) -> tuple[Any, Any]:
    """The loaded object, and its callable or None. Raises whatever torch raises."""
    import torch

    path, kind = request["path"], request["kind"]
    if kind == "torchscript":
        model = torch.jit.load(path, map_location="cpu")
        return model, model.eval()
    if kind == "pt2":
        program = torch.export.load(path)
        return program, program.module()
    if kind == "package":
        return load_package(path), None
    if kind == "safetensors":
        from safetensors.torch import load_file

        return load_file(path, device="cpu"), None
    loaded = torch.load(path, map_location="cpu", weights_only=not request["unsafe"])
    return loaded, loaded.eval() if isinstance(loaded, torch.nn.Module) else None


def load_package(path: str) -> Any:
    """Every pickle of a package. Runs code of the package: the caller asked for it with --unsafe-load."""
    from torch.package import PackageImporter

    importer = PackageImporter(path)
    found = {}
    for name in importer.zip_reader.get_all_records():
        head = importer.zip_reader.get_record(name)[:2]
        if head[:1] == b"\x80" and not name.startswith((".data/", "data/")):
            package, _, resource = name.rpartition("/")
            found[name] = importer.load_pickle(package.replace("/", "."), resource, map_location="cpu")
    if not found:
        raise ValueError("the package holds no pickle")
    return found


def parse_input(text: str) -> Any:
    """``1x5:long`` is a tensor, ``16000``, ``0.5`` and ``true`` are plain values."""
    import torch

    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    match = re.fullmatch(r"(\d+(?:x\d+)*)?(?::(\w+))?", text)
    if match is None:
        return float(text)
    shape = [int(part) for part in match.group(1).split("x")] if match.group(1) else []
    name = match.group(2) or "float"
    dtype = getattr(torch, DTYPES.get(name, name))
    torch.manual_seed(0)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape).to(dtype)
    return torch.zeros(shape, dtype=dtype)


def given_inputs(request: dict[str, Any]) -> list[Any] | None:
    """What the user gave: --input in order, or the arrays of an .npz in order."""
    import torch

    if request["npz"]:
        import numpy

        try:
            with numpy.load(request["npz"], allow_pickle=False) as arrays:
                return [torch.from_numpy(arrays[name]) for name in arrays.files]
        except Exception as error:
            raise BadInputError(short(error)) from error
    if request["inputs"]:
        return [parse_input(text) for text in request["inputs"]]
    return None


def found_inputs(request: dict[str, Any], loaded: Any, model: Any) -> list[tuple[str, list[Any]]]:
    """Inputs to try: recorded ones, else guesses from the schema and the shapes of the weights."""
    recorded = recorded_inputs(request, loaded)
    if recorded is not None:
        return [("recorded in the file", recorded)]
    try:
        arguments = list(model.forward.schema.arguments)[1:]
    except (AttributeError, RuntimeError):
        return []
    plain = {"int": 16000, "float": 1.0, "bool": False, "str": ""}
    needed = [argument for argument in arguments if not argument.has_default_value()]
    kinds = [str(argument.type) for argument in needed]
    if any(kind not in plain and kind != "Tensor" for kind in kinds):
        return []
    tries = []
    for shape in itertools.islice(shapes_of(model), 24):
        values = [plain.get(kind, shape) for kind in kinds]
        words = " ".join(str(value) for value in values)
        tries.append((f"guessed: {words}", [parse_input(v) if isinstance(v, str) and v else v for v in values]))
    return tries


def recorded_inputs(request: dict[str, Any], loaded: Any) -> list[Any] | None:
    """Example inputs that an exported program keeps, or inputs of the shapes that a traced module recorded."""
    example = getattr(loaded, "example_inputs", None)
    if isinstance(example, tuple) and len(example) == 2 and not example[1]:
        return list(example[0])
    return [parse_input(text) for text in request["recorded"]] or None


def shapes_of(model: Any) -> Any:
    """Likely input shapes from the first weight: convolutions, embeddings, linear layers; then common ones."""
    weights = [value for value in model.state_dict().values() if value.dim() > 1]
    for weight in weights[:2]:
        shape = list(weight.shape)
        if len(shape) == 4:
            yield f"1x{shape[1]}x224x224"
            yield f"1x{shape[1]}x28x28"
        elif len(shape) == 3:
            yield f"1x{shape[1]}x16000"
        elif len(shape) == 2:
            yield f"1x{shape[1]}"
            yield "1x4:long"
    yield from ("1x512", "1x16000", "512", "1x80x100", "1x3x224x224", "1x1x28x28", "1x4:long", "4:long", "1:float")


def tensors_in(value: Any) -> list[Any]:
    """All tensors in nested lists, tuples and dicts."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors_in(item)]
    return []


def call(model: Any, values: list[Any]) -> Any:
    """One forward, without gradients, from the same seed."""
    import torch

    torch.manual_seed(0)
    with torch.inference_mode():
        return model(*values)


def measure(model: Any, values: list[Any]) -> list[dict[str, Any]]:
    """Median milliseconds of a forward at 1, 2, 4, … and all threads, and the peak memory so far."""
    import torch

    everything = torch.get_num_threads()
    counts = sorted({1, everything, *(2**power for power in range(1, 8) if 2**power < everything)})
    rows = []
    for threads in counts:
        torch.set_num_threads(threads)
        for _ in range(2):
            call(model, values)
        times: list[float] = []
        end = time.perf_counter() + _RUN_SECONDS
        while len(times) < 3 or (time.perf_counter() < end and len(times) < _MAX_RUNS):
            start = time.perf_counter()
            call(model, values)
            times.append(time.perf_counter() - start)
        rows.append(
            {"threads": threads, "ms": round(sorted(times)[len(times) // 2] * 1000, 3), "memory": peak_memory()}
        )
    return rows


def peak_memory() -> int | None:
    """The highest resident size of this process in bytes, where the system tells."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forward(request: dict[str, Any], loaded: Any, model: Any) -> dict[str, Any]:
    """Run the model: are the outputs finite, are they the same in a fresh copy, how long does it take."""
    import torch

    given = given_inputs(request)
    tries = [("given", given)] if given is not None else found_inputs(request, loaded, model)
    problem = ""
    for source, values in tries:
        try:
            first = call(model, values)
        except Exception as error:
            # Of several guesses the first is the best, and so is its error.
            problem = problem or short(error)
            if given is not None or "Could not run 'aten::" in problem:
                return {"forward": "failed", "error": problem}
            continue
        again = call(load(request)[1], values)
        pairs = list(zip(tensors_in(first), tensors_in(again), strict=False))
        floats = [tensor for tensor, _ in pairs if tensor.is_floating_point()]
        runs = measure(load(request)[1], values)
        return {
            "forward": "ok",
            "inputs": source,
            "outputs": [
                f"{'x'.join(map(str, tensor.shape)) or 'scalar'}:{str(tensor.dtype)[6:]}" for tensor, _ in pairs
            ],
            "finite": all(bool(torch.isfinite(tensor).all()) for tensor in floats),
            "same_twice": bool(pairs) and all(torch.equal(a, b) for a, b in pairs),
            "runs": runs,
            "best_threads": min(runs, key=lambda row: row["ms"])["threads"],
        }
    reason = "give its inputs with --input" + (f" (a guess gave {problem})" if problem else "")
    return {"forward": "skipped", "reason": reason}


def short(error: BaseException) -> str:
    """One line of an error: of TorchScript's long traces, the line that names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if re.match(r"\w*(Error|Exception): ", line)]
    text = causes[-1] if causes else f"{type(error).__name__}: {lines[0] if lines else ''}"
    # The rest of torch's message about a missing backend lists every backend there is.
    return text.partition(" This could be because")[0][:300]


def main() -> None:
    """Load, run, and print one line of JSON after the mark."""
    request = json.loads(sys.argv[1])
    result: dict[str, Any] = {"loaded": False}
    try:
        import torch

        result["torch"] = str(torch.__version__)
        start = time.perf_counter()
        loaded, model = load(request)
        result.update(loaded=True, seconds=round(time.perf_counter() - start, 3))
        if model is None:
            result.update(forward="skipped", reason=_REASONS.get(request["kind"], "it holds no module that runs"))
        else:
            result.update(forward(request, loaded, model))
        result["memory"] = peak_memory()
    except BadInputError as error:
        result["bad_input"] = str(error)
    except ImportError as error:
        result["error"] = short(error)
        result["missing"] = error.name
    except Exception as error:
        result.update(error=short(error), forward="failed")
        if os.environ.get("ENVTOOL_DEBUG"):
            traceback.print_exc()
    sys.stdout.write(f"\n{MARK}{json.dumps(result)}\n")


if __name__ == "__main__":
    main()
