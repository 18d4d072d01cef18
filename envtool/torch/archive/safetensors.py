"""Safetensors: the length of a header, the header (JSON), and bytes that belong to one tensor each (its README).

What the safetensors library refuses to load is damaged here too.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from envtool.torch.archive.facts import ModelFile
from envtool.torch.archive.gather import Gathered
from envtool.torch.archive.limits import MAX_PICKLE_BYTES, damaged, too_much

_MAX_HEADER = 100_000_000
"""The limit that the safetensors library itself sets for a header."""
_MAX_DIMENSIONS = 64


class _Tensor(NamedTuple):
    begin: int
    stop: int
    dtype: str
    items: int


def is_safetensors(start: bytes, size: int) -> bool:
    """Whether a file may be one, by its first bytes."""
    if len(start) < 10 or start[8:9] != b"{":
        return False
    return 2 <= int.from_bytes(start[:8], "little") <= max(_MAX_HEADER, size)


def read_safetensors(start: bytes, name: str, size: int) -> ModelFile:
    """What the header says. Raises ModelError."""
    length = int.from_bytes(start[:8], "little")
    if length > _MAX_HEADER or length > MAX_PICKLE_BYTES - 8:
        raise too_much(f"a safetensors header of {length} bytes")
    if 8 + length > size:
        raise damaged("the safetensors file is truncated: its header is not complete")
    try:
        header = json.loads(start[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise damaged("the safetensors header is not valid JSON") from error
    if not isinstance(header, dict):
        raise damaged("the safetensors header is not an object")
    gathered = Gathered()
    metadata = header.pop("__metadata__", None)
    gathered.producer = "PyTorch" if isinstance(metadata, dict) and metadata.get("format") == "pt" else ""
    tensors = sorted(_tensor(value) for value in header.values())
    for tensor in tensors:
        gathered.dtypes[_DTYPES.get(tensor.dtype, tensor.dtype)] += tensor.items
        gathered.elements += tensor.items
    _check_cover(tensors, 8 + length, size)
    return gathered.result(name, size, "safetensors")


def _tensor(value: object) -> _Tensor:
    try:
        shape, dtype, (begin, stop) = value["shape"], str(value["dtype"])[:20], value["data_offsets"]  # type: ignore[index]
        numbers = [*shape, begin, stop]
        valid = all(isinstance(number, int) and 0 <= number < 2**60 for number in numbers) and begin <= stop
    except (KeyError, TypeError, ValueError):
        valid = False
    if not valid:
        raise damaged("the safetensors header has a tensor without dtype, shape and offsets")
    count = math.prod(shape[:_MAX_DIMENSIONS])
    bits = _BITS.get(dtype)  # of a newer dtype only the place is known
    if bits is not None and len(shape) <= _MAX_DIMENSIONS and count * bits != (stop - begin) * 8:
        message = f"{count} elements of {dtype} in {stop - begin} bytes"
        raise damaged(f"the safetensors header has a tensor whose shape and offsets do not fit: {message}")
    return _Tensor(begin, stop, dtype, count)


def _check_cover(tensors: list[_Tensor], before: int, size: int) -> None:
    """Every byte behind the header belongs to one tensor. ``tensors`` are in the order of their places."""
    announced = before + max((tensor.stop for tensor in tensors), default=0)
    if announced > size:
        raise damaged(f"the safetensors file is truncated: {announced} bytes announced, {size} there")
    at = 0
    for tensor in tensors:
        if tensor.begin != at:
            raise damaged(f"the safetensors header leaves a hole or has two tensors at one place, at byte {at}")
        at = tensor.stop
    if announced < size:
        raise damaged(f"the safetensors file has {size - announced} bytes that belong to no tensor")


_DTYPES = {
    "BF16": "bfloat16",
    "BOOL": "bool",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "I8": "int8",
    "U8": "uint8",
}
_BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of an element (safetensors 0.8). Below a byte elements are packed, and a tensor fills whole bytes."""
