"""The README's section and the line in .gitignore: bytes in, bytes out."""

from __future__ import annotations

import pytest

from envtool.errors import UsageError
from envtool.migrate.docs import with_ignored, with_section

FACTS = {"torch": "2.13.0+cpu", "python": "", "spec": ""}
BEGIN, END = b"<!-- envtool:begin -->", b"<!-- envtool:end -->"


@pytest.mark.parametrize(
    ("before", "start"),
    [
        (b"", BEGIN + b"\n"),
        (b"# App\n", b"# App\n\n" + BEGIN + b"\n"),
        (b"# App", b"# App\n\n" + BEGIN + b"\n"),
        (b"# App\r\n", b"# App\r\n\r\n" + BEGIN + b"\r\n"),
        (b"\xef\xbb\xbf# App\n", b"\xef\xbb\xbf# App\n\n" + BEGIN + b"\n"),
        (b"# \xe9 is Latin-1\n", b"# \xe9 is Latin-1\n\n" + BEGIN + b"\n"),
    ],
)
def test_a_new_section_at_the_end(before: bytes, start: bytes) -> None:
    after = with_section(before, FACTS)
    assert after.startswith(start)
    assert after.rstrip(b"\r\n").endswith(END)
    assert with_section(after, FACTS) == after, "a second time changes nothing"


def test_the_section_is_replaced_where_it_stands() -> None:
    first = with_section(b"# App\n", FACTS) + b"\nMore text.\n"
    second = with_section(first, {"torch": "2.14.0+cpu", "python": "3.10", "spec": "app.spec"})
    assert second.startswith(b"# App\n\n" + BEGIN)
    assert second.endswith(END + b"\n\nMore text.\n")
    assert b"2.13.0" not in second
    get, setup = (line.decode() for line in second.splitlines() if line.startswith((b"- Get", b"- Set")))
    assert get == (
        "- Get envtool: `uv tool install .` or `pipx install .` in a checkout of it, not into `.venv`. **Not by "
        "`pip install envtool` or `uvx envtool`**: on the default index that name is another project's package."
    )
    assert setup.startswith("- Set up: `envtool setup --cpu --python 3.10` (torch 2.14.0+cpu")
    assert b"`envtool bundle app.spec`" in second
    spaced = with_section(b"", {**FACTS, "spec": "my app.spec"})
    assert b"`envtool bundle 'my app.spec'`" in spaced


@pytest.mark.parametrize("text", [BEGIN, END, BEGIN + BEGIN + END, END + BEGIN])
def test_markers_that_are_no_pair(text: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        with_section(text, FACTS)
    assert caught.value.code == "migrate.markers"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"/.venv\n"),
        (b".venv/\n", b".venv/\n/.venv\n"),
        (b".venv/\r\n*.log", b".venv/\r\n*.log\r\n/.venv\r\n"),
        (b".venv\n", b".venv\n"),
        (b"/.venv*\n", b"/.venv*\n"),
        (b".venv\n!.venv\n", b".venv\n!.venv\n/.venv\n"),
    ],
)
def test_the_link_is_ignored_too(before: bytes, after: bytes) -> None:
    assert with_ignored(before, ".venv") == after
