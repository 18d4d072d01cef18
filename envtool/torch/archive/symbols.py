"""The symbols that a pickle is read into, and what torch's own entries in it mean. Nothing is imported or called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from envtool.torch.archive.limits import MAX_LISTED

STORAGE_DTYPES = {
    "BFloat16Storage": ("bfloat16", 2),
    "BoolStorage": ("bool", 1),
    "ByteStorage": ("uint8", 1),
    "CharStorage": ("int8", 1),
    "ComplexDoubleStorage": ("complex128", 16),
    "ComplexFloatStorage": ("complex64", 8),
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "IntStorage": ("int32", 4),
    "LongStorage": ("int64", 8),
    "QInt32Storage": ("qint32", 4),
    "QInt8Storage": ("qint8", 1),
    "QUInt2x4Storage": ("quint2x4", 1),
    "QUInt4x2Storage": ("quint4x2", 1),
    "QUInt8Storage": ("quint8", 1),
    "ShortStorage": ("int16", 2),
    "UntypedStorage": ("bytes", 1),
}
"""Storage classes of torch: dtype and size of one element in bytes (``_dtype_to_storage_type_map``)."""

DEVICE = re.compile(r"(cpu|cuda|xpu|mps|meta|hip|hpu|xla|mtia|ipu|maia|npu|vulkan|privateuseone)(:\d{1,4})?")
"""A device string (``c10/core/DeviceType.h``)."""

_REBUILD_VIEW = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor"})
_REBUILD_WRAP = frozenset({"_rebuild_parameter", "_rebuild_parameter_with_state"})
_REBUILD_DEVICE = frozenset({"_rebuild_device_tensor_from_numpy", "_rebuild_device_tensor_from_cpu_tensor"})
_MAX_DIMENSIONS = 64


class DeviceText(str):
    """A device string on the stack that remembers the opcode which pushed it, so that a rewrite can find it."""

    __slots__ = ("push",)
    push: Push

    def __new__(cls, value: str, push: Push) -> DeviceText:
        """A string with its origin."""
        text = super().__new__(cls, value)
        text.push = push
        return text


@dataclass(kw_only=True, slots=True)
class Push:
    """One opcode that pushed a device string: bytes ``start`` to ``end``. ``source`` is set for a read of the memo."""

    start: int
    end: int
    value: str
    source: Push | None = None
    is_device: bool = False


@dataclass(frozen=True, slots=True)
class Global:
    """A reference to an importable name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(kw_only=True, slots=True)
class Storage:
    """One storage: ``key`` is unique in its folder, ``used`` counts the elements of the distinct tensors on it."""

    key: str
    device: str
    dtype: str
    itemsize: int
    numel: int
    used: int = 0
    views: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True)
class Opaque:
    """Any object that is not followed further."""


@dataclass(slots=True)
class Tensor:
    """A tensor or a parameter."""


@dataclass(slots=True)
class Bag:
    """A list: its length, how many elements are tensors, and how many are pairs of something and a tensor."""

    size: int = 0
    tensors: int = 0
    pairs: int = 0

    def add(self, value: object) -> None:
        """Append a value."""
        self.size += 1
        if isinstance(value, Tensor):
            self.tensors += 1
        elif isinstance(value, Bag):
            self.pairs += value.size == 2 and value.tensors == 1
        elif isinstance(value, tuple) and len(value) == 2:
            self.pairs += isinstance(value[1], Tensor)


@dataclass(slots=True)
class Table:
    """A dict or OrderedDict: how many of its values are tensors, how many are not."""

    tensors: int = 0
    others: int = 0


@dataclass(kw_only=True, slots=True)
class PickleFacts:
    """What one pickle holds. ``end`` is the offset after its STOP; ``frames`` are the offsets of FRAME opcodes."""

    storages: dict[str, Storage] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)
    remade: dict[str, int] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    nested: list[bytes] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    root: object = None
    end: int = 0

    @property
    def is_state_dict(self) -> bool:
        """Whether the outermost object maps names to tensors and to nothing else."""
        return isinstance(self.root, Table) and self.root.tensors > 0 and self.root.others == 0


def is_cpu(device: str) -> bool:
    """Whether a device needs nothing but a CPU."""
    return device.partition(":")[0] in ("cpu", "meta")


class Meaning:
    """Collects the facts of one pickle: storages, devices, and what a REDUCE stands for."""

    def __init__(self) -> None:
        self.facts = PickleFacts()

    def load_persistent(self, reference: Any) -> object:
        """``('storage', class, key, location, numel[, view])`` of torch.save, TorchScript and torch.package."""
        if not (isinstance(reference, tuple) and len(reference) >= 5 and reference[0] == "storage"):
            return Opaque()
        kind, key, location, numel = reference[1:5]
        name = kind.name if isinstance(kind, Global) else ""
        dtype, itemsize = STORAGE_DTYPES.get(name, ("unknown", 0))
        device = self.device_of(location) if isinstance(location, str) else "unknown"
        storage = Storage(
            key=str(key)[:200] if isinstance(key, str | int) else "?",
            device=device,
            dtype=dtype,
            itemsize=itemsize,
            numel=numel if isinstance(numel, int) and 0 <= numel < 2**60 else 0,
        )
        known = self.facts.storages.setdefault(storage.key, storage)
        # One storage is written once; a second reference with another location decides nothing away.
        if known.device != device and is_cpu(known.device):
            known.device = device
        return known

    def device_of(self, text: str) -> str:
        """The device that a string names; its opcode is marked as one that a rewrite changes."""
        if isinstance(text, DeviceText):
            text.push.is_device = True
        return str(text)[:40] or "unknown"

    def call(self, function: Any, arguments: Any, depth: int = 0) -> object:
        """What REDUCE gives, as far as it matters. Nothing is called."""
        if not isinstance(arguments, tuple):
            arguments = ()
        if not isinstance(function, Global):
            return Opaque()
        name = function.name
        if function.module.startswith("torch._utils") and name in _REBUILD_VIEW:
            return self.rebuild(arguments)
        if name in _REBUILD_WRAP or name in _REBUILD_DEVICE:
            return self.wrap(name, arguments)
        if name == "_rebuild_from_type_v2" and len(arguments) > 2 and depth < 2:
            return self.call(arguments[0], arguments[2], depth + 1)
        if name in ("OrderedDict", "dict", "defaultdict"):
            # Python 2 pickled an OrderedDict as a list of [key, value].
            given = arguments[0] if arguments else None
            return Table(given.pairs, given.size - given.pairs) if isinstance(given, Bag) else Table()
        if arguments and name == "restore_type_tag":
            return arguments[0]
        if arguments and name == "_load_from_bytes" and isinstance(arguments[0], bytes):
            self.facts.nested.append(arguments[0])
        elif arguments and str(function) == "torch.device":
            self.note_device(arguments)
        return Opaque()

    def wrap(self, name: str, arguments: tuple[Any, ...]) -> Tensor:
        """A parameter around a tensor, or a tensor that is made on a device of its own whatever map_location says."""
        if name in _REBUILD_DEVICE and len(arguments) > 2 and isinstance(arguments[2], str):
            device = self.device_of(arguments[2])
            self.facts.remade[device] = self.facts.remade.get(device, 0) + 1
        return Tensor()

    def note_device(self, arguments: tuple[Any, ...]) -> None:
        """``torch.device('cuda:0')`` or ``torch.device('cuda', 0)``."""
        if not isinstance(arguments[0], str):
            return
        device = self.device_of(arguments[0])
        if len(arguments) > 1 and isinstance(arguments[1], int):
            device = f"{device}:{arguments[1]}"
        self.facts.devices[device] = self.facts.devices.get(device, 0) + 1

    def rebuild(self, arguments: tuple[Any, ...]) -> object:
        """A tensor over a storage: count the elements that it shows."""
        if len(arguments) > 2 and isinstance(arguments[0], Storage) and isinstance(arguments[2], tuple):
            storage, offset, size = arguments[:3]
            count = 1
            for length in size[:_MAX_DIMENSIONS]:
                if not isinstance(length, int) or not 0 <= length < 2**60 or count >= 2**60:
                    return Tensor()
                count *= length
            if len(self.facts.shapes) < 64:
                self.facts.shapes.append(f"{'x'.join(map(str, size))}:{storage.dtype}")
            view = (offset if isinstance(offset, int) else 0, count)
            if view not in storage.views and len(storage.views) < MAX_LISTED:
                storage.views.add(view)
                storage.used = min(storage.numel, storage.used + count)
        return Tensor()
