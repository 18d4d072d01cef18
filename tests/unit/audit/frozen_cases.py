"""Bad and good examples of the rules for frozen apps and for model files.

A case is a project: file name to text. ``bad`` names where each finding stands (``path:line:column``), ``good`` has
none. Code that needs a spec around it gets ``app.spec`` with ``main.py`` as its script unless the case has one.
"""

from __future__ import annotations

SPEC = "a = Analysis(['main.py'], runtime_hooks=[SPECPATH + '/rt.py'])\nexe = EXE(PYZ(a.pure), a.scripts)\n"


def spec(arguments: str, before: str = "", after: str = "") -> dict[str, str]:
    """A project whose app imports torch, with more arguments to Analysis on line ``before`` + 1."""
    return {"app.spec": f"{before}a = Analysis(['main.py'], {arguments})\n{after}", "main.py": "import torch\n"}


def app(**files: str) -> dict[str, str]:
    """A frozen app; ``main`` stands for main.py."""
    return {"app.spec": SPEC, **{f"{name.replace('__', '/')}.py": text for name, text in files.items()}}


Case = tuple[dict[str, str], list[str]]

BAD: dict[str, list[Case]] = {
    "CPU201": [
        (app(main="import torch\n@torch.jit.script\ndef f(x):\n    return x\n"), ["main.py:2:2"]),
        (app(main="", rt="from torch.jit import script\ndef f(x):\n    return x\ng = script(f)\n"), ["rt.py:4:5"]),
        (app(main="import torch as th\ndef go():\n    return th.jit.script(Net())\n"), ["main.py:3:12"]),
    ],
    "CPU202": [
        (
            app(main="import lib\n", lib="import torch\n@torch.jit.script\ndef f(x):\n    return x\n"),
            ["app.spec:1:5"],
        ),
        (
            {
                "app.spec": "a = Analysis(['main.py'], module_collection_mode={'other': 'py'})\n",
                "main.py": "from pkg import net\n",
                "pkg/__init__.py": "",
                "pkg/net.py": "import torch\nclass Net: ...\nfast = torch.jit.script(Net())\n",
            },
            ["app.spec:1:50"],
        ),
        (
            {
                "app.spec": "a = Analysis(['main.py'], module_collection_mode={'lib': 'pyz'})\n",
                "main.py": "import lib\n",
                "lib.py": "import torch\n@torch.jit.script\ndef f(x):\n    return x\n",
            },
            ["app.spec:1:50"],
        ),
    ],
    "CPU203": [
        ({"a.py": 'import os\nos.environ["PYTORCH_JIT"] = "0"\n'}, ["a.py:2:1"]),
        ({"a.py": 'import os\nos.environ.setdefault("PYTORCH_JIT", "0")\n'}, ["a.py:2:1"]),
        ({"run.sh": "#!/bin/sh\nexport PYTORCH_JIT=0\n"}, ["run.sh:2:8"]),
        ({"Dockerfile": "FROM python:3.11\nENV PYTORCH_JIT=0\n"}, ["Dockerfile:2:5"]),
    ],
    "CPU204": [
        (
            {"a.py": "from torch.jit import RecursiveScriptModule\nRecursiveScriptModule._construct = None\n"},
            ["a.py:2:1"],
        ),
        ({"a.py": "import torch\ntorch.jit._script.RecursiveScriptModule._construct = f\n"}, ["a.py:2:1"]),
        ({"a.py": "import torch.jit as j\nsetattr(j.RecursiveScriptModule, '_construct', f)\n"}, ["a.py:2:1"]),
    ],
    "CPU205": [
        (app(main="import torch\nmodel = torch.compile(Net())\n"), ["main.py:2:9"]),
        (app(main="import lib\n", lib="import torch\n@torch.compile\ndef f(x):\n    return x\n"), ["lib.py:2:2"]),
        (
            app(
                main="from pkg.sub import x\n", pkg____init__="", pkg__sub="from torch import compile\nx = compile(f)\n"
            ),
            ["pkg/sub.py:2:5"],
        ),
    ],
    "CPU206": [
        ({"a.py": "import torch\nm = torch.jit.load('m.pt')\nm = torch.compile(m)\n"}, ["a.py:3:5"]),
        ({"a.py": "import torch\nm = torch.compile(torch.jit.script(net))\n"}, ["a.py:2:5"]),
        (
            {"a.py": "import torch\ndef f():\n    m = torch.jit.load('m').eval()\n    return torch.compile(m)\n"},
            ["a.py:4:12"],
        ),
    ],
    "CPU207": [
        (app(main="try:\n    import torch\nexcept Exception:\n    torch = None\n"), ["main.py:3:8"]),
        (
            app(
                main="import lib\n",
                lib="import torch\ntry:\n    m = torch.jit.load('m')\nexcept Exception:\n    pass\n",
            ),
            ["lib.py:4:8"],
        ),
        (
            app(
                main="",
                rt="import torch\ntry:\n    @torch.jit.script\n    def f(x):\n        return x\n"
                "except (OSError, Exception):\n    READY = False\n",
            ),
            ["rt.py:6:8"],
        ),
    ],
    "CPU208": [
        ({"a.py": "import torch\nm = torch.jit.load('m.pt', map_location='cpu')\n"}, ["a.py:2:5"]),
        ({"a.py": "import torch\n@torch.jit.script\ndef f(x):\n    return x\n"}, ["a.py:2:2"]),
        ({"a.py": "from torch import jit\nx = 1\njit.trace(m, i)\njit.save(m, 'x')\n"}, ["a.py:3:1"]),
    ],
    "CPU211": [
        (spec("hiddenimports=['torch.backends.cuda']"), ["app.spec:1:42"]),
        (spec("hiddenimports=hidden", "hidden = ['numpy', 'torch.backends.cudnn']\n"), ["app.spec:1:20"]),
        ({"hook-app.py": "hiddenimports = ['torch.backends.cuda']\n"}, ["hook-app.py:1:18"]),
    ],
    "CPU212": [
        (spec("excludes=['tkinter', 'torch.distributed']"), ["app.spec:1:48"]),
        (spec("excludes=out", "out = ['unittest']\nout += ['torch.testing']\n"), ["app.spec:1:8", "app.spec:2:9"]),
        ({"hook-torch.py": "excludedimports = ['torch.backends.cudnn']\n"}, ["hook-torch.py:1:20"]),
        (spec("excludes=['numpy']"), ["app.spec:1:37"]),
    ],
    "CPU213": [
        (spec("hiddenimports=collect_submodules('torch')"), ["app.spec:1:41"]),
        (spec("hiddenimports=h", "h = []\nh += hooks.collect_submodules('torch.nn')\n"), ["app.spec:2:6"]),
        (spec("hiddenimports=['a', *collect_submodules(\"torch\")]"), ["app.spec:1:48"]),
    ],
    "CPU214": [
        (spec("hiddenimports=['triton']"), ["app.spec:1:42"]),
        (
            spec("hiddenimports=['nvidia.cublas', 'json', 'torch._C._cudart']"),
            ["app.spec:1:42", "app.spec:1:67"],
        ),
        ({"hook-app.py": "hiddenimports = []\nhiddenimports.append('nvidia')\n"}, ["hook-app.py:2:22"]),
    ],
    "CPU215": [
        (spec("datas=[('cuda\\\\bin\\\\*.dll', 'cuda/bin')]"), ["app.spec:1:35"]),
        (spec("binaries=[(os.path.join(LIB, 'libcudart.so.12'), '.')]"), ["app.spec:1:38"]),
        (spec("datas=copy_metadata('triton')"), ["app.spec:1:33"]),
        (spec("binaries=b", "b = []\nb.append(('C:/x/cudnn64_8.dll', '.'))\n"), ["app.spec:2:11"]),
    ],
    "CPU216": [
        (
            spec("", after="a.binaries = [b for b in a.binaries if not b[0].startswith('torch/bin')]\n"),
            ["app.spec:2:60"],
        ),
        (
            spec("", after="a.datas = TOC([d for d in a.datas if 'torch\\\\bin' not in d[0]])\n"),
            ["app.spec:2:38"],
        ),
        (
            spec("", after="a.datas = list(filter(lambda d: not d[0].startswith(('torch/bin/', 'x')), a.datas))\n"),
            ["app.spec:2:54"],
        ),
    ],
    "CPU217": [
        (spec("", after="coll = COLLECT(a.binaries, strip=True)\n"), ["app.spec:2:34"]),
        (spec("", after="exe = EXE(a.scripts, a.binaries, strip=True)\n"), ["app.spec:2:40"]),
        (spec("hiddenimports=['torch']", after="COLLECT(\n    a.binaries,\n    strip=True,\n)\n"), ["app.spec:4:11"]),
    ],
    "CPU218": [
        (spec("module_collection_mode={'torch': 'pyz'}"), ["app.spec:1:60"]),
        (spec("module_collection_mode=mode", "mode = {'a': 'py', 'torch': 'pyc'}\n"), ["app.spec:1:29"]),
        ({"hook-torch.py": "module_collection_mode = 'pyz'\n"}, ["hook-torch.py:1:26"]),
    ],
    "CPU219": [
        (spec("runtime_hooks=['rt.py']"), ["app.spec:1:42"]),
        (spec("runtime_hooks=['./hooks/rt.py', '/abs/rt.py']"), ["app.spec:1:42"]),
        (spec("runtime_hooks=h", "h = ['hooks\\\\rt.py']\n"), ["app.spec:1:6"]),
    ],
}

GOOD: dict[str, list[dict[str, str]]] = {
    "CPU201": [
        app(main="import torch\nm = torch.jit.load('m.pt')\n"),
        {"tool.py": "import torch\n@torch.jit.script\ndef f(x):\n    return x\n"},
        app(main="import sys, torch\nif not getattr(sys, 'frozen', False):\n    f = torch.jit.script(Net())\n"),
        {
            "app.spec": "a = Analysis(['main.py'], datas=[('main.py', '.')])\n",
            "main.py": "import torch\n@torch.jit.script\ndef f(x):\n    return x\n",
        },
        app(main="import torch, torchvision\nf = torch.jit.script(torchvision.models.resnet18())\n"),
    ],
    "CPU202": [
        {
            "app.spec": "a = Analysis(['main.py'], module_collection_mode={'lib': 'pyz+py'})\n",
            "main.py": "import lib\n",
            "lib.py": "import torch\n@torch.jit.script\ndef f(x):\n    return x\n",
        },
        {
            "app.spec": "a = Analysis(['main.py'], module_collection_mode={'pkg': 'py'})\n",
            "main.py": "import pkg.net\n",
            "pkg/__init__.py": "",
            "pkg/net.py": "import torch\nf = torch.jit.script(g)\n",
        },
        {
            "app.spec": "a = Analysis(['main.py'], hookspath=['.'])\n",
            "main.py": "import lib\n",
            "lib.py": "import torch\nf = torch.jit.script(g)\n",
            "hook-lib.py": "module_collection_mode = 'pyz+py'\n",
        },
        app(main="import json\n", unused="import torch\n@torch.jit.script\ndef f(x):\n    return x\n"),
        app(main="import lib\n", lib="import torch\nm = torch.jit.load('m')\n"),
    ],
    "CPU203": [
        {"a.py": 'import os\nos.environ["PYTORCH_JIT"] = "1"\n'},
        {"run.sh": "# PYTORCH_JIT=0 breaks the app\nexport PYTORCH_JIT_LOG_LEVEL=0\n"},
        {"a.py": 'import os\nif os.environ.get("PYTORCH_JIT") == "0":\n    raise SystemExit\n'},
    ],
    "CPU204": [
        {"a.py": "from torch.jit import RecursiveScriptModule\nassert RecursiveScriptModule._construct\n"},
        {"a.py": "class A: ...\nA._construct = None\n"},
        {"a.py": "setattr(obj, '_construct', 1)\n"},
    ],
    "CPU205": [
        {"train.py": "import torch\nmodel = torch.compile(Net())\n"},
        app(main="import sys, torch\nif not getattr(sys, 'frozen', False):\n    m = torch.compile(Net())\n"),
        app(main="import sys, torch\ndef f(m):\n    if sys.frozen:\n        return m\n    return torch.compile(m)\n"),
        app(main="import re\np = re.compile('x')\n"),
        app(main="import torch\nm = torch.compile(Net(), backend='eager')\nn = torch.compile(Net(), disable=True)\n"),
    ],
    "CPU206": [
        {"a.py": "import torch\nm = torch.compile(Net())\ns = torch.jit.load('m')\n"},
        {"a.py": "import torch\nm = torch.jit.load('m')\nm = Net()\nm = torch.compile(m)\n"},
        {"a.py": "import torch\ndef f():\n    m = torch.jit.load('m')\ndef g(m):\n    return torch.compile(m)\n"},
    ],
    "CPU207": [
        {"lib.py": "try:\n    import torch\nexcept Exception:\n    torch = None\n"},
        app(main="try:\n    import torch\nexcept ImportError:\n    torch = None\n"),
        app(main="try:\n    import torch\nexcept Exception:\n    logging.exception('no')\n    torch = None\n"),
        app(main="try:\n    import json\nexcept Exception:\n    json = None\n"),
        app(main="try:\n    import torch\nexcept Exception:\n    raise SystemExit('torch does not start') from None\n"),
    ],
    "CPU208": [
        {"a.py": "import torch\nm = torch.load('m.pt')\n"},
        {"a.py": "import jax\nf = jax.jit(g)\n"},
        {"a.py": "import torch\nif torch.jit.is_scripting():\n    pass\n"},
    ],
    "CPU211": [
        spec("hiddenimports=['torch']"),
        spec("excludes=['torch.backends.cuda']"),
        {"a.py": "hiddenimports = ['torch.backends.cuda']\n"},
    ],
    "CPU212": [
        spec("excludes=['tkinter', 'sympy', 'torch.onnx', 'torch._inductor']"),
        {
            "app.spec": "a = Analysis(['main.py'], excludes=['torch', 'numpy', 'unittest'])\n",
            "main.py": "import torch\n",
        },
        {"app.spec": "a = Analysis(['main.py'], excludes=['unittest', 'email'])\n", "main.py": "import json\n"},
        {"hook-other.py": "excludedimports = ['torch.testing']\n"},
    ],
    "CPU213": [
        spec("hiddenimports=collect_submodules('mypkg')"),
        spec("hiddenimports=collect_submodules('torchmetrics')"),
        spec("hiddenimports=collect_submodules(name)"),
    ],
    "CPU214": [
        spec("hiddenimports=['torch.backends.cuda', 'numpy']"),
        spec("excludes=['triton', 'nvidia']"),
        spec("hiddenimports=['torch._C', 'pynvml', 'tritonclient']"),
    ],
    "CPU215": [
        spec("datas=[('models/m.jit', 'models'), ('docs/cudaless.md', '.')]"),
        spec("binaries=[(p, '.') for p in glob.glob('cuda/bin/*.dll')]"),
        spec("datas=copy_metadata('torch')"),
        spec("binaries=b", "b = []\nif os.path.exists(CUDA):\n    b.append((CUDA + '/cudart64_12.dll', '.'))\n"),
        spec("datas=d", "d = []\ntry:\n    d += copy_metadata('triton')\nexcept Exception:\n    pass\n"),
        {**spec("datas=[('cuda/kernel.txt', '.')]"), "cuda/kernel.txt": "mine"},
        spec("upx_exclude=['cudart64_12.dll']"),
    ],
    "CPU216": [
        spec("", after="a.datas = [d for d in a.datas if not d[0].startswith('torch/test')]\n"),
        spec(
            "",
            after="a.binaries = [b for b in a.binaries\n"
            "    if not b[0].startswith('torch/bin') or b[0].endswith('torch_shm_manager')]\n",
        ),
        spec("", after="kept = [b for b in a.binaries if b[0].startswith('torch/bin')]\n"),
    ],
    "CPU217": [
        spec("", after="coll = COLLECT(a.binaries, strip=False)\n"),
        spec("", after="exe = EXE(a.scripts, exclude_binaries=True, strip=True)\n"),
        {"app.spec": "a = Analysis(['main.py'])\nCOLLECT(a.binaries, strip=True)\n", "main.py": "import json\n"},
    ],
    "CPU218": [
        spec("module_collection_mode={'torch': 'pyz+py'}"),
        spec("module_collection_mode={'torch': 'py', 'mypkg': 'pyz'}"),
        {"hook-mypkg.py": "module_collection_mode = 'pyz'\n"},
    ],
    "CPU219": [
        spec("runtime_hooks=[]"),
        spec("runtime_hooks=[SPECPATH + '/rt.py']"),
        spec("runtime_hooks=[os.path.join(SPECPATH, 'rt.py'), 'C:/x/rt.py']"),
    ],
}
