"""The audit's time grows with a file, not with its square. Bounds are generous: the machine may be busy."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES

GUARDED = (
    'def f{0}(x):\n    if torch.cuda.is_available():\n        x = x.cuda()\n    x = x.to("cuda")\n    return {1}\n'
)


def seconds(folder: Path, name: str, text: str) -> float:
    """The best of two runs."""
    (folder / name).write_text(text, encoding="utf-8")
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        report = run_audit(discover([folder], cwd=folder), RULES, AuditOptions())
        taken.append(time.perf_counter() - start)
        assert report.findings
    return min(taken)


@pytest.mark.parametrize("result", ["x", "f{1}(x)"], ids=["apart", "each calls the next"])
def test_functions_that_touch_devices(tmp_path: Path, result: str) -> None:
    def text(number: int) -> str:
        parts = [GUARDED.format(n, result.format(n, n + 1)) for n in range(number)]
        return "import torch\n" + "".join(parts) + f"def f{number}(x):\n    return x\n"

    small = seconds(tmp_path, "app.py", text(250))
    assert seconds(tmp_path, "app.py", text(2000)) < 8 * small * 3 + 1


def test_a_command_of_very_many_words(tmp_path: Path) -> None:
    assert seconds(tmp_path, "a.sh", "pip install torch " + "x " * 900_000 + "\n") < 15


def test_a_long_block_that_is_tried(tmp_path: Path) -> None:
    def text(number: int) -> str:
        lines = [f"        d{n} = g(q)\n        x{n} = x.to(d{n})\n" for n in range(number)]
        return "import torch\n\ndef f(x, q):\n    try:\n" + "".join(lines) + "    except Exception:\n        x.cuda()\n"

    small = seconds(tmp_path, "app.py", text(200))
    assert seconds(tmp_path, "app.py", text(1600)) < 8 * small * 3 + 1
