"""A CPU copy changes devices and nothing else."""

from __future__ import annotations

import pickle
import pickletools
import zipfile
from pathlib import Path

import craft
import pytest

from envtool.torch.archive import ModelError, read_model
from envtool.torch.archive.rewrite import rewrite_for_cpu, rewrite_pickle


def strings(data: bytes) -> list[object]:
    return [argument for opcode, argument, _ in pickletools.genops(data) if "UNICODE" in opcode.name]


def test_checkpoint(tmp_path: Path) -> None:
    source = craft.checkpoint(tmp_path / "gpu.pt", "cuda:0", "cpu", "cuda:0", "cuda:1")
    copy = rewrite_for_cpu(source, tmp_path / "cpu.pt")
    assert (copy.verdict, copy.devices, copy.parameters) == ("cpu", {"cpu": 4}, 12)
    assert read_model(source).devices == {"cpu": 1, "cuda:0": 2, "cuda:1": 1}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "cpu.pt") as new:
        assert old.namelist() == new.namelist()
        for name in old.namelist():
            assert (old.read(name) == new.read(name)) == (not name.endswith("data.pkl")), name
        for info in new.infolist():
            if "/data/" in info.filename:
                header = info.header_offset + 30 + len(info.filename) + len(info.extra)
                assert header % 64 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu.pt", "gpu.pt"]


def test_legacy(tmp_path: Path) -> None:
    data = bytes(range(40))
    source = craft.legacy(tmp_path / "gpu.pt", "cuda:0", "cuda:0", data=data)
    copy = rewrite_for_cpu(source, tmp_path / "cpu.pt")
    assert (copy.verdict, copy.form, copy.devices) == ("cpu", "legacy", {"cpu": 2})
    assert (tmp_path / "cpu.pt").read_bytes().endswith(b"\x80\x02]." + data)


def test_torchscript_with_a_device_attribute(tmp_path: Path) -> None:
    code = "class M(Module):\n  dev : Device\n  def forward(self, x):\n    d = self.dev\n    return x\n"
    source = craft.torchscript(tmp_path / "gpu.pt", "cuda:0", device="cuda:0", code=code)
    assert read_model(source).verdict == "never"
    copy = rewrite_for_cpu(source, tmp_path / "cpu.pt")
    assert (copy.verdict, copy.attributes[0].device) == ("cpu", "cpu")


def test_a_string_that_is_also_a_value_stays() -> None:
    first = craft.storage("0", craft.text("cuda:0") + b"q\x64")
    data = b"\x80\x02}(" + craft.text("w") + first + craft.text("name") + b"h\x64" + craft.text("v")
    data += craft.storage("1", b"h\x64") + craft.text("other") + craft.text("cuda:0") + b"u."
    found = strings(rewrite_pickle(data))
    assert found[found.index("name") + 1] == "cuda:0"
    assert found[found.index("other") + 1] == "cuda:0"
    assert found.count("cpu") == 1
    assert found.count("cuda:0") == 2


def test_a_value_that_is_later_a_location_stays() -> None:
    data = b"\x80\x02}(" + craft.text("name") + craft.text("cuda:0") + b"q\x64" + craft.text("w")
    data += craft.storage("0", b"h\x64") + craft.text("again") + b"h\x64" + b"u."
    found = strings(rewrite_pickle(data))
    assert found[found.index("name") + 1] == "cuda:0"
    assert found.count("cpu") == 1


def test_frames_go_with_the_lengths_that_would_be_wrong() -> None:
    data = pickle.dumps({"a": "cuda:0", "b": [1, 2]}, protocol=4)
    assert b"\x95" in data
    changed = rewrite_pickle(data)
    assert "FRAME" not in [opcode.name for opcode, _, _ in pickletools.genops(changed)]
    assert pickle.loads(changed) == {"a": "cuda:0", "b": [1, 2]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: craft.checkpoint(path, "cpu"), "on the CPU already"),
        (lambda path: craft.exported(path, "cuda", 0), "only checkpoints and TorchScript"),
        (lambda path: craft.torchscript(path, code="def f(x):\n  return torch.cuda(x)\n"), "fixes the device cuda"),
    ],
)
def test_refused(tmp_path: Path, make: object, message: str) -> None:
    source = make(tmp_path / "in.pt")  # type: ignore[operator]
    with pytest.raises(ModelError, match=message) as caught:
        rewrite_for_cpu(source, tmp_path / "out.pt")
    assert caught.value.code == "model.rewrite"
    assert not (tmp_path / "out.pt").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    source = craft.checkpoint(tmp_path / "in.pt", "cuda:0")
    (tmp_path / "out.pt").write_bytes(b"mine")
    with pytest.raises(ModelError, match="exists"):
        rewrite_for_cpu(source, tmp_path / "out.pt")
    assert (tmp_path / "out.pt").read_bytes() == b"mine"
    with pytest.raises(ModelError, match="no such folder"):
        rewrite_for_cpu(source, tmp_path / "nowhere" / "out.pt")
