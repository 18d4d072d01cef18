from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from envtool.audit.fixes import plan_fixes, unified_diff
from envtool.audit.models import Edit, Finding, Fix, Location, Source, SourceKind


def source(text: str, path: str = "requirements.txt", kind: SourceKind = "requirements") -> dict[str, Source]:
    return {path: Source(path=path, absolute=Path(path), kind=kind, text=text)}


def finding(*edits: tuple[int, int, str], path: str = "requirements.txt", safe: bool = True, line: int = 1) -> Finding:
    return Finding(
        code="CPU999",
        severity="error",
        confidence="high",
        path=path,
        location=Location(line=line, column=1, end_line=line, end_column=2),
        message="x",
        fix=Fix(message="mend", edits=tuple(Edit(start=a, end=b, replacement=c) for a, b, c in edits), safe=safe),
    )


def test_edits_are_exact_and_order_does_not_matter() -> None:
    sources = source("torch==1+cu118\r\n\r\nnumpy==2 # é\r\n")
    found = [finding((18, 26, "numpy==3"), line=3), finding((8, 14, ""), line=1)]
    assert plan_fixes(sources, found).texts == {"requirements.txt": "torch==1\r\n\r\nnumpy==3 # é\r\n"}
    assert plan_fixes(sources, reversed(found)).texts == plan_fixes(sources, found).texts


def test_unsafe_fixes_only_when_asked() -> None:
    sources = source("torch==1\n")
    unsafe = finding((0, 9, ""), safe=False)
    assert plan_fixes(sources, [unsafe]).texts == {}
    assert plan_fixes(sources, [unsafe], unsafe=True).texts == {"requirements.txt": ""}


def test_of_two_fixes_on_the_same_text_the_first_is_taken_whole() -> None:
    sources = source("torch==1\nnumpy==2\n")
    first = finding((0, 8, "torch==3"), line=1)
    second = finding((4, 8, "x"), (9, 17, "numpy==9"), line=2)
    plan = plan_fixes(sources, [second, first])
    assert plan.texts == {"requirements.txt": "torch==3\nnumpy==2\n"}
    assert plan.applied == (first,)


def test_the_same_edit_of_two_findings_is_made_once() -> None:
    sources = source("torch==1\n")
    twice = [finding((7, 8, "2"), line=1), replace(finding((7, 8, "2"), line=1), code="CPU998")]
    plan = plan_fixes(sources, twice)
    assert plan.texts == {"requirements.txt": "torch==2\n"}
    assert len(plan.applied) == 2


@pytest.mark.parametrize(
    ("path", "kind", "text", "edit"),
    [
        ("a.py", "python", "x = 1\n", (4, 5, "")),
        ("app.spec", "spec", "x = [1]\n", (6, 7, "")),
        ("pyproject.toml", "pyproject", "x = 1\n", (4, 5, "")),
        ("Pipfile", "pipfile", "x = 1\n", (0, 1, "[")),
        ("ci.yml", "ci", "a: b\n", (3, 4, "[")),
        ("c.json", "config", '{"a": 1}', (7, 8, "")),
        ("requirements.txt", "requirements", "torch==1\n", (5, 5, " torch")),
    ],
)
def test_what_would_not_parse_is_left_alone_and_reported(
    path: str, kind: SourceKind, text: str, edit: tuple[int, int, str]
) -> None:
    plan = plan_fixes(source(text, path, kind), [finding(edit, path=path)])
    assert plan.texts == {}
    assert plan.applied == ()
    assert [row.path for row in plan.left] == [path]
    assert plan.left[0].reason.startswith("not fixed: it would not parse any more")


def test_no_requirement_becomes_the_value_of_an_option() -> None:
    text = "--extra-index-url \\\n  https://mirror.example/whl/cu118\ntorch\n"
    plan = plan_fixes(source(text), [finding((20, text.index("torch"), ""))])
    assert plan.texts == {}
    assert [row.reason for row in plan.left] == ["not fixed: it would make torch the value of an option"]


def test_what_does_not_parse_now_is_left_alone() -> None:
    plan = plan_fixes(source("{{ x }}: [\n", "ci.yml", "ci"), [finding((0, 0, "# "), path="ci.yml")])
    assert plan.texts == {}
    assert plan.left[0].reason.startswith("not fixed: it does not parse as it is")


def test_notebooks_are_left_alone() -> None:
    plan = plan_fixes(source("x = 1\n", "n.ipynb", "notebook"), [finding((4, 5, "2"), path="n.ipynb")])
    assert plan.texts == {}
    assert "notebook" in plan.left[0].reason


def test_an_edit_outside_of_the_text_is_never_made() -> None:
    assert plan_fixes(source("torch\n"), [finding((0, 99, ""))]).texts == {}


def test_the_diff_can_be_applied() -> None:
    sources = source("a\ntorch==1\nlast")
    text = unified_diff(sources, {"requirements.txt": "a\ntorch==2\nlast"})
    assert text.splitlines() == [
        "--- a/requirements.txt",
        "+++ b/requirements.txt",
        "@@ -1,3 +1,3 @@",
        " a",
        "-torch==1",
        "+torch==2",
        " last",
        "\\ No newline at end of file",
    ]
    assert unified_diff(sources, {}) == ""
