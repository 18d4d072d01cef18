from __future__ import annotations

from pathlib import Path

import pytest

from envtool.audit.classify import classify
from envtool.audit.deps.cpu_route import cpu_route
from envtool.audit.install.images import is_gpu_runner, needs_gpu
from envtool.audit.install.steps import scopes_of
from envtool.audit.install.torch_steps import torch_steps
from envtool.audit.models import Project, Source

CPU = "https://download.pytorch.org/whl/cpu"
CU = "https://download.pytorch.org/whl/cu121"


def project_of(files: dict[str, str]) -> Project:
    sources = {}
    for path, text in files.items():
        kind = classify(path)
        assert kind is not None
        sources[path] = Source(path=path, absolute=Path(path), kind=kind, text=text)
    return Project(root=Path(), sources=sources)


def steps(files: dict[str, str], path: str) -> list[tuple[str, str, bool]]:
    project = project_of(files)
    return [(s.requirement.name, s.origin, s.settled) for s in torch_steps(project.sources[path], project)]


def origin(command: str) -> str:
    found = steps({"a.sh": command}, "a.sh")
    return found[0][1] if found else "none"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pip install torch", "default"),
        (f"pip install torch --index-url {CPU}", "cpu"),
        (f"pip install torch --extra-index-url {CPU}", "cpu"),
        (f"pip install torch -i {CU}", "gpu"),
        (f"pip install torch --index-url {CPU} --extra-index-url {CU}", "cpu"),
        ("pip install torch==2.5.0+cu121 -f https://x.example", "gpu"),
        ("pip install torch==1.13+cpu -f https://download.pytorch.org/whl/torch_stable.html", "cpu"),
        ("pip install torch==1.13 -f https://download.pytorch.org/whl/torch_stable.html", "default"),
        ("pip install torch==1.13+cpu", "unoffered"),
        ("pip install torch -i https://mirror.example/simple", "other"),
        ("pip install torch -i $WHO_KNOWS", "other"),
        ("pip install torch --no-index -f wheels", "other"),
        (f"PIP_INDEX_URL={CPU} pip install torch", "cpu"),
        (f"export PIP_INDEX_URL={CPU}\npip install torch", "cpu"),
        (f"export PIP_INDEX_URL={CPU}\nuv pip install torch", "default"),
        (f"export UV_INDEX=torch={CPU}\nuv pip install torch", "cpu"),
        ("uv pip install torch --torch-backend=auto", "cpu"),
        ("UV_TORCH_BACKEND=cu128 uv pip install torch", "gpu"),
        (f"pip install {CPU}/torch-2.3.0%2Bcpu-cp311-cp311-linux_x86_64.whl", "cpu"),
        ("conda install pytorch cpuonly -c pytorch", "cpu"),
        ("conda install pytorch pytorch-cuda=12.1 -c pytorch -c nvidia", "gpu"),
        ("conda install pytorch", "other"),
        ("pip install \"torch; sys_platform == 'darwin'\"", "none"),
        ("pip install numpy", "none"),
        ('bash -lc "set -e; pip install torch"', "default"),
        (f"docker run x sh -c 'pip install torch -i {CU}'", "none"),
    ],
)
def test_where_torch_comes_from(command: str, expected: str) -> None:
    assert origin(command) == expected


def test_what_is_there_settles_later_commands() -> None:
    text = f"pip install torch -i {CPU}\npip install easyocr torch\npip install -U torch\npip install torch -i {CU}\n"
    assert steps({"a.sh": text}, "a.sh") == [
        ("torch", "cpu", False),
        ("easyocr", "default", True),
        ("torch", "default", True),
        ("torch", "default", False),
        ("torch", "gpu", False),
    ]


def test_a_companion_from_elsewhere_is_mixed() -> None:
    project = project_of({"a.sh": f"pip install torch -i {CPU}\npip install torchvision\n"})
    assert [step.mixed for step in torch_steps(project.sources["a.sh"], project)] == [False, True]


def test_stages_go_on_from_each_other_and_not_from_a_sibling() -> None:
    text = (
        f"ARG INDEX={CPU}\nFROM python:3.11 AS base\nARG INDEX\nRUN pip install torch -i $INDEX\n"
        "FROM base\nRUN pip install torch\nFROM python:3.11\nRUN pip install torch\n"
    )
    assert steps({"Dockerfile": text}, "Dockerfile") == [
        ("torch", "cpu", False),
        ("torch", "default", True),
        ("torch", "default", False),
    ]


def test_files_are_followed_into_the_project() -> None:
    files = {
        "Dockerfile": "FROM python:3.11\nCOPY app/requirements.txt /x/\nRUN pip install -r /x/requirements.txt\n",
        "app/requirements.txt": "-r requirements-base.txt\n-c constraints.txt\n",
        "app/requirements-base.txt": "torch\n",
        "app/constraints.txt": "torchvision\n",
    }
    project = project_of(files)
    found = torch_steps(project.sources["Dockerfile"], project)
    assert [(step.requirement.name, step.file.path if step.file else "") for step in found] == [
        ("torch", "app/requirements-base.txt")
    ]


def test_the_index_of_the_file_counts() -> None:
    files = {"a.sh": "pip install -r requirements.txt\n", "requirements.txt": f"--extra-index-url {CU}\ntorch\n"}
    assert steps(files, "a.sh") == [("torch", "gpu", False)]


def test_a_project_is_installed_with_its_extras_and_uv_alone_reads_uvs_sources() -> None:
    pyproject = (
        '[project]\nname = "a"\nversion = "1"\ndependencies = []\n[project.optional-dependencies]\nml = ["torch"]\n'
        '[tool.uv.sources]\ntorch = { index = "cpu" }\n'
        f'[[tool.uv.index]]\nname = "cpu"\nurl = "{CPU}"\nexplicit = true\n'
    )
    files = {"pyproject.toml": pyproject, "a.sh": "pip install .\npip install '.[ml]'\nuv sync --extra ml\nuv sync\n"}
    assert [row[:2] for row in steps(files, "a.sh")] == [("torch", "default"), ("torch", "cpu")]


def test_uv_reads_its_indexes_beside_it_for_named_packages() -> None:
    pyproject = f'[project]\nname = "a"\nversion = "1"\n[[tool.uv.index]]\nurl = "{CPU}"\n'
    files = {"pyproject.toml": pyproject, "ci/a.sh": "uv pip install torch\n", "b.sh": "pip install torch\n"}
    assert [row[1] for row in steps(files, "ci/a.sh")] == ["cpu"]
    assert [row[1] for row in steps(files, "b.sh")] == ["default"]


def test_the_exec_form_of_run() -> None:
    text = 'FROM python:3.11\nRUN ["pip", "install", \\\n  "torch"]\n'
    assert steps({"Dockerfile": text}, "Dockerfile") == [("torch", "default", False)]


def test_after_a_clone_the_files_are_somebody_elses() -> None:
    script = "git clone https://git.example/x && cd x\npip install -r requirements.txt\n"
    files = {"a.sh": script, "requirements.txt": "torch\n"}
    assert steps(files, "a.sh") == []


def test_jobs_know_their_platform_and_variables() -> None:
    text = (
        "on: push\nenv:\n  PIP_EXTRA_INDEX_URL: " + CPU + "\njobs:\n"
        "  a:\n    runs-on: ${{ matrix.os }}\n    strategy:\n      matrix:\n        os: [windows-latest, macos-14]\n"
        "    steps:\n      - run: pip install torch\n"
        "  b:\n    runs-on: ubuntu-latest\n    steps:\n      - run: >\n          pip install\n          torch\n"
        "      - shell: python\n        run: pip install torch\n"
    )
    path = ".github/workflows/ci.yml"
    project = project_of({path: text})
    assert [(scope.name, scope.linux) for scope in scopes_of(project.sources[path], project)] == [
        ("a", False),
        ("b", True),
    ]
    found = torch_steps(project.sources[path], project)
    assert [(step.scope.name, step.origin, text[step.start : step.end]) for step in found] == [
        ("a", "cpu", "torch"),
        ("b", "cpu", "torch"),
    ]
    assert cpu_route(project) == path


@pytest.mark.parametrize(
    ("image", "gpu"),
    [
        ("nvidia/cuda:12.1.0-base", True),
        ("docker.io/nvidia/cuda:12", True),
        ("pytorch/pytorch", True),
        ("nvcr.io/nvidia/tritonserver:24.05-py3", True),
        ("tensorflow/tensorflow:2.15.0-gpu", True),
        ("ghcr.io/example/app:v1-cuda12", True),
        ("rocm/pytorch:latest", True),
        ("python:3.11", False),
        ("ghcr.io/example/pytorch:2.3-cpu", False),
        ("${BASE}", False),
        ("scratch", False),
        ("registry.example:5000/team/app@sha256:00", False),
    ],
)
def test_images(image: str, gpu: bool) -> None:
    assert bool(needs_gpu(image)) is gpu


def test_runners() -> None:
    assert is_gpu_runner("t4_gpu")
    assert is_gpu_runner("[self-hosted, linux, a100]")
    assert not is_gpu_runner("ubuntu-latest")
    assert not is_gpu_runner("${{ inputs.gpu }}")
    assert not is_gpu_runner("macos-14-l4rge")
