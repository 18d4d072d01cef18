"""Makes model archives of every kind with a real CPU torch, and what each of them does on a CPU, found by loading it.

Run with an interpreter that has torch: ``python make_model_archives.py OUT``. Writes the archives and ``truth.json``.
An archive "of a GPU" is a CPU one written again with ``cuda:0`` in its pickle, its code or its JSON: no GPU is needed.
"""

import io
import json
import pickle
import re
import sys
import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.package import PackageExporter, PackageImporter

warnings.simplefilter("ignore")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 3)
        self.register_buffer("shift", torch.zeros(3))

    def forward(self, x: torch.Tensor):
        return self.fc(x) + self.shift


class Placed(Net):
    def __init__(self):
        super().__init__()
        self.dev = torch.device("cpu")

    def forward(self, x: torch.Tensor):
        return self.fc(x) + torch.zeros([3], device=self.dev)


class Unused(Placed):
    def forward(self, x: torch.Tensor):
        return self.fc(x)


class Constant(Net):
    def forward(self, x: torch.Tensor):
        return self.fc(x) + torch.zeros([3], device=torch.device("cpu"))


class Named(Net):
    """Keeps its device as a string."""

    def __init__(self):
        super().__init__()
        self.place = "cpu"

    def forward(self, x: torch.Tensor):
        return self.fc(x.to(self.place))


class Outer(nn.Module):
    """Reads a device attribute that another class declares."""

    def __init__(self):
        super().__init__()
        self.inner = Unused()

    def forward(self, x: torch.Tensor):
        return self.inner(x) + torch.zeros([3], device=self.inner.dev)


class Words(Net):
    """Speaks of cuda, and needs none."""

    def __init__(self):
        super().__init__()
        self.vocabulary = {"cuda": 1, "cuda:0": 2, "cpu": 3}

    def forward(self, x: torch.Tensor):
        return self.fc(x) + float(self.vocabulary["cuda:0"])


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


CPU, GPU = text("cpu"), text("cuda:0")


def rezip(source, target, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            data = change(info.filename.partition("/")[2], old.read(info))
            new.writestr(info.filename, data)


def to_gpu(name, data):
    """Every storage and every device attribute (C++ and Python share one memoised string for them)."""
    if name in ("data.pkl", "constants.pkl") or name.endswith("model.pkl"):
        return data.replace(CPU, GPU)
    return data


def one_to_gpu(name, data):
    """The second storage only: its location is a BINGET of the memoised ``cpu``."""
    if name not in ("data.pkl", "constants.pkl"):
        return data
    place = re.search(rb"X\x03\x00\x00\x00cpuq(.)", data, re.DOTALL)
    if place is None:
        return data
    changed, count = re.subn(
        rb"(X\x01\x00\x00\x001q.)h" + re.escape(place.group(1)),
        lambda m: m.group(1) + GPU,
        data,
        count=1,
        flags=re.DOTALL,
    )
    assert count == 1
    return changed


def code_to_gpu(name, data):
    return data.replace(b'torch.device("cpu")', b'torch.device("cuda:0")') if name.endswith(".py") else data


def json_to_gpu(name, data):
    return (
        data.replace(b'"type": "cpu", "index": null', b'"type": "cuda", "index": 0') if name.endswith(".json") else data
    )


def attribute_only(name, data):
    """The device attribute alone: its BINGET or string is made a string of its own."""
    if name != "data.pkl":
        return data
    changed, count = re.subn(
        rb"(ctorch\ndevice\nq.)(?:h.|X\x03\x00\x00\x00cpu(?=q))", lambda m: m.group(1) + GPU, data, flags=re.DOTALL
    )
    assert count == 1, count
    return changed


def make(out):
    torch.manual_seed(0)
    x = torch.zeros(1, 5)
    net, placed = Net().eval(), Placed().eval()
    scripted = {
        "scripted": torch.jit.script(net),
        "placed": torch.jit.script(placed),
        "unused": torch.jit.script(Unused().eval()),
        "constant": torch.jit.script(Constant().eval()),
        "words": torch.jit.script(Words().eval()),
        "named": torch.jit.script(Named().eval()),
        "outer": torch.jit.script(Outer().eval()),
        "frozen": torch.jit.freeze(torch.jit.script(net)),
        "traced": torch.jit.trace(net, x),
        "traced-constant": torch.jit.trace(Constant().eval(), x),
        "traced-frozen": torch.jit.freeze(torch.jit.trace(net, x)),
    }
    kinds = {}
    for name, module in scripted.items():
        module.save(out / f"{name}-cpu.pt")
        rezip(out / f"{name}-cpu.pt", out / f"{name}-cuda.pt", to_gpu)
        for place in ("cpu", "cuda"):
            form = "frozen" if "frozen" in name else "traced" if "traced" in name else "scripted"
            kinds[f"{name}-{place}.pt"] = ("torchscript", form)
    rezip(out / "scripted-cpu.pt", out / "scripted-mixed.pt", one_to_gpu)
    rezip(out / "placed-cpu.pt", out / "placed-attribute.pt", attribute_only)
    rezip(out / "unused-cpu.pt", out / "unused-attribute.pt", attribute_only)
    rezip(out / "constant-cpu.pt", out / "constant-code.pt", code_to_gpu)
    rezip(out / "traced-constant-cpu.pt", out / "traced-constant-code.pt", code_to_gpu)
    for name in ("scripted-mixed", "placed-attribute", "unused-attribute", "constant-code"):
        kinds[f"{name}.pt"] = ("torchscript", "scripted")
    kinds["traced-constant-code.pt"] = ("torchscript", "traced")

    state = net.state_dict()
    saved = {
        "state": (state, "state-dict"),
        "checkpoint": (
            {"model": state, "epoch": 3, "args": {"device": "cuda:0"}, "tags": ["cuda", "cuda:0"]},
            "checkpoint",
        ),
        "device": ({"model": state, "device": torch.device("cuda:0")}, "checkpoint"),
        "half": ({name: value.half() for name, value in state.items()}, "state-dict"),
        "tensor": (torch.zeros(7, dtype=torch.bfloat16), "checkpoint"),
    }
    for name, (value, kind) in saved.items():
        torch.save(value, out / f"{name}-cpu.pt")
        torch.save(value, out / f"{name}-legacy-cpu.pt", _use_new_zipfile_serialization=False)
        rezip(out / f"{name}-cpu.pt", out / f"{name}-cuda.pt", to_gpu)
        legacy = (out / f"{name}-legacy-cpu.pt").read_bytes()
        (out / f"{name}-legacy-cuda.pt").write_bytes(legacy.replace(CPU, GPU))
        for place in ("cpu", "cuda"):
            kinds[f"{name}-{place}.pt"] = (kind, "zip")
            kinds[f"{name}-legacy-{place}.pt"] = (kind, "legacy")
    rezip(out / "state-cpu.pt", out / "state-mixed.pt", one_to_gpu)
    kinds["state-mixed.pt"] = ("state-dict", "zip")

    with PackageExporter(str(out / "package-cpu.pt")) as exporter:
        exporter.save_source_string("names", "WORDS = ['cuda', 'cuda:0']\n")
        exporter.save_pickle("model", "model.pkl", {"weight": torch.zeros(4)})
    rezip(out / "package-cpu.pt", out / "package-cuda.pt", to_gpu)
    exported = torch.export.export(Constant().eval(), (x,))
    torch.export.save(exported, out / "exported-cpu.pt2")
    rezip(out / "exported-cpu.pt2", out / "exported-cuda.pt2", json_to_gpu)
    for place in ("cpu", "cuda"):
        kinds[f"package-{place}.pt"] = ("package", "")
        kinds[f"exported-{place}.pt2"] = ("pt2", "")

    plain = pickle.dumps({"weight": torch.ones(3)}, protocol=4)
    (out / "pickle-cpu.pkl").write_bytes(plain)
    (out / "pickle-words.pkl").write_bytes(pickle.dumps({"device": "cuda:0"}, protocol=4))
    kinds["pickle-cpu.pkl"] = kinds["pickle-words.pkl"] = ("pickle", "")
    (out / "pickle-cuda.pkl").write_bytes(pickle_of_gpu())
    kinds["pickle-cuda.pkl"] = ("pickle", "")
    return kinds


def pickle_of_gpu():
    """A plain pickle frames its nested bytes, so one with another length inside is pickled anew."""
    inner = io.BytesIO()
    torch.save(torch.ones(3), inner, _use_new_zipfile_serialization=False)
    data = inner.getvalue().replace(CPU, GPU)

    class Nested:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (data,)

    return pickle.dumps({"weight": Nested()}, protocol=4)


def attempt(action):
    try:
        return bool(torch.isfinite(action()).all()) if action is not None else True
    except Exception:
        return False


def truth(path, kind):
    """The verdict of torch itself: ``cpu`` (works as it is), ``map-location``, or ``never``."""
    x = torch.zeros(1, 5)

    def load(**where):
        if kind == "torchscript":
            return torch.jit.load(path, **where)(x)
        if kind == "package":
            return PackageImporter(str(path)).load_pickle("model", "model.pkl", **where)["weight"]
        if kind == "pt2":
            return torch.export.load(path).module()(x)
        if kind == "pickle":
            with path.open("rb") as file:
                pickle.load(file)
            return torch.zeros(1)
        torch.load(path, weights_only=True, **where)
        return torch.zeros(1)

    if attempt(load):
        return "cpu"
    if kind not in ("pt2", "pickle") and attempt(lambda: load(map_location="cpu")):
        return "map-location"
    return "never"


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    kinds = make(out)
    result = {
        name: {"kind": kind, "form": form, "verdict": truth(out / name, kind)} for name, (kind, form) in kinds.items()
    }
    (out / "truth.json").write_text(json.dumps(result, indent=1, sort_keys=True))


main()
