"""What ``--fix`` makes of requirements files: exact texts, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.fixes import plan_fixes
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES

CU = "https://download.pytorch.org/whl/cu118"


def fixed(folder: Path, text: str, *, unsafe: bool = False, **others: str) -> str:
    """The text of requirements.txt after the fixes, in as many rounds as they take."""
    files = {"requirements.txt": text, **{name.replace("_", "."): content for name, content in others.items()}}
    for name, content in files.items():
        (folder / name).write_bytes(content.encode())
    for _ in range(5):
        report = run_audit(discover([folder], cwd=folder), RULES, AuditOptions())
        plan = plan_fixes(report.sources, report.findings, unsafe=unsafe)
        assert plan.left == ()
        if not plan.texts:
            break
        for name, content in plan.texts.items():
            (folder / name).write_bytes(content.encode())
    return (folder / "requirements.txt").read_bytes().decode()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (f"--extra-index-url \\\n  {CU}\ntorch\nnumpy\n", "torch\nnumpy\n"),
        (f"numpy\r\n--extra-index-url \\\r\n  {CU}\r\ntorch\r\n", "numpy\r\ntorch\r\n"),
        (f"  --extra-index-url \\\n \\\n '{CU}' # why\ntorch\n", "torch\n"),
        (f"--extra-index-url={CU} \\\n\ntorch\n", "torch\n"),
        (f"-i{CU}\ntorch\n", "torch\n"),
    ],
)
def test_an_index_line_goes_with_all_its_parts(tmp_path: Path, text: str, after: str) -> None:
    assert fixed(tmp_path, text) == after


def test_a_cpu_index_that_goes_on_where_envtool_routes(tmp_path: Path) -> None:
    text = "--extra-index-url \\\n  https://download.pytorch.org/whl/cpu\ntorch\nnumpy\n"
    pyproject = "[project]\nname = 'x'\nversion = '1'\n\n[tool.envtool]\n"
    assert fixed(tmp_path, text, pyproject_toml=pyproject) == "torch\nnumpy\n"


@pytest.mark.parametrize(
    "text",
    [
        f"-r a.txt \\\n --extra-index-url {CU}\ntorch\n",
        f"--extra-index-url {CU} \\\n -r a.txt\ntorch\n",
        f"--extra-index-url {CU} \\\ntorch\nnumpy\n",
        f"--extra-index-url {CU} # why \\\ntorch\nnumpy\n",
        f"torch \\\n --extra-index-url \\\n {CU}\nnumpy\n",
    ],
)
def test_a_line_that_holds_more_than_an_index_is_left_alone(tmp_path: Path, text: str) -> None:
    assert fixed(tmp_path, text, unsafe=True, a_txt="numpy\n") == text


def test_a_comment_ends_a_line_that_goes_on(tmp_path: Path) -> None:
    text = f"--extra-index-url {CU} \\\n# why \\\ntorch\n"
    assert fixed(tmp_path, text).endswith("torch\n")


@pytest.mark.parametrize(
    "text",
    [
        "torch==2.1.0+cu118 --hash=sha256:{0}\nnumpy\n",
        "torch==2.1.0+cu118 \\\n    --hash=sha256:{0} \\\n    --hash=sha256:{0}\n    # via x\nnumpy\n",
        "torch==2.1.0+cu118 --config-settings=a=b --hash=sha256:{0}\nnumpy\n",
        f"torch @ {CU}/torch-2.1.0%2Bcu118-cp311-cp311-linux_x86_64.whl --hash=sha256:{{0}}\nnumpy\n",
    ],
)
def test_a_pin_with_hashes_is_left_alone(tmp_path: Path, text: str) -> None:
    text = text.format("a" * 64)
    assert fixed(tmp_path, text, unsafe=True) == text
    assert fixed(tmp_path, "torch==2.1.0+cu118\nnumpy\n") == "torch==2.1.0\nnumpy\n"


@pytest.mark.parametrize("page", ["wheels/cu101/torch1.7/index.html", "whl/torch-2.1.0+cu118.html"])
def test_a_page_of_an_extension_stays(tmp_path: Path, page: str) -> None:
    text = f"-f https://mirror.example/{page}\ntorch\ndetectron2==0.3\n"
    assert fixed(tmp_path, text, unsafe=True) == text
    report = run_audit(discover([tmp_path], cwd=tmp_path), RULES, AuditOptions())
    assert [(finding.code, finding.severity, finding.message) for finding in report.findings] == [
        (
            "CPU304",
            "error",
            "--find-links names GPU builds of an extension of torch, which CPU builds of torch cannot load",
        ),
        (
            "CPU301",
            "error",
            "torch comes from the default index, on Linux as the CUDA build with its GPU packages (about 2.7 GB)",
        ),
    ]


def test_an_index_that_may_have_nothing_to_do_with_torch_stays(tmp_path: Path) -> None:
    index = "--extra-index-url https://mirror.example/whl/cu121\n"
    assert fixed(tmp_path, f"{index}llama-cpp-python\n") == f"{index}llama-cpp-python\n"
    assert fixed(tmp_path, f"{index}torch\n") == "torch\n"
    assert fixed(tmp_path, f"--extra-index-url {CU}\nllama-cpp-python\n") == "llama-cpp-python\n"


PAGE = "-f https://download.pytorch.org/whl/torch_stable.html\n"


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_pin_beside_a_page_of_all_builds_becomes_one_for_cpus(tmp_path: Path, unsafe: bool) -> None:
    wheel = "https://download.pytorch.org/whl/cu117/torchvision-0.14.1%2Bcu117-cp310-cp310-linux_x86_64.whl"
    text = f"{PAGE}torch==1.13.1+cu117\n{wheel}\n"
    assert fixed(tmp_path, text, unsafe=unsafe) == f"{PAGE}torch==1.13.1+cpu\ntorchvision==0.14.1+cpu\n"


def test_the_page_may_stand_in_a_file_that_is_read_with_it(tmp_path: Path) -> None:
    (tmp_path / "requirements-all.txt").write_text("-r requirements-page.txt\n-r requirements.txt\n")
    (tmp_path / "requirements-page.txt").write_text(PAGE)
    assert fixed(tmp_path, "torch==1.13.1+cu117\n", unsafe=True) == "torch==1.13.1+cpu\n"
    assert (tmp_path / "requirements-page.txt").read_text() == PAGE


def test_where_envtool_routes_the_page_goes_and_the_version_is_public(tmp_path: Path) -> None:
    pyproject = "[project]\nname = 'x'\nversion = '1'\n\n[tool.envtool]\n"
    assert fixed(tmp_path, f"{PAGE}torch==1.13.1+cu117\n", pyproject_toml=pyproject) == "torch==1.13.1\n"


def test_no_cpu_pin_of_what_has_no_such_build(tmp_path: Path) -> None:
    text = f"{PAGE}torch-tensorrt==1.3.0+cu117\n"
    assert fixed(tmp_path, text) == text
