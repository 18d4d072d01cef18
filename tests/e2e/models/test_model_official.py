"""The static reader against torch itself, and loading and rewriting with the real thing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application
from envtool.torch.archive import read_model, read_row
from envtool.torch.archive.rewrite import rewrite_for_cpu

sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "torch" / "archive"))
from test_archive_limits import mutate, mutate_inside

# What they share takes long to make: they stay in one worker of the runner.
pytestmark = [pytest.mark.official, pytest.mark.xdist_group("models")]

_COMPARE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import torch
def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.device.type == b.device.type == "cpu" and torch.equal(a, b)
    if isinstance(a, torch.device):
        return a.type == "cpu"
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b
def load(path, kind, **where):
    if kind == "torchscript":
        module = torch.jit.load(path, **where)
        return {"out": module(torch.ones(1, 5)), **module.state_dict()}
    return torch.load(path, weights_only=True, **where)
result = {}
for name, kind, copy, original in json.loads(sys.argv[1]):
    result[name] = same(load(copy, kind), load(original, kind, map_location="cpu"))
print(json.dumps(result))
"""


def model(*words: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(application("model"), ["model", *map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)["result"]


def test_every_verdict_is_what_torch_does(archives: Path, truth: dict[str, dict[str, str]]) -> None:
    assert len(truth) >= 50
    rows = {name: read_model(archives / name) for name in truth}
    found = {name: {"kind": row.kind, "form": row.form, "verdict": row.verdict} for name, row in rows.items()}
    assert found == truth


def test_rewritten_copies_load_without_map_location(
    archives: Path, truth: dict[str, dict[str, str]], torch_python: Path, tmp_path: Path
) -> None:
    work = []
    for name, what in truth.items():
        if what["kind"] in ("torchscript", "checkpoint", "state-dict") and what["verdict"] == "map-location":
            assert rewrite_for_cpu(archives / name, tmp_path / name).verdict == "cpu"
            work.append((name, what["kind"], str(tmp_path / name), str(archives / name)))
    assert len(work) >= 18
    done = subprocess.run(
        [torch_python, "-I", "-c", _COMPARE, json.dumps(work)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: True for name, *_ in work}


def test_device_attribute_is_rewritten_so_that_forward_runs(archives: Path, torch_python: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pt"
    code, result = model(archives / "placed-cuda.pt", "--rewrite", out, "--load", "--python", torch_python)
    assert code == 0
    assert result["files"][0]["load"]["forward"] == "ok"


def test_load_runs_a_traced_model_with_its_recorded_inputs(archives: Path, torch_python: Path) -> None:
    code, result = model(archives / "traced-cuda.pt", "--load", "--python", torch_python)
    load = result["files"][0]["load"]
    assert code == 0
    assert (load["loaded"], load["forward"], load["inputs"]) == (True, "ok", "recorded in the file")
    assert (load["outputs"], load["finite"], load["same_twice"]) == (["1x3:float32"], True, True)
    assert load["runs"][0]["threads"] == 1
    assert load["best_threads"] in [run["threads"] for run in load["runs"]]
    assert load["torch"] == "2.13.0+cpu"


def test_load_with_given_inputs(archives: Path, torch_python: Path, tmp_path: Path) -> None:
    script = "import numpy; numpy.savez('in.npz', x=numpy.ones((2, 5), dtype='float32'))"
    subprocess.run([torch_python, "-c", script], cwd=tmp_path, check=True)
    path = archives / "frozen-cpu.pt"
    for words in (["--input", "2x5"], ["--npz", tmp_path / "in.npz"]):
        code, result = model(path, "--load", "--python", torch_python, *words)
        assert code == 0
        assert result["files"][0]["load"]["outputs"] == ["2x3:float32"]
    code, result = model(path, "--load", "--python", torch_python, "--input", "2x7")
    assert (code, result["files"][0]["load"]["forward"]) == (10, "failed")


def test_inputs_that_are_no_arrays_are_a_usage_error(archives: Path, torch_python: Path, tmp_path: Path) -> None:
    (tmp_path / "in.npz").write_text("no arrays")
    words = ["--load", "--python", torch_python, "--npz", tmp_path / "in.npz", "--json"]
    done = CliRunner().invoke(application("model"), ["model", *map(str, [archives / "frozen-cpu.pt", *words])])
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"]) == (2, "usage.input")
    assert "in.npz cannot be used: ValueError: " in error["message"]


def test_load_shows_what_does_not_run(archives: Path, torch_python: Path) -> None:
    code, result = model(
        archives / "constant-code.pt", archives / "exported-cuda.pt2", "--load", "--python", torch_python
    )
    loads = [row["load"] for row in result["files"]]
    assert code == 10
    assert "Could not run 'aten::empty.memory_format'" in loads[0]["error"]
    assert loads[1]["error"] == "AssertionError: Torch not compiled with CUDA enabled"


def test_packages_and_pickles_are_loaded_only_on_request(archives: Path, torch_python: Path) -> None:
    package = archives / "package-cuda.pt"
    _, result = model(package, "--load", "--python", torch_python)
    assert "--unsafe-load" in result["files"][0]["load"]["skipped"]
    _, result = model(package, "--load", "--python", torch_python, "--unsafe-load")
    assert result["files"][0]["load"]["loaded"] is True


def test_mutations_of_real_archives(archives: Path, truth: dict[str, dict[str, str]], tmp_path: Path) -> None:
    source = random.Random(7)
    seeds = [(archives / name).read_bytes() for name in sorted(truth)]
    path = tmp_path / "mutant.pt"
    for number in range(2000):
        change = mutate_inside if number % 3 else mutate
        path.write_bytes(change(seeds[number % len(seeds)], source))
        start = time.process_time()
        read_row(path, "mutant.pt")
        assert time.process_time() - start < 2, number
