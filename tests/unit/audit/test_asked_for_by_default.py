"""A GPU that a program asks for unless told otherwise is no guard; one that it asks for on request is."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES


def lines(folder: Path, text: str) -> list[tuple[str, str, int]]:
    (folder / "app.py").write_text(text, encoding="utf-8")
    report = run_audit(discover([folder], cwd=folder), RULES, AuditOptions(select=("CPU1",)))
    assert report.skipped == ()
    return [(finding.code, finding.severity, finding.location.line) for finding in report.findings]


@pytest.mark.parametrize(
    ("option", "use", "found"),
    [
        ('"--cpu", action="store_true"', "if not a.cpu: x.cuda()", True),
        ('"--no-cuda", action="store_true"', "if not a.no_cuda: x.cuda()", True),
        ('"--use_gpu", default=True', "if a.use_gpu: x.cuda()", True),
        ('"--gpu", type=int, default=0', "if a.gpu >= 0: x.cuda()", True),
        ('"--cuda", action=argparse.BooleanOptionalAction, default=True', "if a.cuda: x.cuda()", True),
        ('"--no-gpu", dest="gpu", action="store_false"', "if a.gpu: x.cuda()", True),
        ('"--cpu", action="store_true"', "not a.cpu and x.cuda()", True),
        ('"--cpu", action="store_true"', "[y for y in x if not a.cpu and y.cuda()]", True),
        ('"--gpu", action="store_true"', "if a.gpu: x.cuda()", False),
        ('"--gpu", type=int, default=-1', "if a.gpu >= 0: x.cuda()", False),
        ('"--gpu", default=probe()', "if a.gpu: x.cuda()", False),
        ('"--cpu", action=Probe', "if not a.cpu: x.cuda()", True),
    ],
)
@pytest.mark.parametrize("parsed", ["a = p.parse_args()", "a, rest = p.parse_known_args()"])
def test_an_option_is_worth_its_default(tmp_path: Path, option: str, use: str, found: bool, parsed: str) -> None:
    text = "\n".join(["import argparse, torch", "x = torch.zeros(2)", "p = argparse.ArgumentParser()",
                      f"p.add_argument({option})", parsed, use])  # fmt: skip
    assert lines(tmp_path, text + "\n") == ([("CPU101", "error", 6)] if found else [])


@pytest.mark.parametrize(
    ("signature", "use", "call", "found"),
    [
        ("use_cuda=True", "if use_cuda: x.cuda()", "main()", True),
        ("use_cuda=True", "if use_cuda: x.cuda()", "main(use_cuda=True)", True),
        ("cpu=False", "if not cpu: x.cuda()", "main()", True),
        ("cpu=False", "if cpu: return\n    x.cuda()", "main()", True),
        ("use_cuda=False", "if use_cuda: x.cuda()", "main()", False),
        ("use_cuda=True", "if use_cuda: x.cuda()", "main(False)", False),
        ("use_cuda=True", "if use_cuda: x.cuda()", "main(torch.cuda.is_available())", False),
        ("use_cuda=True", "if use_cuda: x.cuda()", "main(); main(probe())", False),
        ("use_cuda=True", "if use_cuda: x.cuda()", "", False),
        ("use_cuda=ASK", "if use_cuda: x.cuda()", "main()", False),
    ],
)
def test_a_flag_of_a_function_is_worth_what_its_calls_give(
    tmp_path: Path, signature: str, use: str, call: str, found: bool
) -> None:
    text = f"import torch\nx = torch.zeros(2)\ndef main({signature}):\n    {use}\n{call}\n"
    line = 5 if "return" in use else 4
    assert lines(tmp_path, text) == ([("CPU101", "error", line)] if found else [])


@pytest.mark.parametrize(
    ("option", "name", "use", "found"),
    [
        ('"--cpu", is_flag=True', "cpu", "if not cpu: x.cuda()", True),
        ('"--gpu/--no-gpu", default=True', "gpu", "if gpu: x.cuda()", True),
        ('"--gpu/--no-gpu"', "gpu", "if gpu: x.cuda()", False),
        ('"--gpu", is_flag=True', "gpu", "if gpu: x.cuda()", False),
        ('"--gpu"', "gpu", "if gpu: x.cuda()", False),
    ],
)
def test_a_flag_of_click(tmp_path: Path, option: str, name: str, use: str, found: bool) -> None:
    text = (
        "import click, torch\nx = torch.zeros(2)\n@click.command()\n"
        f"@click.option({option})\ndef main({name}):\n    {use}\nmain()\n"
    )
    assert lines(tmp_path, text) == ([("CPU101", "error", 6)] if found else [])
