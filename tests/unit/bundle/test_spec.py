"""The spec that is written for a script: it runs, with stand-ins for PyInstaller's classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.bundle.models import SpecOptions
from envtool.bundle.spec import data_entry, find_spec, parse_data, seen_from, spec_text, write_spec
from envtool.errors import UsageError


class Made:
    """Records how a spec calls PyInstaller's classes."""

    pure, scripts, binaries, datas = "pure", "scripts", "binaries", "datas"

    def __init__(self):
        self.calls = {}

    def __call__(self, name):
        def make(*args, **kwargs):
            self.calls[name] = (args, kwargs)
            return self

        return make


def run_spec(options: SpecOptions, script: str = "app.py", name: str = "app"):
    made = Made()
    exec(
        compile(spec_text(script, name, options), "app.spec", "exec"),
        {n: made(n) for n in ("Analysis", "PYZ", "EXE", "COLLECT", "BUNDLE")},
    )
    return made.calls


def test_one_folder():
    calls = run_spec(SpecOptions(data=(("models", "models"), ("a b/x.json", "."))))
    assert list(calls) == ["Analysis", "PYZ", "EXE", "COLLECT"]
    args, kwargs = calls["Analysis"]
    assert args == (["app.py"],)
    assert kwargs == {"datas": [("models", "models"), ("a b/x.json", ".")], "hiddenimports": [], "excludes": []}
    args, kwargs = calls["EXE"]
    assert args[1:] == ("scripts",)
    assert kwargs == {"exclude_binaries": True, "name": "app", "console": True}
    assert calls["COLLECT"][0][1:] == ("binaries", "datas")
    assert calls["COLLECT"][1] == {"name": "app"}


def test_one_file():
    calls = run_spec(SpecOptions(onefile=True))
    assert list(calls) == ["Analysis", "PYZ", "EXE"]
    assert calls["EXE"][0][1:] == ("scripts", "binaries", "datas")
    assert calls["EXE"][1] == {"name": "app", "console": True}


def test_windowed_with_an_icon_is_an_app_on_macos():
    calls = run_spec(SpecOptions(windowed=True, icon="app.ico"))
    assert calls["EXE"][1] == {"exclude_binaries": True, "name": "app", "console": False, "icon": "app.ico"}
    assert calls["BUNDLE"][1] == {"name": "app.app", "bundle_identifier": None}


def test_names_with_quotes_are_written_as_python():
    calls = run_spec(SpecOptions(), script='it\'s "mine".py', name="it's")
    assert calls["Analysis"][0] == (['it\'s "mine".py'],)
    assert calls["EXE"][1]["name"] == "it's"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("models", ("models", None)),
        ("assets/models/", ("assets/models", None)),
        ("models:data/m", ("models", "data/m")),
        ("C:\\app\\models", ("C:/app/models", None)),
        ("C:\\app\\models:m", ("C:/app/models", "m")),
        ("x.json:.", ("x.json", ".")),
    ],
)
def test_data(text, parsed):
    assert parse_data(text) == parsed


@pytest.mark.parametrize("text", ["", "models:/abs", "models:../up", "models:a/../../b"])
def test_data_stays_in_the_bundle(text):
    with pytest.raises(UsageError) as caught:
        parse_data(text)
    assert caught.value.code == "bundle.data"


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("assets/models/", ("../assets/models", "models")),
        ("assets/models:m", ("../assets/models", "m")),
        ("assets/x.json", ("../assets/x.json", ".")),
        ("assets/models/*.pt", ("../assets/models/*.pt", "models")),
        ("src/y.json", ("y.json", ".")),
    ],
)
def test_data_is_looked_up_from_here_and_written_from_the_spec(tmp_path, monkeypatch, text, entry):
    for name in ("assets/models/a.pt", "assets/x.json", "src/y.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert data_entry(text, Path("src")) == entry
    assert data_entry(f"{tmp_path}/{text}", Path("src"))[0] == f"{tmp_path}/{text}".rstrip("/").removesuffix(":m")


@pytest.mark.parametrize("text", ["gone", "gone:x", "*.pt"])
def test_data_that_is_not_there_is_found_before_the_build(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no file or folder") as caught:
        data_entry(text, Path())
    assert caught.value.code == "bundle.data"


def test_an_icon_is_seen_from_the_spec():
    assert seen_from("app.ico", Path("src")) == "../app.ico"
    assert seen_from("app.ico", Path()) == "app.ico"


def test_a_new_spec_is_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "app.py").touch()
    spec, text = find_spec(tmp_path / "app.py", SpecOptions())
    write_spec(spec, text)
    assert (tmp_path / "app.spec").read_bytes() == text.encode()
    assert find_spec(tmp_path / "app.py", SpecOptions()) == (spec, text), "written once, it is no reason to stop"
    (tmp_path / "other.py").touch()
    (tmp_path / "other.spec").mkdir()
    spec, text = find_spec(tmp_path / "other.py", SpecOptions())
    with pytest.raises(UsageError) as caught:
        write_spec(spec, text)
    assert caught.value.code == "bundle.spec-write"
    assert {path.name for path in tmp_path.iterdir()} == {"app.py", "app.spec", "other.py", "other.spec"}


def test_a_name_with_spaces_is_one_word_of_the_command():
    assert spec_text("my app.py", "my app", SpecOptions()).splitlines()[0].endswith(": envtool bundle 'my app.spec'")
