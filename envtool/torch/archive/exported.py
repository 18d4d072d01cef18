"""pt2 archives of torch.export: JSON documents that name a device for every tensor."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from envtool.torch.archive.container import Archive
from envtool.torch.archive.facts import DeviceUse, ModelFile
from envtool.torch.archive.gather import Gathered
from envtool.torch.archive.limits import MAX_JSON_BYTES, Budget, damaged
from envtool.torch.archive.symbols import DEVICE, is_cpu

# torch._export.serde.schema.ScalarType
_SCALAR_TYPES = (
    *("unknown", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"),
    *("complex32", "complex64", "complex128", "bool", "bfloat16"),
)
_WEIGHTS = ("data/weights/", "data/constants/")
_OLD_MODEL = "serialized_exported_program.json"


def is_exported(archive: Archive) -> bool:
    """Whether an archive is what torch.export.save (or an ahead-of-time compiler) writes, old or new format."""
    if _OLD_MODEL in archive or any(True for _ in archive.named("", under="data/aotinductor/")):
        return True
    return "archive_format" in archive and "data.pkl" not in archive


def read_exported(archive: Archive, gathered: Gathered, path: str, size: int, budget: Budget) -> ModelFile:
    """The model in a pt2 archive. Raises ModelError when a document is damaged or too large."""
    gathered.producer = ""
    devices: Counter[str] = Counter()
    uses: Counter[tuple[str, str]] = Counter()
    documents = [
        info
        for info in archive.named(".json")
        if archive.name(info).startswith(("models/", "data/weights/", "data/constants/", "data/aotinductor/"))
        or archive.name(info) == _OLD_MODEL
    ]
    for info in documents:
        budget.take_opcodes(0)
        name = archive.name(info)
        document = _load(name, archive.read(info, MAX_JSON_BYTES))
        gathered.producer = _producer(document) or gathered.producer
        uses.update((name, device) for device in _devices(document, budget))
        if name.startswith(_WEIGHTS):
            _weights(document, devices, gathered)
    for (name, device), count in sorted(uses.items()):
        if not is_cpu(device) and not name.startswith(_WEIGHTS):
            gathered.code.constants.append(DeviceUse(entry=name, line=0, device=device, count=count))
    gathered.extra += devices
    for info in list(archive.named(".cubin", under="data/aotinductor/"))[:1]:
        gathered.code.constants.append(DeviceUse(entry=archive.name(info), line=0, device="cuda"))
    if _OLD_MODEL in archive:
        _old_weights(archive, gathered, budget)
    return gathered.result(path, size, "pt2", "compiled" if _is_compiled(archive) else "")


def _is_compiled(archive: Archive) -> bool:
    return any(True for _ in archive.named("", under="data/aotinductor/"))


def _producer(document: Any) -> str:
    producer = document.get("torch_version") if isinstance(document, dict) else None
    return f"torch {producer[:40]}" if isinstance(producer, str) and producer.isprintable() else ""


def _load(name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise damaged(f"{name} is not valid JSON") from error


def _devices(document: Any, budget: Budget) -> list[str]:
    found: list[str] = []
    waiting, seen = [document], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if not seen & 0xFFF:
            budget.take_opcodes(0x1000)
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("device", "as_device", "AOTI_DEVICE_KEY"):
                    device = _device(value)
                    if device:
                        found.append(device)
                if isinstance(value, dict | list):
                    waiting.append(value)
        elif isinstance(node, list):
            waiting.extend(item for item in node if isinstance(item, dict | list))
    return found


def _device(value: Any) -> str:
    if isinstance(value, str):
        return value if DEVICE.fullmatch(value) else ""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not DEVICE.fullmatch(value["type"]):
        return ""
    index = value.get("index")
    return f"{value['type']}:{index}" if isinstance(index, int) and not isinstance(index, bool) else value["type"]


def _weights(document: Any, devices: Counter[str], gathered: Gathered) -> None:
    config = document.get("config") if isinstance(document, dict) else None
    counted: set[str] = set()
    for weight in config.values() if isinstance(config, dict) else ():
        meta = weight.get("tensor_meta") if isinstance(weight, dict) else None
        if not isinstance(meta, dict):
            continue
        name = str(weight.get("path_name"))
        if name in counted:
            continue
        counted.add(name)
        devices[_device(meta.get("device")) or "unknown"] += 1
        sizes = [size.get("as_int") if isinstance(size, dict) else None for size in meta.get("sizes") or ()]
        if all(isinstance(size, int) and 0 <= size < 2**60 for size in sizes) and len(sizes) < 64:
            count = math.prod(size for size in sizes if isinstance(size, int))
            number = meta.get("dtype")
            dtype = _SCALAR_TYPES[number] if isinstance(number, int) and 0 <= number < len(_SCALAR_TYPES) else "unknown"
            gathered.dtypes[dtype] += count
            gathered.elements += count


def _old_weights(archive: Archive, gathered: Gathered, budget: Budget) -> None:
    from envtool.torch.archive.limits import MAX_PICKLE_BYTES
    from envtool.torch.archive.reader import read_bytes

    for name in ("serialized_state_dict.pt", "serialized_constants.pt"):
        info = archive.by_name.get(name)
        if info is None or info.file_size == 0 or info.file_size > MAX_PICKLE_BYTES:
            gathered.counted = False
            continue
        inner = read_bytes(archive.read(info, MAX_PICKLE_BYTES), name, budget, depth=1)
        gathered.extra.update(inner.devices)
        gathered.dtypes.update(inner.dtypes)
        gathered.elements += inner.parameters or 0
