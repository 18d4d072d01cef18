"""The data flow, case by case: which lines of small projects are errors on a CPU-only build."""

from __future__ import annotations

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES


def errors(folder, files, severity="error"):
    """``path:line`` of what is found; each text begins with an import of torch at line 1."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import torch\n" + text, encoding="utf-8")
    report = run_audit(discover([folder], cwd=folder), RULES, AuditOptions(select=("CPU1",)))
    assert report.skipped == ()
    return [f"{row.path}:{row.location.line}" for row in report.findings if row.severity == severity]


@pytest.mark.parametrize(
    "text",
    [
        # exits
        "def f(x):\n    if torch.cuda.device_count() == 0:\n        print()\n        return x\n    return x.cuda()",
        "def need():\n    if torch.version.cuda is None:\n        raise ValueError\n\nneed()\nx.cuda()",
        "def stop():\n    raise ValueError\n\nstop()\nx.cuda()",
        "while True:\n    if torch.version.cuda is None:\n        break\n    x.cuda()",
        "import pytest\npytest.skip()\nx.cuda()",
        # branches
        "if torch.cuda.is_available() and x:\n    x.cuda()",
        "if x or not torch.cuda.is_available():\n    pass\nelse:\n    x.cuda()",
        "ok = torch.cuda.is_available()\nif ok:\n    x.cuda()",
        "count = torch.cuda.device_count()\nfor i in range(count):\n    x.cuda(i)",
        "y = [x.cuda(i) for i in range(torch.cuda.device_count())]",
        "y = [a.cuda() for a in x if a.is_cuda]",
        "y = [a.cuda() for a in x if a.device.type == 'cuda']",
        "match x:\n    case 'cuda':\n        y.cuda()",
        "while True:\n    if getattr(torch.version, 'cuda', None) is None:\n        break\n    x.cuda()",
        # values
        "d = 'cuda'\nif not torch.cuda.is_available():\n    d = 'cpu'\nx.to(d)",
        "d = torch.device('cuda') if torch.cuda.is_available() else torch.device('cpu')\nx.to(d)",
        "d = torch.cuda.is_available() and 'cuda' or 'cpu'\nx.to(d)",
        "d, n = ('cuda', 1) if torch.cuda.is_available() else ('cpu', 0)\nx.to(d)",
        "d = ('cpu', 'cuda')[torch.cuda.is_available()]\nx.to(d)",
        "def f(device):\n    x.to(device)\n\nf(y.device)",
        "x.to(f'cuda:{i}' if i >= 0 else 'cpu')",
        (
            "class A:\n    def __init__(self):\n        self.ok = torch.cuda.is_available()\n"
            "    def run(self):\n        if self.ok:\n            x.cuda()"
        ),
        (
            "class A:\n    def __init__(self, gpu):\n        self.device = 'cuda' if gpu else 'cpu'\n"
            "    def run(self):\n        x.to(self.device)"
        ),
        "one = True\nfor a in x:\n    if not one and torch.cuda.is_available():\n        a.cuda()\n    one = False",
        # caught
        "try:\n    x.cuda()\nexcept Exception:\n    pass",
        "import contextlib\nwith contextlib.suppress(AssertionError):\n    x.cuda()",
        # names
        "import os\nif os.environ.get('USE_GPU') == '1':\n    x.cuda()",
        "def cuda(self):\n    return self.net.cuda()",
        "@unittest.skipIf(not torch.cuda.is_available(), 'no GPU')\ndef test():\n    x.cuda()",
    ],
)
def test_is_fine(tmp_path, text):
    assert errors(tmp_path, {"app.py": text}) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("if torch.cuda.is_available():\n    print()\nx.cuda()", [4]),
        ("print(torch.cuda.is_available())\nx.cuda()", [3]),
        ("if torch.backends.mps.is_available():\n    x.to('mps')\nelse:\n    x.cuda()", [5]),
        ("if not torch.cuda.is_available():\n    x.cuda()", [3]),
        ("if torch.cuda.is_available():\n    pass\nelse:\n    x.cuda()", [5]),
        ("if torch.cuda.is_available() or x:\n    x.cuda()", [3]),
        ("try:\n    x.cuda()\nexcept Exception:\n    raise", [3]),
        ("import sys\ntry:\n    x.cuda()\nexcept Exception:\n    sys.exit(1)", [4]),
        ("try:\n    pass\nexcept Exception:\n    x.cuda()", [5]),
        ("try:\n    f()\nexcept (ValueError, RuntimeError):\n    pass\nx.cuda()", [6]),
        ("import contextlib\nwith contextlib.suppress(RuntimeError):\n    x.cuda()", [4]),
        ("def f():\n    x.cuda()\n\nif torch.cuda.is_available():\n    f()\nf()", [3]),
        # the cause, once
        ("d = 'cuda'\nx.to(d)\ny.to(d)", [2]),
        ("d = 'cuda'\nkind = 'cuda' if 'cuda' in d else 'cpu'\nx.to(kind)", [2]),
        ("d = 'cuda'\nd = 'cpu'\nx.to(d)\nd = 'cuda:1'\nx.to(d)", [5]),
        ("d = torch.device('cuda:%d' % 0)\nx.to(d)", [2]),
        ("def f():\n    return 'cuda'\n\nx.to(f())", [3]),
        ("class A:\n    device = 'cuda'\n    def run(self):\n        x.to(self.device)", [3]),
        (("import argparse\np = argparse.ArgumentParser()\np.add_argument('--no-cuda', action='store_true')\n"
         "args = p.parse_args()\nif not args.no_cuda:\n    x.cuda()"), [7]),
        ("import os\nx.to(os.environ.get('DEVICE', 'cuda'))", [3]),
        ("first = True\nfor a in x:\n    if not first:\n        a.cuda()\n    first = False", [5]),
        (("def outer():\n    ok = False\n    def inner():\n        nonlocal ok\n        ok = True\n    inner()\n"
         "    if ok:\n        x.cuda()"), [9]),
        ("ok = False\ndef switch():\n    global ok\n    ok = True\nif ok:\n    x.cuda()", [7]),
        ("x.to(0)", [2]),
        ("local_rank = f()\nif local_rank == 0:\n    print()\nelse:\n    x.cuda()", [6]),
        ("def f(x, device='cuda'):\n    return x.to(device)\n\nf(1)", [2]),
    ],
)  # fmt: skip
def test_breaks(tmp_path, text, lines):
    assert errors(tmp_path, {"app.py": text}) == [f"app.py:{line}" for line in lines]


def test_a_constant_of_another_module(tmp_path):
    files = {"pkg/config.py": "DEVICE = 'cuda'", "pkg/run.py": "from .config import DEVICE\nx.to(DEVICE)"}
    assert errors(tmp_path, files) == ["pkg/config.py:2"]


def test_a_guarded_constant_of_another_module(tmp_path):
    files = {
        "src/pkg/config.py": "DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'",
        "src/pkg/run.py": "from pkg import config\nfrom pkg.config import *\nx.to(config.DEVICE)\nx.to(DEVICE)",
    }
    assert errors(tmp_path, files) == []


def test_a_helper_of_another_module(tmp_path):
    files = {
        "utils.py": "def has_gpu():\n    try:\n        return torch.cuda.is_available()\n    except ImportError:\n"
        "        return False",
        "run.py": "from utils import has_gpu\nif has_gpu():\n    x.cuda()\nelse:\n    y.cuda()",
    }
    assert errors(tmp_path, files) == ["run.py:6"]


def test_a_caller_in_another_module(tmp_path):
    files = {
        "work.py": "def upload(x):\n    return x.cuda()\n\nclass Stream:\n    def go(self):\n        self.x.cuda()",
        "run.py": "from work import Stream, upload\nif torch.cuda.is_available():\n    upload(1)\n    Stream().go()",
    }
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, {"more.py": "from work import upload\nupload(2)"}) == ["work.py:3"]


def test_a_module_that_is_imported_only_for_the_gpu(tmp_path):
    files = {
        "kernels.py": "import triton\nx.cuda()",
        "run.py": "def f(x):\n    if x.is_cuda:\n        import kernels\n        return kernels",
    }
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, {"more.py": "import kernels"}) == ["kernels.py:2", "kernels.py:3"]


def test_an_option_of_another_module(tmp_path):
    files = {
        "options.py": "import argparse\np = argparse.ArgumentParser()\np.add_argument('--device', default='cuda')",
        "run.py": "def run(args):\n    x.to(args.device)",
    }
    assert errors(tmp_path, files) == ["options.py:4"]


def test_a_config_file_and_its_reader(tmp_path):
    (tmp_path / "train.yml").write_text("batch: 4\ndevice: cuda\n", encoding="utf-8")
    (tmp_path / "other.yml").write_text("device: cuda\n", encoding="utf-8")
    files = {"run.py": "config = load('train.yml')\nx.to(config.device)"}
    assert errors(tmp_path, files) == ["train.yml:2"]


@pytest.mark.parametrize("name", ["tests/test_a.py", "pkg/tests/helpers.py", "test_a.py"])
def test_tests_are_warnings(tmp_path, name):
    files = {name: "import pytest\ndef test_a():\n    x.cuda()"}
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, files, "warning") == [f"{name}:4"]


def test_a_script_named_like_a_test_is_none(tmp_path):
    assert errors(tmp_path, {"test_model.py": "x.cuda()"}) == ["test_model.py:2"]


def test_the_demo_of_a_library_module_is_a_warning(tmp_path):
    files = {"model.py": "if __name__ == '__main__':\n    x.cuda()"}
    assert errors(tmp_path, files) == ["model.py:3"]
    assert errors(tmp_path, {"run.py": "import model"}) == []
    assert errors(tmp_path, {}, "warning") == ["model.py:3"]


def test_other_libraries(tmp_path):
    (tmp_path / "a.py").write_text("import paddle\nx = paddle.ones([1]).cuda()\n", encoding="utf-8")
    (tmp_path / "b.py").write_text(
        "from numba import cuda\n\n@cuda.jit\ndef f():\n    cuda.syncthreads()\n", encoding="utf-8"
    )
    assert errors(tmp_path, {}) == []


def test_names_that_only_look_like_torch(tmp_path):
    text = "from torch.cuda import device, synchronize\ndef f(device, synchronize):\n    synchronize(device)"
    assert errors(tmp_path, {"a.py": text}) == []


def test_a_callee_that_corrects_its_device(tmp_path):
    files = {
        "run.py": "from engine import Engine\nimport argparse\np = argparse.ArgumentParser()\n"
        "p.add_argument('--device', default='cuda')\nengine = Engine(device=p.parse_args().device)\n"
        "args = p.parse_args()\nother = Engine(args.device)",
        "engine.py": "class Engine:\n    def __init__(self, device):\n        if not torch.cuda.is_available():\n"
        "            device = 'cpu'\n        self.device = device",
    }
    assert errors(tmp_path, files) == []


def test_an_option_of_the_modules_that_are_imported(tmp_path):
    option = (
        "import argparse\ndef parse():\n    p = argparse.ArgumentParser()\n    p.add_argument('--device', default='{}')"
    )
    files = {
        "first.py": option.format("cpu"),
        "second.py": option.format("cuda"),
        "run.py": "from first import parse\nargs = parse()\nx.to(args.device)",
    }
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, {"run.py": "from second import parse\nargs = parse()\nx.to(args.device)"}) == [
        "second.py:5"
    ]


def test_helpers_of_one_name_in_several_scripts(tmp_path):
    text = "def ddp_setup(rank):\n    torch.cuda.set_device(rank)\ndef main(rank):\n    ddp_setup(rank)"
    assert errors(tmp_path, {"one.py": text, "two.py": text}) == ["one.py:3", "two.py:3"]


def test_a_long_chain_of_modules_that_are_imported_only_for_the_gpu(tmp_path):
    files = {"run.py": "def load(use_vllm=False):\n    if use_vllm:\n        import m0"}
    files |= {f"m{index}.py": f"import m{index + 1}" for index in range(6)}
    files["m6.py"] = "x.cuda()"
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, {"more.py": "import m3"}) == ["m6.py:2"]


def test_options_of_another_object_of_that_name(tmp_path):
    text = (
        "import argparse\ndef load(path, device='cpu'):\n    args = read(path)\n    args.device = device\n"
        "p = argparse.ArgumentParser()\np.add_argument('--device', default='cuda')\nargs = p.parse_args()\n"
        "x.to(args.device)"
    )
    assert errors(tmp_path, {"run.py": text}) == ["run.py:7"]


def test_the_program_in_an_imported_module_is_no_demo(tmp_path):
    text = (
        "import argparse\nif __name__ == '__main__':\n    args = argparse.ArgumentParser().parse_args()\n    x.cuda()"
    )
    assert errors(tmp_path, {"train.py": text, "run.py": "import train"}) == ["train.py:5"]


def test_a_module_that_tries_itself(tmp_path):
    files = {"model.py": "def test():\n    x.cuda()\n\ndef test_net(net):\n    net.cuda()", "run.py": "import model"}
    assert errors(tmp_path, files) == ["model.py:6"]
    assert errors(tmp_path, {}, "warning") == ["model.py:3"]


def test_torch_through_a_star_import(tmp_path):
    (tmp_path / "run.py").write_text("from common import *\ntorch.cuda.synchronize()\n", encoding="utf-8")
    assert errors(tmp_path, {"common.py": ""}) == ["run.py:2"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trainer:\n  _target_: lightning.pytorch.Trainer\n  accelerator: gpu\n", 3),
        ("model:\n  target: app.Net\n  params:\n    size: 3\n    device: cuda\n", 5),
        ("model:\n  class_path: app.Net\n  init_args:\n    device: cuda:0\n", 4),
    ],
)
def test_a_config_that_names_what_it_makes(tmp_path, text, line):
    (tmp_path / "base.yaml").write_text(text, encoding="utf-8")
    assert errors(tmp_path, {}) == [f"base.yaml:{line}"]


def test_a_template_of_a_config_and_its_reader(tmp_path):
    (tmp_path / "diffusion_template.yaml").write_text("device: cuda\n", encoding="utf-8")
    files = {"run.py": "args = load('configs/diffusion.yaml')\nx.to(args.device)"}
    assert errors(tmp_path, files) == ["diffusion_template.yaml:1"]


def test_a_class_that_a_config_makes_without_a_device(tmp_path):
    files = {"encoders.py": "class Embedder:\n    def __init__(self, device='cuda'):\n        self.device = device"}
    config = "cond:\n  target: app.encoders.Embedder\n  params:\n    size: 3\n"
    (tmp_path / "base.yaml").write_text(config + "    device: cpu\n", encoding="utf-8")
    assert errors(tmp_path, files) == []
    (tmp_path / "base.yaml").write_text(config, encoding="utf-8")
    assert errors(tmp_path, files) == ["encoders.py:3"]


def test_names_tell_where_callers_are_not_known(tmp_path):
    accelerator = "class CudaAccelerator:\n    def sync(self):\n        torch.cuda.synchronize()\n"
    files = {
        "one.py": accelerator + "KINDS = {'cuda': CudaAccelerator}",
        "distributed_utils.py": "def entry(rank):\n    torch.cuda.set_device(rank)\ndef run(spawn):\n    spawn(entry)",
        "two.py": "def to_cuda(x):\n    return x.cuda()",
        "three.py": "class TrtEngine:\n    def go(self):\n        torch.cuda.synchronize()",
    }
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, {"run.py": "from two import to_cuda\nto_cuda(1)"}) == ["two.py:3"]
    assert errors(tmp_path, {"one.py": accelerator + "CudaAccelerator().sync()"}) == ["one.py:4", "two.py:3"]


def test_a_module_that_refuses_to_be_imported_where_that_is_caught(tmp_path):
    files = {
        "attention.py": "if not torch.cuda.is_available():\n    raise ImportError('CUDA is not available')\nx.cuda()",
        "flash.py": "import attention",
        "run.py": "try:\n    import flash\nexcept ImportError:\n    flash = None",
    }
    assert errors(tmp_path, files) == []
    assert errors(tmp_path, {"other.py": "import flash"}) == ["attention.py:2"]


def test_a_module_for_an_engine_that_is_loaded_by_its_name(tmp_path):
    assert errors(tmp_path, {"detector_trt.py": "import tensorrt"}) == []
    assert errors(tmp_path, {}, "warning") == ["detector_trt.py:2"]
    assert errors(tmp_path, {"build_trt.py": "import argparse\nimport tensorrt"}) == ["build_trt.py:3"]
