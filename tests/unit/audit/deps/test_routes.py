from __future__ import annotations

import pytest

from envtool.audit.deps.brings_torch import brings_torch
from envtool.audit.deps.markers import holds_on, on_linux
from envtool.audit.deps.routes import parse_requirement, route_of, wheel_of


@pytest.mark.parametrize(
    ("url", "route"),
    [
        ("https://download.pytorch.org/whl/cpu", "cpu"),
        ("https://download.pytorch.org/whl/nightly/cpu/", "cpu"),
        ("https://download.pytorch.org/whl/cpu/torch_stable.html", "cpu"),
        ("https://mirror.example/pytorch/whl/cpu", "cpu"),
        ("https://download.pytorch.org/whl/cu118", "gpu"),
        ("https://download.pytorch.org/whl/nightly/rocm6.2", "gpu"),
        ("https://mirror.example/stable/xpu/us/", "gpu"),
        ("https://download.pytorch.org/whl/cu${VERSION}", "gpu"),
        ("https://download.pytorch.org/whl/cu118/torch/", "gpu"),
        ("https://download.pytorch.org/whl/cu118/torch-2.1.0%2Bcu118-cp311-cp311-linux_x86_64.whl", "gpu"),
        ("https://mirror.example/detectron2/wheels/cu101/torch1.7/index.html", "extension"),
        ("https://mirror.example/mmcv/dist/latest/torch1.6.0/cu101/index.html", "extension"),
        ("https://mirror.example/dist/cu117/torch${VERSION}/index.html", "extension"),
        ("https://mirror.example/whl/torch-2.1.0+cu118.html", "extension"),
        ("https://mirror.example/whl/torch-2.1.0%2Bcu118.html", "extension"),
        ("https://mirror.example/torch-2.1.0_cu118.html", "extension"),
        ("https://mirror.example/wheels/torch-2.1/rocm6.2/repo.html", "extension"),
        ("https://mirror.example/detectron2/wheels/cpu/torch1.7/index.html", "default"),
        ("https://mirror.example/mmcv/dist/latest/torch1.6.0/cpu/index.html", "default"),
        ("https://mirror.example/whl/torch-2.1.0%2Bcpu.html", "default"),
        ("https://pypi.nvidia.example", "nvidia"),
        ("https://pypi.ngc.nvidia.com/simple", "nvidia"),
        ("https://pkgs.example/_packaging/onnxruntime-cuda-12/pypi/simple/", "nvidia"),
        ("https://download.pytorch.org/whl/torch_stable.html", "pytorch"),
        ("https://download.pytorch.org/whl/${{ matrix.backend }}", "other"),
        ("https://pypi.example/simple/", "default"),
        ("https://mirror.example/pypi/simple", "default"),
        ("https://mirror.example/api/pypi/all/simple", "other"),
        ("https://mirror.example/simple", "other"),
        ("./wheels", "other"),
        ("$INDEX", "other"),
        ("https://[broken/cpu", "other"),
        ("https://mirror.example/cpus/simple", "other"),
    ],
)
def test_where_a_url_leads(url: str, route: str) -> None:
    assert route_of(url) == route


def test_the_wheel_of_a_url() -> None:
    found = wheel_of("https://x.example/torch-2.10.0%2Bcu121-1-cp312-cp312-linux_x86_64.whl#sha256=0")
    assert found is not None
    assert (found[0], str(found[1])) == ("torch", "2.10.0+cu121")
    assert wheel_of("https://x.example/torch.tar.gz") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Torch", "torch"),
        ("git+https://git.example/me/Some_Project.git@v1", "some-project"),
        ("git+ssh://git@git.example/me/thing", "thing"),
        ("https://x.example/torch-2.3.0-cp311-cp311-linux_x86_64.whl ; sys_platform == 'linux'", "torch"),
        ("not a requirement", None),
        ("git+https://[x.example/y", "unknown"),
    ],
)
def test_names_of_requirements(text: str, name: str | None) -> None:
    found = parse_requirement(text)
    assert (found[0] if found else None) == name


def test_packages_that_require_torch() -> None:
    assert brings_torch("easyocr")
    assert brings_torch("transformers", {"torch"})
    assert not brings_torch("transformers")
    assert not brings_torch("torch-geometric")


def test_markers() -> None:
    assert on_linux(None)
    assert on_linux("python_version < '3.9'")
    assert on_linux("extra == 'cpu' and sys_platform == 'linux'")
    assert not on_linux("sys_platform == 'darwin'")
    assert not on_linux("platform_system == 'Windows'")
    assert not holds_on("platform_machine == 'aarch64'", "linux-x86_64")
    assert on_linux("nonsense ==")


@pytest.mark.parametrize(
    ("text", "name", "marker"),
    [
        ("./torch-2.5.0+cu121-cp311-cp311-linux_x86_64.whl", "torch", None),
        ("wheels\\torch-2.5.0+cu121-cp311-cp311-win_amd64.whl", "torch", None),
        ("/w/Some_Name-1.0-py3-none-any.whl[fast] ; python_version > '3.9'", "some-name", 'python_version > "3.9"'),
    ],
)
def test_a_wheel_by_its_path(text: str, name: str, marker: str | None) -> None:
    parsed = parse_requirement(text)
    assert parsed is not None
    assert (parsed[0], str(parsed[1].marker) if parsed[1].marker else None) == (name, marker)


@pytest.mark.parametrize(
    "text", ["./dist/*.whl", "./torch.whl", "$DIR/torch-2.5.0-cp311-cp311-linux_x86_64.whl", "./x"]
)
def test_a_path_that_names_no_wheel(text: str) -> None:
    assert parse_requirement(text) is None
