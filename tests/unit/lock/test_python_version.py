"""What .python-version says."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.errors import InstallError
from envtool.lock.project import choose_interpreter
from envtool.lock.workspace import open_project


@pytest.mark.parametrize(
    "text", ["2.7\n", "# team python\n2.7\n", "\n\n  # why\n  2.7  # too\n3.11\n", "\ufeff2.7\r\n", "2.7 3.11\n"]
)
def test_the_first_version_in_it(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # each Python on it would be asked what it is
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    (tmp_path / ".python-version").write_text(text, encoding="utf-8")
    with pytest.raises(InstallError) as caught:
        choose_interpreter(open_project(tmp_path, {}, {}))
    assert caught.value.message == "no Python 2.7 found on this machine (named in .python-version)"


@pytest.mark.parametrize("text", ["", "# none\n", "\n"])
def test_none_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / ".python-version").write_text(text, encoding="utf-8")
    assert choose_interpreter(open_project(tmp_path, {}, {})) == choose_interpreter(
        open_project(tmp_path / "no", {}, {})
    )
