"""``envtool setup`` with the official torch +cpu wheel, and the way back to the real CUDA build."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from official import official_wheel
from project import Project, without_index

CHECK = """
import io
import torch

class Doubling(torch.nn.Module):
    def forward(self, x):
        return x * 2

buffer = io.BytesIO()
torch.jit.save(torch.jit.script(Doubling()), buffer)
buffer.seek(0)
model = torch.jit.load(buffer, map_location="cpu")
assert model(torch.tensor([21.0])).item() == 42.0
open("checked", "w").write(torch.__version__)
"""
# One environment for all of them: they stay in one worker of the runner.
pytestmark = [pytest.mark.official, pytest.mark.xdist_group("setup")]

NUMPY = "numpy==2.2.6"
"""An older one: its wheel lists bytecode with a hash, which is another after compiling."""
VERSION = "import torch; print(torch.__version__, torch.cuda.is_available())"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that was set up from a find-links folder, with a torch index that cannot be reached."""
    wheel = official_wheel()
    if wheel is None:
        pytest.skip("no official torch +cpu wheel for this Python in PIP_FIND_LINKS")
    folder = tmp_path_factory.mktemp("official-setup")
    found = Project(folder / "project", without_index(folder, wheel))
    found.root.mkdir()
    (found.root / "check.py").write_text(CHECK, encoding="utf-8")
    done = found.call("setup", "--cpu", "torch==2.13.0", NUMPY, "--check", "python check.py", "--json")
    assert done.returncode == 0, done.stdout
    (found.root / "setup.json").write_text(done.stdout, encoding="utf-8")
    yield found
    shutil.rmtree(folder, ignore_errors=True)  # gigabytes, with the real CUDA build


def test_set_up_without_the_index(project: Project) -> None:
    answer = json.loads((project.root / "setup.json").read_text(encoding="utf-8"))
    assert answer["result"]["torch"] == "2.13.0+cpu"
    codes = {note["code"] for note in answer["result"]["notes"]}
    assert "install.source" in codes
    statuses = {check["id"]: check["status"] for check in answer["result"]["checks"]}
    assert [name for name, status in statuses.items() if status == "fail"] == []
    assert statuses["torchscript"] == statuses["tensor-op"] == statuses["numpy-interop"] == "pass"
    assert project.python(VERSION) == "2.13.0+cpu False"
    assert (project.root / "checked").read_text() == "2.13.0+cpu"
    texts = [path.read_text(encoding="utf-8") for path in (project.root / "lockfiles").iterdir()]
    assert not [text for text in texts if "index-url" in text or "find-links" in text]


def test_verify_passes(project: Project) -> None:
    result = project.result("verify", "--deep")
    assert (result["torch"], result["backend"], result["expected"]) == ("2.13.0+cpu", "cpu", "cpu")


def test_again_is_quick_and_does_nothing(project: Project) -> None:
    words = ("setup", "--cpu", "torch==2.13.0", NUMPY)
    project.result(*words)  # these words for the first time: the check was among the others
    result = project.result(*words)
    assert (result["changed"], result["generation"], result["seconds"]) == (False, 1, 0.0)


def test_a_failing_check_of_the_real_thing(project: Project) -> None:
    code = "import torch; torch.zeros(1).cuda()"
    words = ("setup", "--cpu", "torch==2.13.0", NUMPY, "--check", f'python -c "{code}"')
    done = project.call(*words)
    assert done.returncode == 7
    assert "Torch not compiled with CUDA enabled" in done.stderr
    assert project.python(VERSION) == "2.13.0+cpu False"


@pytest.mark.cuda
@pytest.mark.network
def test_back_to_real_cuda_torch_and_forward_again(project: Project) -> None:
    words = ("torch==2.13.0", NUMPY)
    # The lock that was made without the index is for this machine; it holds the full build too. Not compiled: that is
    # tried with the cpu build, and takes a minute of processor time for this one.
    full = project.result("setup", "--full", "--no-compile", *words)
    assert (full["backend"], full["torch"].split("+")[0]) == ("full", "2.13.0")
    assert project.result("setup", "--cpu", *words)["torch"] == "2.13.0+cpu"
    before = project.python(VERSION)
    back = project.result("rollback")
    assert (before, back["backend"], back["changed"]) == ("2.13.0+cpu False", "full", True)
    assert back["seconds"] < 1, "a flip"
    assert project.python("import torch; print(torch.version.cuda is not None)") == "True"
    site = next((project.root / ".venv").glob("lib/python3.*/site-packages"))
    names = {path.name.split("-")[0] for path in site.glob("*.dist-info")}
    assert {"nvidia_cublas", "triton"} <= names
    assert any((site / "torch/lib").glob("libtorch_cuda*.so"))
    as_cpu = project.call("verify", "--backend", "cpu", "--no-lock", "--json")
    found = json.loads(as_cpu.stdout)["result"]
    wrong = ["build-identity", "cuda-none", "no-gpu-distributions", "no-cuda-libraries", "cuda-not-built"]
    assert (as_cpu.returncode, [row["id"] for row in found["checks"] if row["status"] == "fail"]) == (7, wrong)
    assert found["backend"] == "cu130"
    as_full = project.result("verify", "--backend", "full", "--no-lock")
    assert (as_full["backend"], as_full["summary"]["fail"]) == ("full", 0)
    status = project.result("status")
    alone = sum(row["size"] for row in status["generations"])
    assert alone * 0.9 < status["size"] <= alone, "the chain is the sum of the two, not more"
    forward = project.result("setup", "--cpu", *words)
    assert (forward["generation"], forward["torch"]) == (1, "2.13.0+cpu")
    assert project.python(VERSION) == "2.13.0+cpu False"
