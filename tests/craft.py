"""Small model files by hand: the same bytes that torch writes, without torch."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."


def text(value: str) -> bytes:
    """BINUNICODE."""
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def storage(key: str, location: bytes, *, numel: int = 3, legacy: bool = False, kind: str = "FloatStorage") -> bytes:
    """A tensor of ``numel`` elements over a storage; ``location`` is the opcode(s) that push the location."""
    view = b"N" if legacy else b""
    reference = (
        b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + location + b"K" + bytes([numel])
    )
    size = b"K" + bytes([numel]) + b"\x85"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + view + b"tQK\x00" + size + b"K\x01\x85\x89"
        b"ccollections\nOrderedDict\n)RtR"
    )


def state_dict(*locations: str, legacy: bool = False) -> bytes:
    """A pickle of ``{name: tensor}``. As in torch, a location is memoised and fetched again by BINGET."""
    memo: dict[str, int] = {}
    items = b""
    for number, location in enumerate(locations):
        if location in memo:
            place = b"h" + bytes([memo[location]])
        else:
            memo[location] = 100 + len(memo)
            place = text(location) + b"q" + bytes([memo[location]])
        items += text(f"w{number}") + storage(str(number), place, legacy=legacy)
    return b"\x80\x02}q\x00(" + items + b"u."


def module(*locations: str, device: str | None = None) -> bytes:
    """TorchScript's ``data.pkl``: an object of the archive's own class with tensors and a device attribute."""
    memo = 50
    items = b"".join(
        text(f"w{number}") + storage(str(number), text(location)) for number, location in enumerate(locations)
    )
    if device is not None:
        items += text("dev") + b"ctorch\ndevice\n" + text(device) + b"\x85R"
    return b"\x80\x02c__torch__\nM\nq" + bytes([memo]) + b")\x81}(" + items + b"ub."


def write_zip(path: Path, entries: dict[str, bytes], root: str = "archive") -> Path:
    """A zip with all entries in one folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(f"{root}/{name}" if root else name, data)
    return path


def checkpoint(path: Path, *locations: str) -> Path:
    """A state dict as torch.save writes it."""
    entries = {"data.pkl": state_dict(*locations), "version": b"3\n"}
    entries.update({f"data/{number}": bytes(12) for number in range(len(locations))})
    return write_zip(path, entries)


def torchscript(
    path: Path, *locations: str, device: str | None = None, code: str = "", constants: bytes = b"\x80\x02)."
) -> Path:
    """A TorchScript archive."""
    entries = {"data.pkl": module(*locations, device=device), "constants.pkl": constants, "version": b"3\n"}
    entries["code/__torch__.py"] = code.encode()
    entries["code/__torch__.py.debug_pkl"] = b'torch.device("cuda:0")'
    entries.update({f"data/{number}": bytes(12) for number in range(len(locations))})
    return write_zip(path, entries)


def legacy(path: Path, *locations: str, data: bytes | None = None) -> Path:
    """A checkpoint of torch before 1.6."""
    body = MAGIC + PROTOCOL + b"\x80\x02}." + state_dict(*locations, legacy=True) + b"\x80\x02]."
    path.write_bytes(body + (bytes(20) * len(locations) if data is None else data))
    return path


def exported(path: Path, device: str, index: int | None = None) -> Path:
    """A pt2 archive."""
    place = {"type": device, "index": index}
    meta = {"dtype": 7, "sizes": [{"as_int": 3}, {"as_int": 5}], "device": place}
    model = {"graph_module": {"graph": {"tensor_values": {"x": {"device": place}}}}, "torch_version": "2.13.0+cpu"}
    weights = {"config": {"w": {"path_name": "weight_0", "tensor_meta": meta}}}
    entries = {
        "archive_format": b"pt2",
        "models/model.json": json.dumps(model).encode(),
        "data/weights/model_weights_config.json": json.dumps(weights).encode(),
    }
    return write_zip(path, entries)


def safetensors(path: Path, header: object, data: bytes) -> Path:
    """A safetensors file."""
    text_ = json.dumps(header).encode()
    path.write_bytes(len(text_).to_bytes(8, "little") + text_ + data)
    return path
