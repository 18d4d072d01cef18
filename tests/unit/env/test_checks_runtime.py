"""The checks about what torch does, on steps as a probe tells them."""

from __future__ import annotations

import pytest
from judging import MACOS, STEPS, gather, run

from envtool.env.checks import Case
from envtool.env.evidence import Evidence
from envtool.env.verify import judge
from envtool.torch.backends import CPU, FULL


def test_an_import_that_fails_skips_what_comes_after(site):
    site.torch()
    steps = {"import-torch": "libgomp.so.1: cannot open shared object file\nand a page of text"}
    result = run(site, "torch-import", steps=steps)
    assert result.found == "import torch: RuntimeError: libgomp.so.1: cannot open shared object file"
    report = judge(Case(evidence=gather(site, steps=steps), expected=CPU))
    assert [check.id for check in report.failures] == ["torch-import"]


@pytest.mark.parametrize(
    ("check", "step", "value", "found"),
    [
        ("cuda-not-built", "cuda", {**STEPS["cuda"], "built": True}, "torch.backends.cuda.is_built() is True"),
        ("cuda-unavailable", "cuda", {**STEPS["cuda"], "available": True}, "torch.cuda.is_available() is True"),
        ("cuda-not-built", "cuda", "boom", "torch.backends.cuda.is_built(): RuntimeError: boom"),
        ("tensor-op", "tensor-op", {**STEPS["tensor-op"], "solve": [0.8, 1.5]}, "wrong numbers from solve: [0.8, 1.5]"),
        ("tensor-op", "tensor-op", "boom", "a tensor operation raised RuntimeError: boom"),
        ("torchscript", "torchscript", {**STEPS["torchscript"], "loaded": [22.0]}, None),
        ("torchscript", "torchscript", {**STEPS["torchscript"], "device": "cuda:0"}, None),
        ("torchscript", "torchscript", {"eager": [1.0], "loaded": [1.0], "device": "cpu"}, None),
        ("torchscript", "torchscript", {"eager": [float("nan")], "loaded": [float("nan")], "device": "cpu"}, None),
        ("torchscript", "torchscript", "boom", "script, save, load, forward: RuntimeError: boom"),
        ("torchscript-construct", "torchscript-construct", {"construct": False}, None),
        ("numpy-interop", "numpy", "Numpy is not available", "RuntimeError: Numpy is not available"),
        ("numpy-interop", "numpy", {"version": "2", "sum": 5.0}, None),
        ("torchvision-nms", "torchvision", "operator torchvision::nms does not exist", None),
        ("torchvision-nms", "torchvision", {"version": "0.28.0", "kept": [0, 1, 2]}, "gave [0, 1, 2], not [0, 2]"),
        ("torchaudio", "torchaudio", {"version": "2.11.0", "filtered": [1.0, 0.0, 0.0, 0.0]}, None),
    ],
)
def test_each_step_that_goes_wrong(site, check, step, value, found):
    site.torch()
    for name in ("numpy", "torchvision", "torchaudio"):
        site.add(name, "1.0")
    assert run(site, check, steps=STEPS).status == "pass"
    result = run(site, check, steps={**STEPS, step: value})
    assert result.status == "fail"
    assert found is None or result.found == found


def test_pytorch_jit_0_is_named_as_the_cause(site):
    site.torch()
    steps = {**STEPS, "torchscript-construct": {"construct": False}}
    result = run(site, "torchscript-construct", steps=steps, environment={"PYTORCH_JIT": "0"})
    assert result.fix == "PYTORCH_JIT=0 is set: unset it."


def test_cuda_built_of_full_torch(site):
    site.torch("2.13.0", inside="2.13.0+cu130", cuda="13.0")
    assert run(site, "cuda-built", expected=FULL, steps=STEPS).status == "fail"


def test_cuda_built_is_not_asked_of_a_full_torch_for_cpu(site):
    site.torch("2.13.0")
    assert run(site, "cuda-built", expected=FULL, steps=STEPS, markers=MACOS).status == "skip"


def test_static_runs_no_step(site):
    site.torch()
    report = judge(Case(evidence=gather(site), expected=CPU))
    skipped = {check.id for check in report.checks if check.status == "skip"}
    assert {"interpreter", "torch-import", "tensor-op", "torchscript", "cuda-not-built"} <= skipped
    assert report.ok
    assert report.python == "3.11"


def test_a_broken_interpreter_blames_nothing_else():
    report = judge(Case(evidence=Evidence(failure="cannot run python"), expected=CPU))
    assert [check.id for check in report.failures] == ["interpreter"]
    assert {check.status for check in report.checks} == {"fail", "skip"}
    assert report.python is None
