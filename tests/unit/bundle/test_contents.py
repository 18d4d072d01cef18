"""What is in a bundle: sizes by part, GPU libraries, the executable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envtool.bundle import contents
from envtool.errors import InstallError


def put(path: Path, size: int, *, program: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    if program:
        path.chmod(0o755)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "dist" / "app"
    put(folder / "app", 10, program=True)
    put(folder / "_internal" / "libpython3.11.so.1.0", 20)
    put(folder / "_internal" / "torch" / "lib" / "libtorch_cpu.so", 500)
    put(folder / "_internal" / "torch" / "nn" / "functional.py", 30)
    put(folder / "_internal" / "numpy.libs" / "libblas.so", 7)
    put(folder / "_internal" / "numpy" / "x.so", 4)
    return folder


def test_sizes_by_part_add_up(bundle):
    files = contents.list_files(bundle)
    sizes = contents.sizes_of(files, sum(files.values()), packed=False)
    assert sizes.total == 571
    assert sizes.parts == (("torch/lib", 500), ("Python, system, executable", 30), ("torch", 30), ("numpy", 11))


def test_links_count_nothing(bundle):
    (bundle / "_internal" / "libtorch_cpu.so").symlink_to("torch/lib/libtorch_cpu.so")
    assert sum(contents.list_files(bundle).values()) == 571


def test_a_gpu_library_is_found_wherever_it_is(bundle):
    put(bundle / "_internal" / "nvidia" / "cublas" / "lib" / "libcublas.so.12", 1)
    put(bundle / "_internal" / "torch" / "backends" / "cuda.py", 1)
    found = contents.gpu_libraries(contents.list_files(bundle))
    assert found == ("_internal/nvidia/cublas/lib/libcublas.so.12",)


def test_the_build_s_own_list_has_posix_paths(tmp_path):
    path = tmp_path / "contents.json"
    path.write_text(json.dumps([["torch\\lib\\torch_cpu.dll", 5], ["a.txt", 1]]), encoding="utf-8")
    assert contents.read_contents(path) == {"torch/lib/torch_cpu.dll": 5, "a.txt": 1}


def test_one_folder(bundle):
    assert contents.find_bundle(bundle.parent) == (bundle, bundle / "app")


def test_one_file(tmp_path):
    put(tmp_path / "app", 1, program=True)
    assert contents.find_bundle(tmp_path) == (tmp_path / "app", tmp_path / "app")


def test_windows_executable(tmp_path):
    put(tmp_path / "app" / "app.exe", 1)
    assert contents.find_bundle(tmp_path)[1] == tmp_path / "app" / "app.exe"


def test_an_executable_of_another_name(tmp_path):
    put(tmp_path / "voice-1.2" / "voice", 1, program=True)
    put(tmp_path / "voice-1.2" / "README", 1)
    assert contents.find_bundle(tmp_path)[1] == tmp_path / "voice-1.2" / "voice"


def test_a_macos_app_wins_over_the_folder_beside_it(tmp_path):
    put(tmp_path / "app" / "app", 1, program=True)
    put(tmp_path / "app.app" / "Contents" / "MacOS" / "app", 1, program=True)
    found = contents.find_bundle(tmp_path)
    assert found == (tmp_path / "app.app", tmp_path / "app.app" / "Contents" / "MacOS" / "app")


@pytest.mark.parametrize("names", [[], ["one", "two"]])
def test_nothing_or_several(tmp_path, names):
    for name in names:
        put(tmp_path / name / name, 1, program=True)
    with pytest.raises(InstallError) as caught:
        contents.find_bundle(tmp_path)
    assert caught.value.code == "bundle.nothing"
