"""What was meant by something else than a requirement."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application
from envtool.errors import UsageError
from envtool.lock.request import RequestOptions, build_request
from envtool.settings import Settings

SINGLE = "a version stands behind ==, not ="
PACKAGING = "Expected semicolon (after name with no version specifier) or end"
AS_PIP = "Write it as pip reads it: name, extras, version, marker."
ALONE = "A requirement is the package alone"


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("torch=2.13.0", SINGLE, "Did you mean torch==2.13.0?"),
        ("torch = '2.13'", SINGLE, "Did you mean torch==2.13?"),
        ("torch=2.13.0=py3.11_cpu_0", SINGLE, "Did you mean torch==2.13.0?"),
        ("torch[x]=2.* ; python_version>'3.8'", SINGLE, "Did you mean torch[x]==2.* ; python_version>'3.8'?"),
        ("torch=2.13 ; nonsense", SINGLE, AS_PIP),
        ("torch=latest", SINGLE, AS_PIP),
        ("torch v2.13", PACKAGING, "Did you mean torch==2.13?"),
        ("torch 2.13", PACKAGING, "Did you mean torch==2.13?"),
        ("hello world", PACKAGING, AS_PIP),
        ("pip install torch", "it is a command", f"{ALONE}: torch."),
        ("$ python3 -m pip install -U 'torch<3' numpy", "it is a command", f"{ALONE}: torch<3, numpy."),
        ("uv pip install torch -i https://me:s3cret@mirror.example/whl", "it is a command", f"{ALONE}: torch."),
        ("uv add torch", "it is a command", f"{ALONE}: torch."),
        ("pip install -r other.txt", "it is a command", f"{ALONE}."),
    ],
)
def test_the_nearest_right_form(tmp_path: Path, text: str, reason: str, hint: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"numpy\n{text}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        build_request(tmp_path, RequestOptions(), Settings(), "3.11")
    shown = text.replace("me:s3cret@", "")
    assert caught.value.message == f"requirements.txt:2: cannot read {shown!r}: {reason}"
    assert caught.value.hint == hint


@pytest.mark.parametrize("words", [["pip install torch"], ["pip", "install", "torch"], ["uv", "add", "torch"]])
def test_a_command_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner(env={"GITHUB_ACTIONS": ""}).invoke(application(), ["setup", "--cpu", *words])
    command = " ".join(" ".join(words).split()[:2])
    assert done.exit_code == 2
    assert done.stderr == (
        f"error[usage.command]: {command} is a command, not a requirement\n  hint: {ALONE}: torch.\n"
    )


@pytest.mark.parametrize(
    ("text", "meant"), [("pytorch", "torch"), ("PyTorch[x]>=2.1 ; os_name == 'nt'", 'torch[x]>=2.1; os_name == "nt"')]
)
@pytest.mark.parametrize("origin", ["command line", "requirements.txt:1", "pyproject.toml"])
def test_torch_by_the_name_of_its_project(tmp_path: Path, origin: str, text: str, meant: str) -> None:
    if origin == "requirements.txt:1":
        (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    elif origin == "pyproject.toml":
        (tmp_path / origin).write_text(f'[project]\nname = "app"\ndependencies = ["{text}"]\n', encoding="utf-8")
    options = RequestOptions(specifiers=(text,) if origin == "command line" else ())
    with pytest.raises(UsageError) as caught:
        build_request(tmp_path, options, Settings(), "3.11")
    assert caught.value.code == "request.pytorch"
    assert caught.value.message == f"{origin}: the package of PyTorch is called torch on the index, not pytorch"
    assert caught.value.hint == f"Did you mean {meant}?"


def test_a_pytorch_from_an_index_of_its_own_and_a_constraint(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "app"\ndependencies = ["torch", "pytorch"]\n[tool.uv.sources]\npytorch = {index = "own"}\n'
        '[[tool.uv.index]]\nname = "own"\nurl = "https://mirror.example/simple"\nexplicit = true\n',
        encoding="utf-8",
    )
    request = build_request(tmp_path, RequestOptions(), Settings(), "3.11")
    assert [item.requirement.name for item in request.requirements] == ["torch", "pytorch"]
    (tmp_path / "limits.txt").write_text("pytorch<2\n", encoding="utf-8")
    options = RequestOptions(specifiers=("torch",), constraints=(tmp_path / "limits.txt",))
    assert len(build_request(tmp_path, options, Settings(), "3.11").constraints) == 1
