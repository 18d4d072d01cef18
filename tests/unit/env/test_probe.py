from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envtool.env import probe
from envtool.env.probe import build_evidence, environment_root, is_gpu_library, static_evidence

PROBE = Path(probe.__file__)


def find(evidence, name):
    (found,) = (item for item in evidence["distributions"] if item["name"] == name)
    return found


def run_probe(site, *options):
    python = environment_root(str(site.path)) + ("/Scripts/python.exe" if os.name == "nt" else "/bin/python")
    return subprocess.run([python, "-I", "-B", PROBE, *options], capture_output=True, text=True, check=False)


# --- the file itself --------------------------------------------------------------------------------------------------


def test_parses_with_the_syntax_of_python_3_8():
    ast.parse(PROBE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_imports_the_standard_library_alone_at_the_top():
    names = set()
    for node in ast.parse(PROBE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    assert names <= set(sys.stdlib_module_names) | {"__future__"}


@pytest.mark.parametrize(
    "name",
    [
        "libtorch_cuda.so",
        "libtorch_cuda_linalg.so",
        "libc10_cuda.so",
        "libcudart.so.13",
        "libcudart.faf08d9a.so.13",
        "libcudart-d0da41ae.so.11.0",
        "libcublasLt.so.13",
        "libcudnn_ops.so.9",
        "libnvrtc-builtins.so.13.0",
        "libcaffe2_nvrtc.so",
        "libtorch_hip.so",
        "libamdhip64.so",
        "torch_cuda.dll",
        "c10_cuda.dll",
        "cudart64_13.dll",
        "cublasLt64_13.dll",
        "nvrtc64_130_0.dll",
    ],
)
def test_gpu_libraries_by_name(name):
    assert is_gpu_library(name)


@pytest.mark.parametrize(
    "name",
    [
        "libtorch_cpu.so",
        "libc10.so",
        "libtorch.so",
        "libgomp.so.1",
        "torch_cpu.dll",
        "libcudart_stub.h",
        "cuda.py",
        "cudnn.cpython-311-x86_64-linux-gnu.so",
        "libcudadevrt.a",
        "cudart.py",
    ],
)
def test_other_files_are_no_gpu_libraries(name):
    assert not is_gpu_library(name)


@pytest.mark.parametrize(
    ("folder", "root"),
    [
        ("/env/lib/python3.11/site-packages", "/env"),
        ("/env/lib64/python3.11/site-packages", "/env"),
        ("/usr/lib/python3/dist-packages", "/usr"),
        ("/env/Lib/site-packages", "/env"),
        ("/bundle", "/bundle"),
    ],
)
def test_the_root_that_a_record_may_point_into(folder, root):
    assert Path(environment_root(folder)) == Path(root)


# --- static: distributions --------------------------------------------------------------------------------------------


def test_distributions_with_name_version_and_installer(site):
    site.torch()
    site.add("Typing_Extensions", "4.16.0", {"typing_extensions.py": ""})
    evidence = static_evidence(site.path)
    assert {(item["name"], item["version"]) for item in evidence["distributions"]} == {
        ("torch", "2.13.0+cpu"),
        ("Typing_Extensions", "4.16.0"),
    }
    assert find(evidence, "torch")["installer"] == "uv"
    assert find(evidence, "torch")["requires"] == ["filelock", 'pyyaml; extra == "pyyaml"']
    assert find(evidence, "torch")["tags"] == ["cp311-cp311-manylinux_2_28_x86_64"]
    assert evidence["unreadable"] == []
    json.dumps(evidence)


@pytest.mark.parametrize(
    ("text", "editable"),
    [
        ('{"url": "file:///x", "dir_info": {"editable": true}}', True),
        ('{"url": "file:///x", "dir_info": {}}', False),
        ('{"url": "https://mirror.example/x.whl", "archive_info": {}}', False),
        ("[]", False),
        ("{", False),
    ],
)
def test_editable_from_direct_url(site, text, editable):
    (site.add("app", "1.0") / "direct_url.json").write_text(text)
    assert find(static_evidence(site.path), "app")["editable"] is editable


def test_a_rest_of_an_interrupted_pip_is_not_installed(site):
    info = site.torch()
    info.rename(site.path / "~orch-2.13.0+cpu.dist-info")
    assert static_evidence(site.path)["distributions"] == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"Metadata-Version: 2.1\nName: broken\n", "no Name or no Version"),
        (b"\xff\xfe\x00broken", "UnicodeDecodeError"),
        (b"", "no METADATA"),
        (None, "no METADATA"),
    ],
)
def test_unreadable_metadata_is_evidence_not_a_crash(site, content, error):
    info = site.add("broken", "1.0")
    if content is None:
        (info / "METADATA").unlink()
    else:
        (info / "METADATA").write_bytes(content)
    evidence = static_evidence(site.path)
    assert evidence["distributions"] == []
    assert [Path(item["path"]).name for item in evidence["unreadable"]] == ["broken-1.0.dist-info"]
    assert error in evidence["unreadable"][0]["error"]


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert static_evidence(tmp_path / "none")["distributions"] == []


# --- static: RECORD ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deep", [False, True])
def test_an_untouched_record(site, deep):
    site.torch()
    record = find(static_evidence(site.path, deep=deep), "torch")["record"]
    assert (record["files"], record["missing_count"], record["changed_count"]) == (8, 0, 0)
    assert record["hashed"] == (7 if deep else 0)


def test_a_missing_file(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").unlink()
    record = find(static_evidence(site.path), "torch")["record"]
    assert record["missing"] == ["torch/lib/libc10.so"]
    assert record["missing_count"] == 1


def test_another_size(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").write_bytes(b"12345")
    record = find(static_evidence(site.path), "torch")["record"]
    assert record["changed"] == [{"path": "torch/lib/libc10.so", "what": "has 5 bytes, RECORD says 13"}]


def test_a_changed_byte_shows_with_deep_only(site):
    site.torch()
    path = site.path / "torch/lib/libc10.so"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert find(static_evidence(site.path), "torch")["record"]["changed"] == []
    assert find(static_evidence(site.path, deep=True), "torch")["record"]["changed"] == [
        {"path": "torch/lib/libc10.so", "what": "has another sha256 than RECORD"}
    ]


def test_many_missing_files_are_counted_and_some_listed(site):
    site.add("big", "1.0", {f"big/{number}.py": "x" for number in range(120)})
    for path in (site.path / "big").iterdir():
        path.unlink()
    record = find(static_evidence(site.path), "big")["record"]
    assert record["missing_count"] == 120
    assert len(record["missing"]) == probe.LISTED


def test_bytecode_without_a_hash_may_go(site):
    info = site.add("app", "1.0", {"app.py": ""})
    with (info / "RECORD").open("a") as stream:
        stream.write("__pycache__/app.cpython-311.pyc,,\n")
    assert find(static_evidence(site.path), "app")["record"]["missing"] == []


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_bytecode_that_python_makes_anew_may_differ(site, slash):
    # numpy 1.26.4 lists numpy/distutils/__pycache__/conv_template.cpython-311.pyc with a hash; an installer that
    # compiles writes it again, and so does Python.
    info = site.add("app", "1.0", {"app.py": ""})
    cache = site.path / "__pycache__"
    cache.mkdir()
    (cache / "app.cpython-311.pyc").write_bytes(b"made here")
    with (info / "RECORD").open("a") as stream:
        stream.write(f"__pycache__{slash}app.cpython-311.pyc,sha256=AAAA,3\n")
    record = find(static_evidence(site.path, deep=True), "app")["record"]
    assert (record["changed"], record["missing"]) == ([], [])
    (cache / "app.cpython-311.pyc").unlink()
    assert find(static_evidence(site.path), "app")["record"]["missing"] == []


def test_bytecode_without_a_source_is_a_file_like_others(site):
    info = site.add("app", "1.0")
    (site.path / "app.pyc").write_bytes(b"another")
    with (info / "RECORD").open("a") as stream:
        stream.write("app.pyc,sha256=AAAA,3\n")
    changed = find(static_evidence(site.path), "app")["record"]["changed"]
    assert changed == [{"path": "app.pyc", "what": "has 7 bytes, RECORD says 3"}]


@pytest.mark.parametrize("path", ["../../../../outside.txt", "/etc/hostname", "a/../../../../../../etc/hostname"])
def test_a_record_cannot_send_us_outside(site, path):
    info = site.add("hostile", "1.0")
    with (info / "RECORD").open("a") as stream:
        stream.write(f"{path},sha256=AAAA,1\n")
    record = find(static_evidence(site.path, deep=True), "hostile")["record"]
    assert (record["outside"], record["missing"], record["changed"]) == (1, [], [])


def test_a_launcher_is_found_in_bin_and_its_bytes_count_for_deep_only(site):
    info = site.add("app", "1.0")
    launcher = site.path / "../../../bin/app"
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text("#!/somewhere/else\n")
    with (info / "RECORD").open("a") as stream:
        stream.write("../../../bin/app,sha256=AAAA,3\n")
    assert find(static_evidence(site.path), "app")["record"]["changed"] == []
    assert len(find(static_evidence(site.path, deep=True), "app")["record"]["changed"]) == 1
    launcher.unlink()
    assert find(static_evidence(site.path), "app")["record"]["missing"] == ["../../../bin/app"]


def test_conda_rewrites_files_so_only_their_presence_counts(site):
    site.add("app", "1.0", {"app.py": "prefix"}, installer="conda")
    (site.path / "app.py").write_text("/another/prefix")
    assert find(static_evidence(site.path, deep=True), "app")["record"]["changed"] == []
    (site.path / "app.py").unlink()
    assert find(static_evidence(site.path), "app")["record"]["missing"] == ["app.py"]


@pytest.mark.parametrize(
    ("installer", "folder", "compared"),
    [
        ("rpm", "lib/python3.14/site-packages", False),
        (None, "lib/python3/dist-packages", False),
        (None, "lib/python3.11/site-packages", True),
        ("pip", "local/lib/python3.11/dist-packages", True),
    ],
)
def test_linux_distributions_change_files_after_record(tmp_path, site, installer, folder, compared):
    other = type(site)(tmp_path / folder)
    other.add("app", "1.0", {"app.libs/libcudart.so.13": b"long before strip"}, installer=installer)
    (other.path / "app.libs/libcudart.so.13").write_bytes(b"short")
    found = find(static_evidence(other.path), "app")
    assert (found["record"] is not None) is compared
    assert found["gpu_libraries"] == ["app.libs/libcudart.so.13"]


def test_a_company_may_add_its_certificate_authority(site):
    site.add("certifi", "2026.1.1", {"certifi/cacert.pem": "one"})
    (site.path / "certifi/cacert.pem").write_text("one and another")
    record = find(static_evidence(site.path), "certifi")["record"]
    assert (record["certificates"], record["changed"]) == (["certifi/cacert.pem"], [])


@pytest.mark.skipif(sys.platform == "win32", reason="mkfifo")
def test_a_pipe_in_place_of_a_file_is_not_read(site):
    site.torch()
    (site.path / "torch/lib/libc10.so").unlink()
    os.mkfifo(site.path / "torch/lib/libc10.so")
    record = find(static_evidence(site.path, deep=True), "torch")["record"]
    assert record["changed"] == [{"path": "torch/lib/libc10.so", "what": "is not a regular file"}]


def test_an_unknown_hash_does_not_count_as_a_match(site):
    info = site.add("app", "1.0", {"app.py": ""})
    (info / "RECORD").write_text("app.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n")
    record = find(static_evidence(site.path, deep=True), "app")["record"]
    assert record["changed"] == [{"path": "app.py", "what": "has no usable hash in RECORD (md5)"}]


@pytest.mark.parametrize(
    "text", ["a\0b,sha256=AAAA,1\n", "nul\0\n", ",,,\n\n", '"open\n', "x,sha256=A,99999999999999999999999\n"]
)
def test_a_malformed_record_is_no_crash(site, text):
    info = site.add("app", "1.0")
    (info / "RECORD").write_bytes(text.encode())
    static_evidence(site.path, deep=True)


def test_gpu_libraries_by_record(site):
    site.add("torchvision", "0.28.0", {"torchvision.libs/libcudart.faf08d9a.so.13": b"x", "torchvision/_C.so": b"y"})
    found = find(static_evidence(site.path), "torchvision")
    assert found["gpu_libraries"] == ["torchvision.libs/libcudart.faf08d9a.so.13"]


# --- static: builds ---------------------------------------------------------------------------------------------------


def test_version_py_is_read_and_never_run(site):
    site.torch()
    flag = site.path / "ran"
    with (site.path / "torch/version.py").open("a") as stream:
        stream.write(f"\nopen({str(flag)!r}, 'w').close()\n")
    build = static_evidence(site.path)["builds"]["torch"]
    assert build["values"]["__version__"] == "2.13.0+cpu"
    assert build["values"]["cuda"] is None
    assert build["error"] == ""
    assert not flag.exists()


@pytest.mark.parametrize(
    "content", [b"cuda = (", b"\0", b"(" * 5000, b"x = '\xff'"], ids=["cut", "a NUL", "deep", "no UTF-8"]
)
def test_a_damaged_version_py(site, content):
    site.torch()
    (site.path / "torch/version.py").write_bytes(content)
    build = static_evidence(site.path)["builds"]["torch"]
    assert build["values"] == {}
    assert build["error"]


def test_gpu_libraries_that_no_record_names(site):
    site.torch()
    (site.path / "torch/lib/libtorch_cuda.so").write_bytes(b"left over")
    assert build_evidence(site.path / "torch")["gpu_libraries"] == ["lib/libtorch_cuda.so"]


def test_the_first_folder_wins(site, tmp_path):
    site.torch()
    second = type(site)(tmp_path / "second")
    second.torch("2.9.0+cpu")
    assert static_evidence(site.path, second.path)["builds"]["torch"]["values"]["__version__"] == "2.13.0+cpu"
