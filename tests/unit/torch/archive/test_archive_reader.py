"""What the static reader says about each kind of file."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import craft
import pytest

from envtool.torch.archive import ModelError, ModelFile, read_model, read_row

GPU_CODE = 'class M(Module):\n  def forward(self, x):\n    return torch.to(x, torch.device("cuda:0"))\n'
DEVICE_CODE = "class M(Module):\n  dev : Device\n  def forward(self, x):\n    d = self.dev\n    return x\n"


def test_state_dict_on_cpu(tmp_path: Path) -> None:
    assert read_model(craft.checkpoint(tmp_path / "a.pt", "cpu", "cpu"), "a.pt") == ModelFile(
        path="a.pt",
        kind="state-dict",
        form="zip",
        verdict="cpu",
        because="all storages are on the CPU",
        size=(tmp_path / "a.pt").stat().st_size,
        devices={"cpu": 2},
        dtypes={"float32": 6},
        parameters=6,
        producer="file format 3",
        globals=("collections.OrderedDict", "torch.FloatStorage", "torch._utils._rebuild_tensor_v2"),
    )


def test_memoised_location_is_followed(tmp_path: Path) -> None:
    row = read_model(craft.checkpoint(tmp_path / "a.pt", "cpu", "cuda:0", "cpu", "cuda:0", "cuda:1"))
    assert row.devices == {"cpu": 2, "cuda:0": 2, "cuda:1": 1}
    assert row.verdict == "map-location"
    assert row.because == '3 storages on cuda:0, cuda:1: pass map_location="cpu"'


@pytest.mark.parametrize(
    ("locations", "verdict"), [(("cpu",), "cpu"), (("cuda:0", "cpu"), "map-location"), (("meta",), "cpu"), ((), "cpu")]
)
def test_legacy_format(tmp_path: Path, locations: tuple[str, ...], verdict: str) -> None:
    row = read_model(craft.legacy(tmp_path / "old.pth", *locations))
    assert (row.form, row.verdict) == ("legacy", verdict)
    assert row.kind == ("state-dict" if locations else "checkpoint")


def test_state_dict_of_python_2(tmp_path: Path) -> None:
    pair = b"](" + craft.text("w") + craft.storage("0", craft.text("cuda:0")) + b"e"
    data = b"\x80\x02ccollections\nOrderedDict\n](" + pair + b"e\x85R."
    row = read_model(craft.write_zip(tmp_path / "a.pt", {"data.pkl": data, "data/0": bytes(12)}))
    assert (row.kind, row.devices) == ("state-dict", {"cuda:0": 1})


def test_torchscript_forms_and_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "m.jit"
    row = read_model(craft.torchscript(path, "cpu"))
    assert (row.kind, row.form, row.verdict, row.devices) == ("torchscript", "scripted", "cpu", {"cpu": 1})
    assert row.constants == ()
    row = read_model(craft.torchscript(path, "cuda:0"))
    assert row.verdict == "map-location"
    constants = b"\x80\x02" + craft.storage("0", craft.text("cuda:0")) + b"\x85."
    with pytest.raises(ModelError, match="constants/0 is missing"):
        read_model(craft.torchscript(path, constants=constants))


def test_frozen_model_keeps_its_storages_among_the_constants(tmp_path: Path) -> None:
    constants = b"\x80\x02" + craft.storage("0", craft.text("cuda:0")) + b"\x85."
    entries = {"data.pkl": craft.module(), "constants.pkl": constants, "constants/0": bytes(12), "version": b"3"}
    row = read_model(craft.write_zip(tmp_path / "f.pt", entries))
    assert (row.form, row.verdict, row.devices, row.parameters) == ("frozen", "map-location", {"cuda:0": 1}, 3)


def test_device_in_code_is_beyond_map_location(tmp_path: Path) -> None:
    row = read_model(craft.torchscript(tmp_path / "m.jit", "cpu", code=GPU_CODE))
    assert row.verdict == "never"
    assert [use.as_dict() for use in row.constants] == [
        {"path": "code/__torch__.py", "line": 3, "device": "cuda:0", "count": 1}
    ]
    assert "code/__torch__.py:3" in row.because


@pytest.mark.parametrize(
    "code",
    [
        'WORDS = ["cuda", "cuda:0"]\n',
        '# torch.device("cuda:0")\nx = torch.device("cpu")\n',
        'x = "torch.device(\\"cuda:0\\")"\ny = Device\n',
    ],
)
def test_words_in_code_are_no_devices(tmp_path: Path, code: str) -> None:
    assert read_model(craft.torchscript(tmp_path / "m.jit", "cpu", code=code)).verdict == "cpu"


def test_cuda_call_in_code(tmp_path: Path) -> None:
    row = read_model(craft.torchscript(tmp_path / "m.jit", code="def f(x):\n  return torch.cuda(x)\n"))
    assert (row.verdict, row.constants[0].line, row.constants[0].device) == ("never", 2, "cuda")


def test_device_attribute_counts_when_code_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "m.jit"
    used = read_model(craft.torchscript(path, "cpu", device="cuda:0", code=DEVICE_CODE))
    assert (used.verdict, used.attributes[0].device) == ("never", "cuda:0")
    unused = read_model(craft.torchscript(path, "cpu", device="cuda:0", code="class M(Module):\n  dev : Device\n"))
    assert unused.verdict == "cpu"
    assert read_model(craft.torchscript(path, "cpu", device="cpu", code=DEVICE_CODE)).verdict == "cpu"


NAMED_CODE = """class M(Module):
  place : str
  def forward(self, x):
    p = self.place
    return torch.to(x, torch.device(p))
"""


@pytest.mark.parametrize(
    ("place", "code", "verdict"),
    [
        ("cuda:0", NAMED_CODE, "never"),
        ("cpu", NAMED_CODE, "cpu"),
        ("cuda:0", NAMED_CODE.replace("torch.device(p)", "p"), "cpu"),
        ("cuda:0", NAMED_CODE.replace("place : str", "place : Dict[int, int]"), "cpu"),
    ],
)
def test_device_that_code_makes_of_a_string(tmp_path: Path, place: str, code: str, verdict: str) -> None:
    data = b"\x80\x02c__torch__\nM\n)\x81}(" + craft.text("place") + craft.text(place) + b"ub."
    entries = {"data.pkl": data, "constants.pkl": b"\x80\x02).", "code/__torch__.py": code.encode()}
    row = read_model(craft.write_zip(tmp_path / "m.jit", entries))
    assert row.verdict == verdict
    assert ("makes a device of the string 'cuda:0'" in row.because) == (verdict == "never")


def test_device_attribute_that_another_file_reads(tmp_path: Path) -> None:
    entries = {
        "data.pkl": craft.module(device="cuda:0"),
        "constants.pkl": b"\x80\x02).",
        "code/__torch__/inner.py": b"class Inner(Module):\n  dev : Device\n",
        "code/__torch__.py": b"def forward(self, x):\n  d = self.inner.dev\n  return torch.zeros([1], dtype=None, d)\n",
    }
    assert read_model(craft.write_zip(tmp_path / "m.jit", entries)).verdict == "never"


def test_device_object_in_a_checkpoint_is_harmless(tmp_path: Path) -> None:
    pickled = b"\x80\x02}(" + craft.text("d") + b"ctorch\ndevice\n" + craft.text("cuda") + b"K\x01\x86Ru."
    row = read_model(craft.write_zip(tmp_path / "c.pt", {"data.pkl": pickled}))
    assert (row.kind, row.verdict, row.attributes[0].device) == ("checkpoint", "cpu", "cuda:1")


def test_package(tmp_path: Path) -> None:
    entries = {
        ".data/extern_modules": b"torch\n",
        ".data/python_version": b"3.11.7",
        ".data/0.storage": bytes(12),
        "model/model.pkl": craft.state_dict("cuda:0"),
        "model/notes": b"\x80not a pickle",
        "names.py": b"WORDS = ['cuda']\n",
    }
    row = read_model(craft.write_zip(tmp_path / "p.pt", entries))
    assert (row.kind, row.verdict, row.devices, row.producer) == (
        "package",
        "map-location",
        {"cuda:0": 1},
        "Python 3.11.7",
    )
    entries[".data/ts_code/code/__torch__.py"] = GPU_CODE.encode()
    assert read_model(craft.write_zip(tmp_path / "p.pt", entries)).verdict == "never"


@pytest.mark.parametrize(("device", "verdict"), [("cpu", "cpu"), ("cuda", "never")])
def test_exported(tmp_path: Path, device: str, verdict: str) -> None:
    row = read_model(craft.exported(tmp_path / "m.pt2", device, None if device == "cpu" else 0))
    assert (row.kind, row.verdict, row.parameters, row.dtypes) == ("pt2", verdict, 15, {"float32": 15})
    assert row.producer == "torch 2.13.0+cpu"
    assert row.devices == ({"cpu": 1} if device == "cpu" else {"cuda:0": 1})


def test_safetensors(tmp_path: Path) -> None:
    header = {"__metadata__": {"format": "pt"}, "w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}
    row = read_model(craft.safetensors(tmp_path / "m.safetensors", header, bytes(12)))
    assert (row.kind, row.verdict, row.parameters, row.dtypes) == ("safetensors", "cpu", 6, {"float16": 6})
    with pytest.raises(ModelError, match="truncated"):
        read_model(craft.safetensors(tmp_path / "m.safetensors", header, bytes(11)))


def _tensor(dtype: str, shape: list[int], begin: int, stop: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, stop]}


@pytest.mark.parametrize(
    ("header", "size", "reason"),
    [
        ({"a": _tensor("F32", [200], 0, 8)}, 8, "do not fit: 200 elements of F32 in 8 bytes"),
        ({"a": _tensor("F4", [3], 0, 2)}, 2, "do not fit: 3 elements of F4 in 2 bytes"),
        ({"a": _tensor("F32", [2], 0, 8)}, 48, "has 40 bytes that belong to no tensor"),
        ({}, 8, "has 8 bytes that belong to no tensor"),
        ({"a": _tensor("F32", [1], 0, 4), "b": _tensor("NEW", [1], 8, 12)}, 12, "at byte 4"),
        ({"a": _tensor("F32", [1], 0, 4), "b": _tensor("F32", [1], 0, 4)}, 4, "at byte 4"),
        ({"a": _tensor("F32", [1], 4, 8)}, 8, "at byte 0"),
    ],
)
def test_what_the_safetensors_library_refuses(tmp_path: Path, header: object, size: int, reason: str) -> None:
    with pytest.raises(ModelError, match=f"{reason}$") as caught:
        read_model(craft.safetensors(tmp_path / "m.safetensors", header, bytes(size)))
    assert caught.value.code == "model.damaged"


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ({}, 0),
        ({"a": _tensor("F32", [], 0, 4)}, 4),
        ({"c": _tensor("F32", [0, 3], 4, 4), "b": _tensor("F32", [1], 0, 4), "a": _tensor("F32", [0], 0, 0)}, 4),
        ({"a": _tensor("F4", [4], 0, 2), "b": _tensor("F6_E2M3", [4], 2, 5), "c": _tensor("F8_E8M0", [1], 5, 6)}, 6),
        ({"a": _tensor("C64", [2], 0, 16), "b": _tensor("U16", [3], 16, 22)}, 22),
        ({"a": _tensor("NEW", [3], 0, 5)}, 5),
    ],
)
def test_safetensors_with_other_dtypes_and_no_elements(tmp_path: Path, header: object, size: int) -> None:
    assert read_model(craft.safetensors(tmp_path / "m.safetensors", header, bytes(size))).verdict == "cpu"


def test_plain_pickle_has_no_map_location(tmp_path: Path) -> None:
    inner = craft.legacy(tmp_path / "inner", "cuda:0").read_bytes()
    body = b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + len(inner).to_bytes(4, "little") + inner + b"\x85R."
    (tmp_path / "p.pkl").write_bytes(body)
    row = read_model(tmp_path / "p.pkl")
    assert (row.kind, row.verdict, row.devices) == ("pickle", "never", {"cuda:0": 1})
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"device": "cuda:0"}))
    assert read_model(tmp_path / "w.pkl").verdict == "cpu"


def test_a_plain_pickle_under_another_name_is_unknown(tmp_path: Path) -> None:
    inner = craft.legacy(tmp_path / "inner", "cpu").read_bytes()
    body = b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + len(inner).to_bytes(4, "little") + inner + b"\x85R."
    for name, verdict in (("t.pt", "unknown"), ("t.pkl", "cpu"), ("t", "unknown")):
        (tmp_path / name).write_bytes(body)
        row = read_model(tmp_path / name)
        assert (row.kind, row.verdict, row.devices) == ("pickle", verdict, {"cpu": 1})


def test_what_an_unpickling_runs(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    for text, runs in (("os system", ("os.system",)), ("builtins eval", ("builtins.eval",)), ("code.net Net", ())):
        path.write_bytes(b"c" + text.replace(" ", "\n").encode() + b"\n.")
        assert read_model(path).runs == runs


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"hello world", "neither a zip archive"),
        (b"\x08\x08\x12\x07pytorch", "neither a zip archive"),
        (b"(a parenthesis in a text\n", "neither a zip archive"),
    ],
)
def test_what_is_not_a_model(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "x.pt").write_bytes(data)
    row = read_model(tmp_path / "x.pt")
    assert (row.kind, row.verdict) == ("not-a-model", "unknown")
    assert reason in row.because


def test_zip_without_a_model(tmp_path: Path) -> None:
    row = read_model(craft.write_zip(tmp_path / "x.zip", {"inner.pth": b"x"}))
    assert row.because == "a zip archive that holds 1 model file(s): unpack it first"


def test_globals_are_named_and_never_imported(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    body = b"\x80\x02cposix\nsystem\n" + craft.text(f"touch {marker}") + b"\x85R."
    row = read_model(craft.write_zip(tmp_path / "evil.pt", {"data.pkl": body}))
    assert row.globals == ("posix.system",)
    assert not marker.exists()


def test_duplicate_entry_cannot_hide_a_device(tmp_path: Path) -> None:
    path = tmp_path / "twice.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data/0", bytes(12))
        archive.writestr("a/data.pkl", craft.state_dict("cuda:0"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/data.pkl", craft.state_dict("cpu"))
    row = read_model(path)
    assert row.verdict == "map-location"
    assert "twice" in row.notes[0]


def test_row_for_what_cannot_be_read(tmp_path: Path) -> None:
    row = read_row(tmp_path, "folder")
    assert (row.kind, row.verdict, row.because) == ("unreadable", "unknown", "not a regular file")
    assert read_row(tmp_path / "gone", "gone").kind == "unreadable"
