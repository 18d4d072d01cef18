"""Commands in notebooks and the metadata of scripts (PEP 723): read as what they are, at the file's own lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.embedded import script_block
from envtool.audit.engine import run_audit
from envtool.audit.formats.text import render_text
from envtool.audit.mend import mend
from envtool.audit.notebooks import shell_text
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES

GPU = "https://download.pytorch.org/whl/cu121"

SCRIPT = """\
#!/usr/bin/env python
# /// script
# dependencies = [
#   "torch==2.13.0+cu126",
#   "numpy",
# ]
#
# [tool.uv.sources]
# torchvision = { index = "gpu" }
#
# [[tool.uv.index]]
# name = "gpu"
# url = "https://download.pytorch.org/whl/cu126"
# explicit = true
# ///
import torch
"""


def notebook(*cells: str) -> str:
    rows = [{"cell_type": "code", "metadata": {}, "source": text.splitlines(keepends=True)} for text in cells]
    return json.dumps({"cells": rows, "nbformat": 4, "metadata": {}}, indent=1)


def audit(folder: Path) -> AuditReport:
    return run_audit(discover([folder], cwd=folder), RULES, AuditOptions())


def found(folder: Path, name: str, text: str) -> list[tuple[str, str, int]]:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return [(row.code, row.severity, row.location.line) for row in audit(folder).findings]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"%pip install torch==2.5.0+cu121 --index-url {GPU}", "CPU402"),
        (f"!pip install torch --index-url {GPU}", "CPU402"),
        (f"!!pip install torch --index-url {GPU}", "CPU402"),
        (f"%uv pip install torch --index-url {GPU}", "CPU402"),
        ("!python -m pip install -q torch==2.5.0+cu121", "CPU402"),
        ("%conda install pytorch pytorch-cuda=12.1 -c pytorch -c nvidia", "CPU402"),
        (f"if True:\n    !pip install \\\n        torch --index-url {GPU}", "CPU402"),
        ("!pip install flash-attn", "CPU303"),
    ],
)
def test_an_install_in_a_notebook(tmp_path: Path, line: str, code: str) -> None:
    text = notebook("import os", line)
    word = "flash-attn" if code == "CPU303" else "torch"
    number = next(at for at, row in enumerate(text.splitlines(), 1) if word in row)
    assert (code, "error", number) in found(tmp_path, "n.ipynb", text)


@pytest.mark.parametrize(
    "cell",
    [
        "!pip install torch --index-url https://download.pytorch.org/whl/cpu",
        "%env PIP_INDEX_URL=https://download.pytorch.org/whl/cpu\n!pip install torch",
        f"!pip install torch --index-url {GPU}  # envtool: ignore[CPU402] for the GPU course",
        f"# !pip install torch --index-url {GPU}",
        "!ls torch",
    ],
)
def test_what_is_fine_in_a_notebook(tmp_path: Path, cell: str) -> None:
    assert found(tmp_path, "n.ipynb", notebook(cell)) == []


def test_the_default_index_in_a_notebook_depends_on_who_opens_it(tmp_path: Path) -> None:
    text = notebook("!pip install torch")
    assert [row[:2] for row in found(tmp_path, "n.ipynb", text)] == [("CPU402", "warning")]


def test_a_notebooks_line_is_shown_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_text(notebook("import os", f"!pip install torch --index-url {GPU}"), encoding="utf-8")
    report = audit(tmp_path)
    lines = render_text(report).splitlines()
    assert "(cell 2, line 1): error[CPU402]" in lines[1]
    assert lines[2].endswith(f"| !pip install torch --index-url {GPU}")
    assert lines[3].index("^") == lines[2].index("torch")
    assert [row.fix for row in report.findings] == [None]


def test_the_block_of_a_script_is_read_at_its_lines(tmp_path: Path) -> None:
    expected = [("CPU303", "error", 4), ("CPU305", "error", 9), ("CPU305", "error", 13)]
    assert found(tmp_path, "s.py", SCRIPT) == expected
    assert found(tmp_path, "s.py", SCRIPT.replace("\n", "\r\n")) == expected


def test_a_script_without_a_route_for_torch(tmp_path: Path) -> None:
    script = '# /// script\n# dependencies = ["torch"]\n# ///\nimport torch\n'
    assert found(tmp_path, "s.py", script) == [("CPU301", "warning", 2)]
    routed = '# /// script\n# dependencies = ["torch"]\n# [tool.uv]\n# torch-backend = "cpu"\n# ///\n'
    assert found(tmp_path, "s.py", routed) == []


def test_a_pin_in_a_script_is_mended_in_place(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text('# /// script\n# dependencies = ["torch==2.13.0+cu126"]\n# ///\nimport torch\n', encoding="utf-8")
    assert dict(mend(audit(tmp_path), lambda: audit(tmp_path)).fixed) == {"s.py": 1}
    assert script.read_text(encoding="utf-8").splitlines()[:2] == [
        "# /// script",
        '# dependencies = ["torch==2.13.0"]',
    ]


def test_a_broken_block_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("# /// script\n# dependencies = [\n# ///\nimport os\n", encoding="utf-8")
    assert [(row.path, row.reason.partition(":")[0], row.amiss) for row in audit(tmp_path).skipped] == [
        ("s.py", "its script block is not TOML", True)
    ]


@pytest.mark.parametrize("text", [SCRIPT, SCRIPT.replace("\n", "\r\n")])
def test_a_view_keeps_every_offset(text: str) -> None:
    view = script_block(text)
    assert len(view) == len(text)
    assert view.index('"torch==') == text.index('"torch==')
    assert "import torch" not in view


@pytest.mark.parametrize("text", ["", "import os\n", "# /// script\n# a = 1\n", "# /// other\n# a = 1\n# ///\n"])
def test_a_script_without_a_block(text: str) -> None:
    assert script_block(text) == ""
    assert shell_text(text) == ""
