"""``envtool model`` as a user runs it."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from envtool.cli.app import application

sys.path.insert(0, str(Path(__file__).parents[1] / "torch" / "archive"))
import craft


def model(*words: object) -> Any:
    return CliRunner().invoke(application("model"), ["model", *map(str, words)], terminal_width=80)


def result(*words: object) -> tuple[int, dict[str, Any]]:
    done = model(*words, "--json")
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    craft.checkpoint(tmp_path / "cpu.pt", "cpu")
    craft.checkpoint(tmp_path / "gpu.pt", "cuda:0")
    return tmp_path


def test_text(folder: Path) -> None:
    done = model("cpu.pt", "gpu.pt")
    assert done.exit_code == 0
    assert done.stdout == (
        "cpu.pt: loads on the CPU as it is\n"
        "  all storages are on the CPU\n"
        f"  state dict, zip, 3 parameters (float32), {(folder / 'cpu.pt').stat().st_size} bytes, 1 storage on cpu,\n"
        "  file format 3\n\n"
        'gpu.pt: loads on the CPU with map_location="cpu"\n'
        '  1 storage on cuda:0: pass map_location="cpu"\n'
        f"  state dict, zip, 3 parameters (float32), {(folder / 'gpu.pt').stat().st_size} bytes, 1 storage on cuda:0,\n"
        "  file format 3\n"
    )


def test_json_keys(folder: Path) -> None:
    code, data = result("gpu.pt")
    assert (code, data["ok"], data["error"]) == (0, True, None)
    (row,) = data["result"]["files"]
    assert (row["path"], row["kind"], row["verdict"], row["devices"]) == (
        "gpu.pt",
        "state-dict",
        "map-location",
        {"cuda:0": 1},
    )
    assert (row["constants"], row["parameters"], row["size"]) == ([], 3, (folder / "gpu.pt").stat().st_size)


def test_fail_on(folder: Path) -> None:
    craft.torchscript(folder / "never.jit", code="def f(x):\n  return torch.cuda(x)\n")
    code, data = result("never.jit", "gpu.pt")
    assert (code, data["error"]["code"]) == (10, "model.cpu")
    assert data["error"]["message"] == "1 of 2 model files will not run on a CPU"
    assert result("never.jit", "--fail-on", "never")[0] == 0
    assert result("gpu.pt", "--fail-on", "warning")[0] == 10
    assert result("cpu.pt", "--fail-on", "warning")[0] == 0


def test_quiet_prints_what_fails(folder: Path) -> None:
    fine = model("cpu.pt", "gpu.pt", "-q")
    assert (fine.exit_code, fine.output) == (0, "")
    done = model("cpu.pt", "gpu.pt", "--fail-on", "warning", "-q")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (10, 'gpu.pt: loads on the CPU with map_location="cpu"')
    assert "cpu.pt" not in done.stdout
    assert "error[" not in done.stderr


def test_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "app.ts").write_text("let device = 'cuda';\n")
    (folder / "sub" / "big.pth").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (folder / "node_modules").mkdir()
    craft.checkpoint(folder / "node_modules" / "x.pt", "cuda:0")
    code, data = result(".")
    # A pointer is no model that was looked at: green would be wrong.
    assert (code, data["error"]["message"]) == (10, "1 of 3 model files cannot be judged")
    assert [row["path"] for row in data["result"]["files"]] == ["cpu.pt", "gpu.pt", "sub/big.pth"]
    assert [row["path"] for row in data["result"]["skipped"]] == ["sub/app.ts"]


def test_what_is_named_is_judged_or_fails(folder: Path) -> None:
    (folder / "empty.pt").write_bytes(b"")
    (folder / "text.pt").write_text("hello\n")
    (folder / "link.pt").symlink_to("gone.pt")
    for name in ("empty.pt", "text.pt", "link.pt"):
        code, data = result(name)
        assert (code, data["result"]["files"][0]["path"]) == (10, name)
        assert data["error"]["message"] == "1 of 1 model file cannot be judged"
        assert result(name, "--fail-on", "never")[0] == 0
    craft.torchscript(folder / "never.jit", code="def f(x):\n  return torch.cuda(x)\n")
    message = result("never.jit", "text.pt")[1]["error"]["message"]
    assert message == "2 of 2 model files will not run on a CPU, or cannot be judged"


def test_files_in_a_folder_that_are_no_models_are_counted(folder: Path) -> None:
    (folder / "text.bin").write_text("hello\n")
    (folder / "plain.bin").write_bytes(pickle.dumps({"a": 1}))
    done = model(".")
    assert done.exit_code == 0
    assert done.stdout.endswith("\n\n2 more are no model files (--json)\n")
    (folder / "empty.pt").write_bytes(b"")
    assert model(".").exit_code == 10


@pytest.mark.parametrize("name", ["h.pt", "h.pth", "h.ckpt", "h.ptl", "h.safetensors", "h.PT"])
@pytest.mark.parametrize("data", [b"<!DOCTYPE html><html>", b"\x13\x37 no model", b"version https://git-lfs\n"])
def test_a_broken_model_in_a_folder_is_judged_as_if_it_were_named(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    code, rows = result(".")
    assert (code, rows["error"]["message"]) == (10, "1 of 3 model files cannot be judged")
    assert result(name)[1]["result"]["files"][0] in rows["result"]["files"]


def test_a_plain_pickle_is_not_what_torch_load_reads(folder: Path) -> None:
    (folder / "a.pt").write_bytes(pickle.dumps({"a": 1}))
    done = model("a.pt")
    assert (done.exit_code, done.stdout.splitlines()[:2]) == (
        10,
        ["a.pt: not a model that torch.load reads", "  a plain pickle: pickle.load reads it, torch.load does not"],
    )
    assert model(".").exit_code == 10
    (folder / "a.pt").rename(folder / "a.pkl")
    assert result("a.pkl")[1]["result"]["files"][0]["verdict"] == "cpu"


@pytest.mark.parametrize("name", ["bad.pt", "bad.pkl"])
def test_what_a_pickle_runs_is_a_warning(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"cposix\nsystem\n(Vecho\ntR.")
    warning = "  warning: a full unpickling runs posix.system: do not load it unless you know who made it"
    assert warning in model(name).stdout.splitlines()
    assert result(name)[1]["result"]["files"][0]["runs"] == ["posix.system"]


def test_unreadable_is_a_row(folder: Path) -> None:
    (folder / "cut.pt").write_bytes((folder / "cpu.pt").read_bytes()[:-40])
    code, data = result("cut.pt", "cpu.pt")
    assert code == 10
    assert [row["kind"] for row in data["result"]["files"]] == ["unreadable", "state-dict"]
    assert "zip directory" in data["result"]["files"][0]["because"]


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["gone.pt"], 2, "model.missing"),
        (["empty"], 3, "model.none"),
        (["cpu.pt", "--input", "1x5"], 2, "usage.load"),
        (["cpu.pt", "--load"], 2, "model.python"),
        (["cpu.pt", "--load", "--input", "1x5:nope"], 2, "usage.input"),
        (["cpu.pt", "--load", "--npz", "gone.npz"], 2, "usage.input"),
        (["cpu.pt", "gpu.pt", "--rewrite", "out.pt"], 2, "usage.rewrite"),
        (["cpu.pt", "--rewrite", "out.pt"], 2, "model.rewrite"),
        (["gpu.pt", "--rewrite", "cpu.pt"], 2, "model.exists"),
    ],
)
def test_errors(folder: Path, words: list[str], exit_code: int, code: str) -> None:
    (folder / "empty").mkdir()
    status, data = result(*words)
    assert (status, data["error"]["code"]) == (exit_code, code)
    assert data["error"]["hint"]


def test_rewrite(folder: Path) -> None:
    code, data = result("gpu.pt", "--rewrite", "out.pt")
    assert code == 0
    assert (data["result"]["rewritten"], data["result"]["files"][0]["path"]) == ("gpu.pt", "out.pt")
    assert data["result"]["files"][0]["verdict"] == "cpu"
    assert result("out.pt")[1]["result"]["files"][0]["devices"] == {"cpu": 1}


def test_control_characters_do_not_reach_the_terminal(folder: Path) -> None:
    body = b"\x80\x02cevil\x1b[2J\nthing\x9b1m\n)R."
    craft.write_zip(folder / "x\x1b]0;y.pt", {"data.pkl": body})
    done = model("x\x1b]0;y.pt")
    assert "\x1b" not in done.stdout
    assert "x\\x1b]0;y.pt" in done.stdout
    assert "\x1b" not in model("x\x1b]0;y.pt", "--json").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for an interpreter")
@pytest.mark.parametrize(
    ("body", "exit_code", "line"),
    [
        ('print(mark + \'{"loaded": false, "error": "RuntimeError: no"}\')', 10, "  loading fails: RuntimeError: no"),
        (
            "sys.exit('Segmentation fault')",
            10,
            "  loading fails: the interpreter ended with status 1: Segmentation fault",
        ),
        (
            'print(mark + \'{"loaded": true, "torch": "2.13.0", "seconds": 1, "forward": "skipped", "reason": "x"}\')',
            0,
            "  loaded with torch 2.13.0 in 1.00 s\n  not run: x",
        ),
        ('print(mark + \'{"loaded": false, "error": "x", "missing": "torch"}\')', 2, ""),
    ],
)
def test_load_through_an_interpreter(folder: Path, body: str, exit_code: int, line: str) -> None:
    from envtool.env.model_probe import MARK

    python = folder / "python"
    python.write_text(f"#!{sys.executable}\nimport sys\nmark = {MARK!r}\n{body}\n")
    python.chmod(0o755)
    done = model("cpu.pt", "--load", "--python", python)
    assert done.exit_code == exit_code
    assert line in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for an interpreter")
@pytest.mark.parametrize("source", ["settings", "variable"])
def test_load_follows_the_venv_setting(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    from envtool.env.model_probe import MARK

    python = folder / "other" / "bin" / "python"
    python.parent.mkdir(parents=True)
    text = 'print(mark + \'{"loaded": true, "torch": "2.13.0", "seconds": 1, "forward": "skipped", "reason": "x"}\')'
    python.write_text(f"#!{sys.executable}\nmark = {MARK!r}\n{text}\n")
    python.chmod(0o755)
    if source == "variable":
        monkeypatch.setenv("ENVTOOL_VENV", "other")
    else:
        (folder / "pyproject.toml").write_text('[tool.envtool]\nvenv = "other"\n')
    assert model("cpu.pt", "--load").exit_code == 0
