"""What torch did when the probe used it."""

from __future__ import annotations

import math

from envtool.env.checks.case import Case
from envtool.models import CheckResult

_EXPECTED_OPS: dict[str, object] = {
    "matmul": [[5.0, 14.0], [14.0, 50.0]],
    "conv2d": [4.0, 4.0, 4.0, 4.0],
    "solve": [0.8, 1.4],
}


def interpreter(case: Case) -> CheckResult:
    """The environment's interpreter starts and gives evidence."""
    check = "interpreter"
    evidence = case.evidence
    if evidence.failure:
        why = "An environment whose Python does not run is of no use, whatever lies in its folders."
        fix = f"See that this Python still exists and runs. {case.rebuild}"
        return case.failed(check, evidence.failure, why=why, fix=fix)
    if evidence.interpreter is None:
        return case.skipped(check, "not started: only files were read")
    markers = evidence.interpreter.markers
    return case.passed(check, f"{markers['platform_python_implementation']} {markers['python_full_version']} runs")


def torch_import(case: Case) -> CheckResult:
    """``import torch`` works."""
    check = "torch-import"
    step = case.step(check, "import-torch")
    if isinstance(step, CheckResult):
        return step
    if not step.ok:
        why = "Files are missing or damaged, or a system library that torch needs is not there."
        return case.failed(check, f"import torch: {step.error}", why=why)
    return case.passed(check, f"torch {step.values['version']} imported in {step.values['seconds']:.1f} s")


def cuda_not_built(case: Case) -> CheckResult:
    """torch itself says that it was compiled without CUDA."""
    return _cuda_flag(case, "cuda-not-built", "built", "torch.backends.cuda.is_built()")


def cuda_unavailable(case: Case) -> CheckResult:
    """torch finds no GPU to use. No proof by itself, but code asks this question."""
    return _cuda_flag(case, "cuda-unavailable", "available", "torch.cuda.is_available()")


def _cuda_flag(case: Case, check: str, key: str, call: str) -> CheckResult:
    step = case.step(check, "cuda")
    if isinstance(step, CheckResult):
        return step
    if not step.ok:
        return case.failed(check, f"{call}: {step.error}", why="A CPU build answers False.")
    if step.values[key]:
        why = "A CPU build answers False; this torch was compiled for CUDA or ROCm."
        return case.failed(check, f"{call} is True", why=why)
    return case.passed(check, f"{call} is False")


def cuda_built(case: Case) -> CheckResult:
    """For a GPU build: torch says that it was compiled with CUDA, where its version.py says so."""
    check = "cuda-built"
    step = case.step(check, "cuda")
    if isinstance(step, CheckResult):
        return step
    build = case.evidence.torch
    if build is None or (build.cuda is None and build.hip is None):
        return case.skipped(check, "on this platform the full build is one for CPU")
    if not step.ok or not step.values["built"]:
        found = step.error or "torch.backends.cuda.is_built() is False"
        return case.failed(check, found, why="torch/version.py names CUDA: library and Python files do not fit.")
    return case.passed(check, "torch.backends.cuda.is_built() is True")


def tensor_op(case: Case) -> CheckResult:
    """Matrix product, convolution and linear solve give the right numbers."""
    check = "tensor-op"
    step = case.step(check, "tensor-op")
    if isinstance(step, CheckResult):
        return step
    why = "Every model is made of these operations."
    if not step.ok:
        return case.failed(check, f"a tensor operation raised {step.error}", why=why)
    wrong = [name for name, value in _EXPECTED_OPS.items() if not _close(step.values.get(name), value)]
    if wrong:
        found = f"wrong numbers from {' and '.join(wrong)}: {', '.join(str(step.values.get(name)) for name in wrong)}"
        return case.failed(check, found, why=why)
    return case.passed(check, "matmul, conv2d and linalg.solve give the right numbers")


def numpy_interop(case: Case) -> CheckResult:
    """Tensors go to NumPy and back, where NumPy is installed (a torch built for NumPy 1 cannot, with NumPy 2)."""
    check = "numpy-interop"
    if case.evidence.find("numpy") is None:
        return case.skipped(check, "numpy is not installed")
    step = case.step(check, "numpy")
    if isinstance(step, CheckResult):
        return step
    why = "`tensor.numpy()` and `torch.from_numpy()` are how models meet the rest of a program."
    if not step.ok or not _close(step.values.get("sum"), 6.0):
        return case.failed(check, step.error or f"1.5 + 2.5 + 2 gave {step.values.get('sum')}", why=why)
    return case.passed(check, f"torch and numpy {step.values['version']} share memory")


def torchscript_construct(case: Case) -> CheckResult:
    """The private constructor that loading TorchScript needs is there; PYTORCH_JIT=0 takes it away."""
    check = "torchscript-construct"
    step = case.step(check, "torchscript-construct")
    if isinstance(step, CheckResult):
        return step
    if step.ok and step.values["construct"]:
        return case.passed(check, "RecursiveScriptModule._construct is there")
    why = "torch.jit.load calls it: no TorchScript model can be loaded without."
    fix = ""
    if case.evidence.interpreter is not None and case.evidence.interpreter.environment.get("PYTORCH_JIT") == "0":
        fix = "PYTORCH_JIT=0 is set: unset it."
    return case.failed(check, step.error or "RecursiveScriptModule has no attribute _construct", why=why, fix=fix)


def torchscript(case: Case) -> CheckResult:
    """A module is scripted, saved, loaded with map_location='cpu', and gives the same numbers as before."""
    check = "torchscript"
    step = case.step(check, "torchscript")
    if isinstance(step, CheckResult):
        return step
    why = "Models that are shipped as TorchScript must load and run on CPU."
    if not step.ok:
        return case.failed(check, f"script, save, load, forward: {step.error}", why=why)
    eager, loaded, device = (step.values.get(name) for name in ("eager", "loaded", "device"))
    if not (_close(eager, [23.0]) and _close(loaded, eager) and device == "cpu"):
        return case.failed(check, f"eager gave {eager}, the loaded module {loaded} on {device}, not [23.0]", why=why)
    return case.passed(check, "script, save, load(map_location='cpu') and forward agree")


def torchvision_nms(case: Case) -> CheckResult:
    """torchvision's compiled operator nms runs and keeps the right boxes."""
    return _companion(case, "torchvision-nms", "torchvision", "kept", [0, 2])


def torchaudio_filter(case: Case) -> CheckResult:
    """torchaudio's compiled filter runs and gives the right samples."""
    return _companion(case, "torchaudio", "torchaudio", "filtered", [1.0, 0.5, 0.25, 0.125])


def _companion(case: Case, check: str, package: str, key: str, expected: object) -> CheckResult:
    if package not in case.evidence.builds and case.evidence.find(package) is None:
        return case.skipped(check, f"{package} is not installed")
    step = case.step(check, package)
    if isinstance(step, CheckResult):
        return step
    why = f"{package}'s compiled part must be built for exactly this torch; only a call shows it."
    fix = f"Install {package} from the same index as torch. {case.rebuild}"
    if not step.ok:
        return case.failed(check, step.error, why=why, fix=fix)
    if not _close(step.values.get(key), expected):
        return case.failed(check, f"gave {step.values.get(key)}, not {expected}", why=why, fix=fix)
    return case.passed(check, f"{package} {step.values['version']} runs and gives the right answer")


def _close(value: object, expected: object) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(_close(one, other) for one, other in zip(value, expected, strict=True))
        )
    return (
        isinstance(value, (int, float))
        and isinstance(expected, (int, float))
        and math.isclose(value, expected, rel_tol=1e-4, abs_tol=1e-5)
    )
