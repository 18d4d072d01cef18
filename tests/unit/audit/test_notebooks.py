"""Notebooks that other tools left odd: read as far as they are notebooks, and never the end of an audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envtool.audit import discover as module
from envtool.audit.discover import discover
from envtool.audit.notebooks import notebook_source

CELLS = [{"cell_type": "code", "source": ["import torch\n", "x = 1"]}]


@pytest.mark.parametrize(
    "metadata", [None, [], 3, {"kernelspec": None}, {"kernelspec": []}, {"kernelspec": {"language": None}}]
)
def test_without_a_language_it_is_python(metadata: object) -> None:
    raw = json.dumps({"cells": CELLS, "metadata": metadata, "nbformat": 4})
    assert notebook_source(raw).text.split() == ["import", "torch", "x", "=", "1"]


@pytest.mark.parametrize("raw", ['{"worksheets": 3}', '{"worksheets": [3]}', '{"worksheets": [{"cells": null}]}'])
def test_worksheets_that_are_none(raw: str) -> None:
    with pytest.raises(ValueError, match=r"^not a notebook: no cells$"):
        notebook_source(raw)


def test_a_reader_that_fails_costs_a_row_and_not_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise KeyError("oh no")

    monkeypatch.setattr(module, "notebook_source", broken)
    (tmp_path / "a.ipynb").write_text("{}")
    (tmp_path / "b.py").write_text("")
    found = discover([tmp_path], cwd=tmp_path)
    assert list(found.project.sources) == ["b.py"]
    assert [(row.path, row.reason, row.amiss) for row in found.skipped] == [
        ("a.ipynb", "reading failed with KeyError: 'oh no' (a bug in envtool, please report)", True)
    ]


def test_a_cell_in_one_string_costs_no_other_cell_its_lines() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# a title\nand a line"},
        {"cell_type": "code", "source": ["import torch\n", "x = 1"]},
        {"cell_type": "code", "source": "y = 2"},
    ]
    raw = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)
    lines = notebook_source(raw).text.splitlines()
    found = {text: number for number, text in enumerate(lines, start=1) if text}
    shown = raw.splitlines()
    assert {text: shown[number - 1].strip() for text, number in found.items()} == {
        "import torch": '"import torch\\n",',
        "x = 1": '"x = 1"',
        "y = 2": '"source": "y = 2"',
    }


@pytest.mark.parametrize("sources", [[["x = 1"], ["y = 2"]], ["x = 1", "y = 2"], ["x = 1\ny = 2"]])
def test_no_code_is_lost_where_cells_share_a_line(sources: list[object]) -> None:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    raw = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4})
    assert notebook_source(raw).text == "x = 1\ny = 2\n"
