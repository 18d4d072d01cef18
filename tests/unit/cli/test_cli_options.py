"""What a command line names as inputs, and what cannot be meant so."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.cli.options import note_choice, open_here, request_options
from envtool.cli.setup import _backend_name
from envtool.errors import UsageError
from envtool.models import Reporter


class Noting(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def refused(*specifiers: str, **options: object) -> tuple[str, str, str]:
    files = options.pop("files", None)
    with pytest.raises(UsageError) as caught:
        request_options(list(specifiers), files, None, **options)  # type: ignore[arg-type]
    return caught.value.code, caught.value.message, caught.value.hint


@pytest.mark.parametrize(
    ("specifiers", "options", "what", "chosen"),
    [
        (["torch"], {"extras": ["plot"]}, "what the command line names", "--extra plot"),
        ([], {"files": [Path("r.txt")], "groups": ["test"]}, "-r", "--group test"),
        ([], {"script": Path("s.py"), "extras": ["a"], "groups": ["b"]}, "--script", "--extra a --group b"),
    ],
)
def test_an_extra_is_of_the_project(specifiers, options, what, chosen):
    message = f"{what} replaces the project's requirements, which {chosen} adds to"
    assert refused(*specifiers, **options) == ("usage.extra", message, f"Leave out {what}, or {chosen}.")


def test_extras_of_the_project_are_taken():
    wanted = request_options([], None, [Path("c.txt")], extras=["plot"], groups=["test"])
    assert (wanted.extras, wanted.groups, wanted.constraints) == (("plot",), ("test",), (Path("c.txt"),))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("requirements.txt", "Did you mean -r requirements.txt?"),
        ("requirements/base.in", "Did you mean -r requirements/base.in?"),
        (".", "The project of this folder is set up without naming it: leave it out."),
        ("pyproject.toml", "The project of this folder is set up without naming it: leave it out."),
    ],
)
def test_a_file_is_no_requirement(text: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    assert refused("torch", text) == ("usage.file", f"{text} is no requirement", hint)
    assert request_options(["torch", "zope.interface", "numpy<3"], None, None).specifiers[1] == "zope.interface"


def test_one_dash_too_few():
    for typed, constraint, links in (("cpu", [Path("pu")], None), ("full", None, ["ull"])):
        with pytest.raises(UsageError) as caught:
            _backend_name(False, False, None, constraint, links)
        assert caught.value.hint == f"Did you mean --{typed}? -{typed} is read as -{typed[0]} {typed[1:]}."
    with pytest.raises(UsageError) as caught:
        _backend_name(False, False, None, [Path("c.txt")], None)
    assert caught.value.hint == "envtool setup --cpu"


def test_how_a_choice_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.envtool]\ngroups = ["dev"]\n')
    told = Noting()
    note_choice(open_here(), None, ["dev"], told)
    assert told.notes == []
    note_choice(open_here(), ["plot"], ["test"], told)
    kept = 'extras = ["plot"], groups = ["dev", "test"] in [tool.envtool]'
    without = "without --extra plot --group test, the next command leaves it out again"
    assert told.notes == [f"{without}; to keep it: {kept}"]
