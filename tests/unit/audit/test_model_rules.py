"""The rules for model files, over files made by hand."""

from __future__ import annotations

import pickle
from pathlib import Path

import craft
import pytest
from test_frozen_rules import audit, places, write

from envtool.audit.discover import discover
from envtool.audit.weights import model_of

GPU_CODE = 'def f(x):\n  return torch.to(x, torch.device("cuda:0"))\n'
NAMED_CODE = b"class M(Module):\n  place : str\n  def forward(self, x):\n    return torch.device(self.place)\n"
DEVICE_CODE = "class M(Module):\n  dev : Device\n  def forward(self, x):\n    d = self.dev\n    return x\n"


def make(folder: Path) -> None:
    craft.checkpoint(folder / "cpu.pt", "cpu")
    craft.checkpoint(folder / "gpu.pt", "cuda:0", "cpu")
    craft.legacy(folder / "old.pth", "cuda:1")
    craft.torchscript(folder / "script.jit", "cpu")
    craft.torchscript(folder / "code.jit", "cpu", code=GPU_CODE)
    named = {
        "data.pkl": b"\x80\x02}(" + craft.text("place") + craft.text("cuda:0") + b"u.",
        "constants.pkl": b"\x80\x02).",
    }
    craft.write_zip(folder / "named.jit", {**named, "code/__torch__.py": NAMED_CODE})
    craft.torchscript(folder / "attribute.jit", "cpu", device="cuda:0", code=DEVICE_CODE)
    craft.torchscript(folder / "unused.jit", "cpu", device="cuda:0")
    craft.exported(folder / "cpu.pt2", "cpu")
    craft.exported(folder / "gpu.pt2", "cuda", 0)
    (folder / "plain.pt").write_bytes(pickle.dumps({"a": 1}))
    (folder / "words.ts").write_text("export const device: string = 'cuda';\n")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("CPU501", [("gpu.pt", "warning"), ("old.pth", "warning")]),
        ("CPU502", [("attribute.jit", "error"), ("unused.jit", "note")]),
        ("CPU503", [("code.jit", "error"), ("named.jit", "error")]),
        ("CPU505", [("gpu.pt2", "error")]),
    ],
)
def test_findings(tmp_path: Path, code: str, expected: list[tuple[str, str]]) -> None:
    make(tmp_path)
    report = audit(tmp_path, code)
    assert [(found.path, found.severity) for found in report.findings] == expected
    assert {place.rpartition("/")[2].partition(":")[2] for place in places(report.findings)} == {"1:1"}


def test_files_on_cpu_are_listed_as_checked(tmp_path: Path) -> None:
    make(tmp_path)
    safe = audit(tmp_path, "CPU501").safe
    assert [row.path for row in safe] == ["cpu.pt", "cpu.pt2", "script.jit", "unused.jit"]
    assert safe[0].reason == "state dict, zip: all storages are on the CPU"


def test_unreadable_model_is_a_skipped_row(tmp_path: Path) -> None:
    whole = craft.checkpoint(tmp_path / "cut.pt", "cpu").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[:200])
    from envtool.audit.engine import run_audit
    from envtool.audit.options import AuditOptions
    from envtool.audit.rules import RULES

    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    assert report.findings == ()
    assert [(row.path, "zip directory" in row.reason) for row in report.skipped] == [("cut.pt", True)]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("torch.jit.load('cpu.pt2')", True),
        ("torch.load('models/../cpu.pt2')", True),
        ("torch.load('cpu.pt2')", True),
        ("torch.export.load('script.jit')", True),
        ("torch.load('plain.pt')", True),
        ("torch.jit.load('script.jit')", False),
        ("torch.load('gpu.pt', map_location='cpu')", False),
        ("torch.load('absent.pt')", False),
        ("torch.export.load('cpu.pt2')", False),
        ("torch.load(path)", False),
        ("json.load('cpu.pt2')", False),
    ],
)
def test_wrong_loader(tmp_path: Path, line: str, wrong: bool) -> None:
    make(tmp_path)
    write(tmp_path, {"app/main.py": f"import torch\nm = {line}\n"})
    assert places(audit(tmp_path, "CPU504").findings) == (["app/main.py:2:5"] if wrong else [])


def test_model_of_is_kept_in_the_cache(tmp_path: Path) -> None:
    make(tmp_path)
    project = discover([tmp_path], cwd=tmp_path).project
    row = model_of(project.sources["gpu.pt"], project)
    assert row is not None
    assert (row.kind, row.has_cuda) == ("state-dict", True)
    assert project.cache["model", "gpu.pt"] is row
    code_only = model_of(project.sources["code.jit"], project)
    assert code_only is not None
    assert (code_only.verdict, code_only.has_cuda) == ("never", False)


@pytest.mark.parametrize(
    ("line", "code", "severities"),
    [
        ("torch.load('gpu.pt')", "CPU108", ["error"]),
        ("torch.load('cpu.pt')", "CPU108", []),
        ("torch.load('words.ts')", "CPU108", ["warning"]),
        ("torch.load('script.jit')", "CPU112", ["error"]),
        ("torch.jit.load('cpu.pt')", "CPU112", ["error"]),
        ("torch.jit.load('script.jit')", "CPU109", []),
    ],
)
def test_code_rules_know_the_file(tmp_path: Path, line: str, code: str, severities: list[str]) -> None:
    make(tmp_path)
    write(tmp_path, {"main.py": f"import torch\nm = {line}\n"})
    assert [found.severity for found in audit(tmp_path, code).findings] == severities
