"""Guards by what raises, by a case of a match, by a mark of a test; and methods that are not torch's."""

from __future__ import annotations

from pathlib import Path

import pytest

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.options import AuditOptions
from envtool.audit.rules import RULES


def found(folder: Path, files: dict[str, str]) -> list[str]:
    """``path:line`` of the findings; each text begins with an import of torch at line 1."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import torch\n" + text + "\n", encoding="utf-8")
    report = run_audit(discover([folder], cwd=folder), RULES, AuditOptions(select=("CPU1",)))
    assert report.skipped == ()
    return [f"{row.path}:{row.location.line}" for row in report.findings]


@pytest.mark.parametrize(
    "tried",
    [
        "try:\n    torch.zeros(1).cuda()\n    has = True\nexcept Exception:\n    has = False",
        "try:\n    torch.zeros(1, device='cuda')\n    has = True\nexcept (AssertionError, OSError):\n    has = False",
        "has = True\ntry:\n    torch.cuda.init()\nexcept AssertionError:\n    has = False",
        "has = False\ntry:\n    torch.zeros(1).to('cuda')\n    has = True\nexcept Exception:\n    pass",
        "try:\n    torch.cuda.set_device(0)\nexcept AttributeError:\n    has = None\nelse:\n    has = True",
        "try:\n    has = torch.cuda.get_device_name(0)\nexcept Exception:\n    has = None",
        "try:\n    with torch.no_grad():\n        x.cuda()\n    has = True\nexcept Exception:\n    has = False",
        (
            "def probe():\n    try:\n        torch.cuda.Event()\n        return True\n"
            "    except RuntimeError:\n        return False\nhas = probe()"
        ),
        (
            "def probe():\n    try:\n        return torch.cuda.current_device() >= 0\n"
            "    except AssertionError:\n        return False\nhas = probe()"
        ),
    ],
)
def test_a_flag_that_a_try_block_sets(tmp_path: Path, tried: str) -> None:
    assert found(tmp_path, {"app.py": tried + "\nif has:\n    y.cuda()"}) == []


@pytest.mark.parametrize(
    ("tried", "first"),
    [
        ("try:\n    x.cuda()\n    has = True\nexcept ValueError:\n    has = False", ["app.py:3"]),
        ("try:\n    x.cuda()\n    has = True\nexcept Exception:\n    has = True", []),
        ("try:\n    if y:\n        x.cuda()\n    has = True\nexcept Exception:\n    has = False", []),
        ("try:\n    has = True\n    x.cuda()\nexcept Exception:\n    pass", []),
        ("try:\n    f = lambda: x.cuda()\n    has = True\nexcept Exception:\n    has = False", ["app.py:3"]),
        ("try:\n    torch.cuda.set_device(-1)\n    has = True\nexcept Exception:\n    has = False", []),
    ],
)
def test_a_flag_that_is_no_guard(tmp_path: Path, tried: str, first: list[str]) -> None:
    last = f"app.py:{tried.count(chr(10)) + 4}"
    assert found(tmp_path, {"app.py": tried + "\nif has:\n    y.cuda()"}) == [*first, last]


def test_a_function_that_is_left_when_the_gpu_is_not_there(tmp_path: Path) -> None:
    text = "def run(x):\n    try:\n        x.cuda()\n    except {}:\n        return x\n    torch.cuda.synchronize()"
    assert found(tmp_path, {"app.py": text.format("AssertionError")}) == []
    assert found(tmp_path, {"app.py": text.format("KeyError")}) == ["app.py:4", "app.py:7"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("match torch.cuda.is_available():\n    case True:\n        x.cuda()", []),
        ("match torch.cuda.is_available():\n    case False:\n        pass\n    case _:\n        x.cuda()", []),
        ("match torch.cuda.device_count():\n    case 0:\n        pass\n    case n:\n        x.cuda(n)", []),
        ("match torch.cuda.device_count():\n    case n if n > 0:\n        x.cuda(n)", []),
        ("match torch.cuda.device_count():\n    case 1 | 2:\n        x.cuda()", []),
        ("match torch.version.cuda:\n    case None:\n        d = 'cpu'\n    case _:\n        d = 'cuda'\nx.to(d)", []),
        (
            "def f():\n    match torch.cuda.is_available():\n        case False:\n            return\n    x.cuda()",
            [],
        ),
        ("match torch.cuda.is_available():\n    case False:\n        x.cuda()", [4]),
        ("match torch.cuda.is_available():\n    case True:\n        pass\n    case _:\n        x.cuda()", [6]),
        ("match y:\n    case True:\n        x.cuda()", [4]),
        ("match torch.cuda.device_count():\n    case n if n > 0:\n        pass\n    case n:\n        x.cuda()", [6]),
        ("match f'{y}':\n    case 'a?':\n        x.cuda()", [4]),
    ],
)
def test_the_case_that_is_taken(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert found(tmp_path, {"app.py": text}) == [f"app.py:{line}" for line in lines]


@pytest.mark.parametrize(
    ("mark", "skipped"),
    [
        ("pytest.mark.skipif(not torch.cuda.is_available(), reason='hardware')", True),
        ("pytest.mark.skipif(condition=torch.cuda.device_count() < 2, reason='hardware')", True),
        ("pytest.mark.skipif('not torch.cuda.is_available()', reason='hardware')", True),
        ("unittest.skipUnless(torch.cuda.is_available(), 'hardware')", True),
        ("unittest.skipIf(torch.version.cuda is None, 'hardware')", True),
        ("pytest.mark.skipif(torch.cuda.is_available(), reason='only on CPU')", False),
        ("pytest.mark.skipif('not (', reason='broken')", False),
        ("pytest.mark.skipif(os.name == 'nt', reason='hardware')", False),
        ("pytest.mark.slow", False),
    ],
)
def test_a_mark_that_is_kept_under_a_name(tmp_path: Path, mark: str, skipped: bool) -> None:
    head = f"import os, pytest, unittest\nhardware = {mark}\n"
    test = "def test_a():\n    x.cuda()"
    lines = [] if skipped else ["test_a.py:6"]
    assert found(tmp_path, {"test_a.py": f"{head}@hardware\n{test}"}) == lines
    assert found(tmp_path, {"test_a.py": f"import os, pytest, unittest\n\n@{mark}\n{test}"}) == lines
    files = {"tests/marks.py": head, "test_a.py": f"from tests.marks import hardware\n\n@hardware\n{test}"}
    assert found(tmp_path, files) == lines
    assert found(tmp_path, {"test_a.py": f"from tests import marks\n\n@marks.hardware\n{test}"}) == lines


def test_a_mark_of_the_module_or_class(tmp_path: Path) -> None:
    mark = "pytest.mark.skipif(not torch.cuda.is_available(), reason='hardware')"
    test = "def test_a():\n    x.cuda()"
    assert found(tmp_path, {"test_a.py": f"import pytest\npytestmark = [{mark}]\n{test}"}) == []
    assert found(tmp_path, {"test_a.py": f"import pytest\npytestmark = {mark}\nx.cuda()"}) == ["test_a.py:4"]
    inside = f"import pytest\nclass TestA:\n    pytestmark = {mark}\n    def test_a(self):\n        x.cuda()"
    assert found(tmp_path, {"test_a.py": inside}) == []


def test_functions_and_methods_of_the_project(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/backend.py": (
            "def cuda(*a):\n    return torch.version.cuda\n\n"
            "class Info:\n    def cuda(self):\n        return self.version"
        ),
        "pkg/run.py": (
            "from . import backend\nfrom .backend import Info\ninfo = Info()\n"
            "backend.cuda()\ninfo.cuda()\nInfo().cuda()\n"
            "class Mine:\n    def cuda(self):\n        return 1\n    def go(self):\n        return self.cuda()"
        ),
    }
    assert found(tmp_path, files) == []


def test_methods_that_pass_the_call_on(tmp_path: Path) -> None:
    files = {
        "net.py": (
            "class Net(torch.nn.Module):\n    def cuda(self):\n        return super().cuda()\n\n"
            "class Trainer:\n    def cuda(self):\n        self.net.cuda()\n\n"
            "class Plain(torch.nn.Module):\n    pass"
        ),
        "run.py": "from net import Net, Plain, Trainer\nNet().cuda()\nx = Trainer()\nx.cuda()\nPlain().cuda()",
    }
    assert found(tmp_path, files) == ["run.py:3", "run.py:5", "run.py:6"]
