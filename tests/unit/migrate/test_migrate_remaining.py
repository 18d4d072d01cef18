"""Commands in a README that install torch past the lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.audit.models import Project
from envtool.env.records import layout_for
from envtool.migrate.models import Before, Migration, Options
from envtool.migrate.remaining import INSTALLS, commands_of, in_readme, remaining
from envtool.reports.progress import SilentReporter

GPU = "installs a GPU build of torch; let it say: envtool setup --cpu"
FULL = "installs full torch on Linux; let it say: envtool setup --cpu"
PAST = "installs torch past the lock; let it say: envtool setup --cpu"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("```sh\npip install torch --index-url https://download.pytorch.org/whl/cu126\n```\n", [(2, GPU)]),
        ("# App\n\n~~~console\n$ uv pip install torch\n~~~\n", [(4, FULL)]),
        ("Install: `pip install torch --index-url https://download.pytorch.org/whl/cpu`\n", [(1, PAST)]),
        ("1. Run `pip install numpy`, then\n2. `python -m pip install torch==2.5.0`.\n", [(2, FULL)]),
        ("- ```\n  pip install torch\n  ```\npip install torch is not what you want\n", [(2, FULL)]),
        ("````\n```\npip install torch\n```\n````\n", [(3, FULL)]),
        ("```\npip install \\\n  torch\n```\n", [(3, FULL)]),
        ("<!-- envtool:begin -->\n`pip install torch`\n<!-- envtool:end -->\n", []),
        ("```\nUnclosed ' \"$( `\n", []),
        ("", []),
    ],
)
def test_what_a_readme_says(text: str, rows: list[tuple[int, str]]) -> None:
    found = in_readme(text, Project(root=Path(), sources={}))
    assert [(row.line, row.message) for row in found] == rows
    assert len(commands_of(text).splitlines()) == max(len(text.splitlines()), 1)


@pytest.mark.parametrize("readme", [True, False])
def test_findings_are_named_with_and_without_a_readme(tmp_path: Path, readme: bool) -> None:
    (tmp_path / "app.py").write_text("import torch\n\nWEIGHTS = torch.load(open('x'))\n", encoding="utf-8")
    if readme:
        (tmp_path / "README.md").write_text("Run `pip install torch`.\n", encoding="utf-8")
    migration = Migration(layout=layout_for(tmp_path), options=Options(), found=Before(), reporter=SilentReporter())
    rows = [(row.path, row.line, row.code) for row in remaining(migration)]
    assert rows == [("README.md", 1, INSTALLS)] * readme + [("app.py", 3, "CPU108")]
