"""The fix of an install command: what it appends, to which commands, and when there is none or an unsafe one."""

from __future__ import annotations

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.fixes import plan_fixes
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES

INDEX = "--index-url https://download.pytorch.org/whl/cpu"


def mended(tmp_path, name, text, files=None, *, unsafe=False):
    for path, content in {name: text, **(files or {})}.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8", newline="")
    rules = [rule for rule in RULES if rule.code in ("CPU306", "CPU402", "CPU403")]
    report = run_audit(discover([tmp_path], cwd=tmp_path), rules, AuditOptions())
    assert any(finding.code in ("CPU402", "CPU403") for finding in report.findings)
    texts = plan_fixes(report.sources, report.findings, unsafe=unsafe).texts
    if name in texts:
        (tmp_path / name).write_text(texts[name], encoding="utf-8", newline="")
        again = run_audit(discover([tmp_path], cwd=tmp_path), rules, AuditOptions())
        assert again.findings == ()
    return texts.get(name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pip install torch", f"pip install torch {INDEX}"),
        ("pip install torch 2>&1 | tee log", f"pip install torch {INDEX} 2>&1 | tee log"),
        ("pip install torch > log", f"pip install torch {INDEX} > log"),
        ("pip install 'torch>=2' && make", f"pip install 'torch>=2' {INDEX} && make"),
        ("pip install \\\n    torch \\\n    torchvision", f"pip install \\\n    torch \\\n    torchvision {INDEX}"),
        ("if true; then pip install torch; fi", f"if true; then pip install torch {INDEX}; fi"),
        ("pip install torch  # large", f"pip install torch {INDEX}  # large"),
    ],
)
def test_the_index_stands_at_the_end_of_the_command(tmp_path, before, after):
    assert mended(tmp_path, "install.sh", f"{before}\n") == f"{after}\n"


GPU = "https://download.pytorch.org/whl/cu121"
CPU = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"torch torchvision torchaudio --index-url {GPU}", f"torch torchvision torchaudio --index-url {CPU}"),
        (f"--index-url={GPU}/ torch", f"--index-url={CPU}/ torch"),
        (f"-i '{GPU}' torch", f"-i '{CPU}' torch"),
        (f'"torch==2.5.0+cu121" --extra-index-url {GPU}', f'"torch==2.5.0" --extra-index-url {CPU}'),
        ("torch --index-url https://download.pytorch.org/whl/nightly/rocm6.1",
         "torch --index-url https://download.pytorch.org/whl/nightly/cpu"),
    ],
)  # fmt: skip
def test_a_gpu_index_gives_way_to_its_cpu_sibling(tmp_path, before, after):
    assert mended(tmp_path, "install.sh", f"pip install {before}\n") == f"pip install {after}\n"
    docker = f"FROM python:3.12\nRUN pip install {before}\n"
    assert mended(tmp_path / "docker", "Dockerfile", docker) == f"FROM python:3.12\nRUN pip install {after}\n"


@pytest.mark.parametrize(
    "line",
    [
        f"pip install torch numpy --index-url {GPU}",
        f"pip install torch -r more.txt --index-url {GPU}",
        f"INDEX={GPU}\npip install torch --index-url $INDEX",
        "CU=cu121\npip install torch --index-url https://download.pytorch.org/whl/$CU",
        f"pip install torch --index-url {GPU} -f https://mirror.example/wheels/",
    ],
)
def test_a_gpu_index_stays_where_more_hangs_on_it(tmp_path, line):
    found = mended(tmp_path, "install.sh", f"{line}\n", unsafe=True)
    assert found is None or GPU in found


def test_of_a_mirror_nobody_knows_whether_it_has_cpu_builds(tmp_path):
    text = "pip install torch --index-url https://mirror.example/whl/cu121\n"
    assert mended(tmp_path, "install.sh", text) is None
    assert mended(tmp_path, "install.sh", text, unsafe=True) == text.replace("cu121", "cpu")


def test_what_is_built_for_torch_goes_with_it(tmp_path):
    text = "FROM python:3.12 AS a\nRUN pip install torch\nFROM a\nRUN pip install numpy\nRUN pip install torchaudio\n"
    expected = text.replace("torch\n", f"torch {INDEX}\n").replace("torchaudio\n", f"torchaudio {INDEX}\n")
    assert mended(tmp_path, "Dockerfile", text) == expected


def test_no_fix_when_what_is_built_for_torch_cannot_follow(tmp_path):
    text = "FROM python:3.12\nRUN pip install torch\nRUN pip install -r requirements.txt\n"
    assert mended(tmp_path, "Dockerfile", text, {"requirements.txt": "torchvision\n"}) is None


def test_a_file_that_is_satisfied_by_then_does_not_matter(tmp_path):
    text = "FROM python:3.12\nRUN pip install torch torchvision\nRUN pip install -r requirements.txt\n"
    files = {"requirements.txt": "torch\ntorchvision\n"}
    assert mended(tmp_path, "Dockerfile", text, files) == text.replace("vision\n", f"vision {INDEX}\n", 1)


def test_another_stage_does_not_matter(tmp_path):
    text = (
        "FROM python:3.12 AS a\nRUN pip install torch\nFROM python:3.12 AS b\nRUN pip install -r r-requirements.txt\n"
    )
    fixed = mended(tmp_path, "install/Dockerfile", text, {"r-requirements.txt": "ruff\n"})
    assert fixed == text.replace("torch\n", f"torch {INDEX}\n")


def test_in_an_image_for_gpus_it_is_not_safe(tmp_path):
    text = "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04 AS base\nFROM base\nRUN pip install torch\n"
    assert mended(tmp_path, "Dockerfile", text) is None
    assert mended(tmp_path, "Dockerfile", text, unsafe=True) == text.replace("torch\n", f"torch {INDEX}\n")


def test_no_fix_for_a_nightly_build(tmp_path):
    lines = "torch==2.9.0.dev20250801+cu128\ntorchvision==0.24.0+cu128\n"
    (tmp_path / "requirements.txt").write_text(lines, encoding="utf-8")
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    texts = plan_fixes(report.sources, report.findings, unsafe=True).texts
    assert texts == {"requirements.txt": "torch==2.9.0.dev20250801+cu128\ntorchvision==0.24.0\n"}


def test_no_fix_for_an_index_that_pins_need(tmp_path):
    lines = "--extra-index-url https://download.pytorch.org/whl/cpu\ntorch==2.9.0+cpu\n"
    (tmp_path / "requirements.txt").write_text(lines, encoding="utf-8")
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    assert "CPU304" in {finding.code for finding in report.findings}
    assert plan_fixes(report.sources, report.findings, unsafe=True).texts == {}


def test_no_fix_where_torch_is_there_by_then(tmp_path):
    text = "pip install accelerate\npip install torch==2.9.0\n"
    assert mended(tmp_path, "install.sh", text) is None


def test_a_file_for_gpus_beside_one_for_cpus_is_no_mistake(tmp_path):
    lines = "--extra-index-url https://download.pytorch.org/whl/xpu\ntorch==2.9.0+xpu\n"
    (tmp_path / "requirements-intel.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "requirements-cpu.txt").write_text("torch\n", encoding="utf-8")
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    assert plan_fixes(report.sources, report.findings).texts == {}
    assert plan_fixes(report.sources, report.findings, unsafe=True).texts == {
        "requirements-intel.txt": "torch==2.9.0\n"
    }
