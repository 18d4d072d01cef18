"""The audit of one frozen app: what its spec bundles, and nothing else."""

from __future__ import annotations

from pathlib import Path

import craft
import pytest

from envtool.audit.app import audit_app

GPU = 'def forward(self, x):\n  return torch.to(x, torch.device("cuda:0"))\n'
SPEC = """\
a = Analysis(["main.py"], datas=[("models", "models"), ("extra/*.pt", ".")], excludes=["unittest"],
             runtime_hooks=["rt.py"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "app.spec": SPEC,
        "main.py": "import lib\nimport torch\ntorch.zeros(1, device='cuda')\n",
        "rt.py": "import torch\n@torch.jit.script\ndef f(x): return x\n",
        "lib.py": "import torch\nf = torch.compile(abs)\n",
        "other.spec": 'a = Analysis(["other.py"], excludes=["asyncio"])\n',
        "other.py": "import torch\ng = torch.compile(abs)\n",
        "Dockerfile": "FROM python\nENV PYTORCH_JIT=0\n",
        ".gitignore": "models/\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("models/deep/gpu.pt", "models/cpu.pt", "extra/gpu.pt", "elsewhere/gpu.pt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        craft.torchscript(path, code=GPU if path.stem == "gpu" else "")
    return tmp_path


def errors(spec: Path, root: Path) -> set[tuple[str, str, int]]:
    report = audit_app(spec, root)
    return {(row.code, row.path, row.location.line) for row in report.findings if row.severity == "error"}


def test_spec_code_and_models_of_the_app_and_of_no_other(project: Path) -> None:
    assert errors(project / "app.spec", project) == {
        ("CPU201", "rt.py", 2),
        ("CPU205", "lib.py", 2),
        ("CPU212", "app.spec", 1),
        ("CPU503", "extra/gpu.pt", 1),
        ("CPU503", "models/deep/gpu.pt", 1),
    }
    assert errors(project / "other.spec", project) == {("CPU205", "other.py", 2), ("CPU212", "other.spec", 1)}


def test_comments_and_settings_of_the_project_count(project: Path) -> None:
    (project / "lib.py").write_text("import torch\nf = torch.compile(abs)  # envtool: ignore[CPU205] never called\n")
    settings = (
        '[tool.envtool.audit]\nignore = ["CPU212"]\n[tool.envtool.audit.per-file-ignores]\n"models/**" = ["CPU5"]\n'
    )
    (project / "pyproject.toml").write_text(settings)
    assert errors(project / "app.spec", project) == {("CPU201", "rt.py", 2), ("CPU503", "extra/gpu.pt", 1)}


def test_a_spec_outside_of_the_project_is_audited_with_its_own_folder(project: Path, tmp_path: Path) -> None:
    root = tmp_path / "elsewhere"
    assert ("CPU205", "lib.py", 2) in errors(project / "app.spec", root)


def test_a_spec_that_does_not_parse_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "app.spec").write_text("Analysis([")
    assert errors(tmp_path / "app.spec", tmp_path) == set()
