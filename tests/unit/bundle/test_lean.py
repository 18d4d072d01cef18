"""What is left out of a bundle, and which sources TorchScript reads."""

from __future__ import annotations

import pytest

from envtool.bundle.inside import envtool_lean as lean


@pytest.mark.parametrize(
    "path",
    [
        "torch/test/test_x.py",
        "torch/bin/protoc",
        "torch/bin/upgrader_models/x.ptl",
        "torch/include/ATen/ATen.h",
        "torch/share/cmake/Torch/TorchConfig.cmake",
        "torch/lib/libXNNPACK.a",
        "torch\\lib\\dnnl.lib",
        "torch/_C/__init__.pyi",
        "torch/lib/libtorchbind_test.so",
        "torch/lib/jitbackend_test.dll",
    ],
)
def test_files_that_are_left_out(path):
    assert not lean.keeps_file(path)


@pytest.mark.parametrize(
    "path",
    [
        "torch/bin/torch_shm_manager",
        "torch/lib/libtorch_cpu.so",
        "torch/testing/__init__.py",
        "torch/nn/functional.py",
        "app/test/data.json",
        "mylib/include/x.h",
    ],
)
def test_files_that_stay(path):
    assert lean.keeps_file(path)


def test_sources_that_torchscript_needs_come_in_whatever_the_spec_says():
    modes = {"app.nets": "pyz", "other": "py"}
    assert lean.with_sources(modes, ["app.nets"]) == {"app.nets": "pyz+py", "other": "py"}
    assert lean.with_sources(None, []) == {}


def test_what_torch_imports_is_never_left_out():
    needed = {"torch.testing", "torch.distributed", "torch.ao", "torch.quantization", "torch.cuda", "torch.optim"}
    needed |= {"torch.backends.cuda", "torch.backends.cudnn", "torch.export", "torch.compiler", "torch._functorch"}
    needed |= {"unittest", "asyncio", "multiprocessing", "email", "http", "urllib", "numpy", "torch.fx"}
    assert not needed & {*lean.MODULES, *lean.OTHERS}


def test_keep_brings_back_a_module_and_what_holds_it():
    names = ("torch.onnx", "torch._dynamo", "sympy")
    assert lean.without(names, ["torch.onnx"]) == ("torch._dynamo", "sympy")
    assert lean.without(names, ["torch._dynamo.utils"]) == ("torch.onnx", "sympy")
    assert lean.without(names, ["torch.onnxes"]) == names


def test_modules_of_a_package_by_its_files(tmp_path):
    package = tmp_path / "torch"
    for name in ("__init__", "nn/__init__", "nn/functional", "onnx/__init__", "onnx/x", "bin/tool", "nn/not-a-module"):
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert lean.torch_modules(package, ["torch.onnx"]) == ["torch", "torch.nn", "torch.nn.functional"]


@pytest.mark.parametrize(
    "source",
    [
        "import torch\n@torch.jit.script\ndef f(x): return x\n",
        "import torch as t\nm = t.jit.script(M())\n",
        "from torch import jit\njit.script(f)\n",
        "from torch.jit import script_method\n",
    ],
)
def test_source_that_torchscript_reads(source):
    assert lean.scripts_functions(source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.jit.load('x')\n",
        "import torch\ntorch.jit.trace(f, x)\n",
        "# torch.jit.script\n'torch.jit.script'\n",
        "page.script(x)\n",
        "def broken(:\n",
        "\0",
    ],
)
def test_source_that_it_does_not_read(source):
    assert not lean.scripts_functions(source)


def test_modules_of_the_app_that_script(tmp_path):
    scripted = "import torch\n@torch.jit.script\ndef f(x): return x\n"
    for name in ("plain.py", "fast.py", "app/ops.py", "app/__init__.py", ".venv/x.py", "env/lib/y.py", "dist/z.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if name == "plain.py" else scripted)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    assert lean.scripting_modules([tmp_path]) == ["app", "app.ops", "fast"]


def test_hidden_imports_of_collect_submodules_go_and_named_ones_stay():
    collected = ["app.plugin", "torch", "torch._dynamo", "torch._inductor", "torch.nn", "torchaudio"]
    assert lean.without_collected(collected) == ["app.plugin", "torchaudio"]
    assert lean.without_collected(["torch.backends.cuda", "torch.onnx"]) == ["torch.backends.cuda", "torch.onnx"]
