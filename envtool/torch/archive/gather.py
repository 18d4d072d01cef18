"""Adds up what several pickles and sources of one file say, and makes the ModelFile of it."""

from __future__ import annotations

from collections import Counter

from envtool.torch.archive.code import CodeFacts, scan_code
from envtool.torch.archive.facts import DeviceUse, Kind, ModelFile
from envtool.torch.archive.limits import MAX_LISTED
from envtool.torch.archive.symbols import PickleFacts, Storage, is_cpu
from envtool.torch.archive.verdict import judge


class Gathered:
    """All facts of one file, as they are found."""

    def __init__(self) -> None:
        self.storages: dict[tuple[str, str], Storage] = {}
        self.extra: Counter[str] = Counter()
        self.attributes: list[DeviceUse] = []
        self.globals: set[str] = set()
        self.names: set[str] = set()
        self.code = CodeFacts()
        self.notes: list[str] = []
        self.producer = ""
        self.inputs: tuple[str, ...] = ()
        self.counted = True
        self.dtypes: Counter[str] = Counter()
        self.elements = 0

    def add_pickle(self, entry: str, folder: str, facts: PickleFacts) -> None:
        """One pickle; ``folder`` is where its storages lie, so that the same storage counts once."""
        for key, storage in facts.storages.items():
            known = self.storages.setdefault((folder, key), storage)
            known.used = max(known.used, storage.used)
            if is_cpu(known.device) and known.device != storage.device:
                known.device = storage.device
        for device, count in facts.remade.items():
            self.extra[device] += count
        for device, count in sorted(facts.devices.items()):
            if len(self.attributes) < MAX_LISTED:
                self.attributes.append(DeviceUse(entry=entry, line=0, device=device, count=count))
        self.globals |= facts.globals
        # Device strings that are values: no storage, no device object.
        self.names |= {push.value for push in facts.pushes if not push.is_device and not is_cpu(push.value)}

    def add_code(self, entry: str, data: bytes) -> None:
        """One source."""
        scan_code(entry, data.decode("utf-8", "replace"), self.code)

    def devices(self) -> dict[str, int]:
        """Storages by device."""
        counts = Counter(storage.device for storage in self.storages.values()) + self.extra
        return dict(sorted(counts.items()))

    def result(self, path: str, size: int, kind: Kind, form: str = "") -> ModelFile:
        """Everything, with the verdict."""
        for storage in self.storages.values():
            count = storage.used or (storage.numel if kind == "torchscript" and not storage.views else 0)
            self.dtypes[storage.dtype] += count
            self.elements += count
        if self.code.unparsed:
            self.notes.append(f"source that is not plain Python was searched by pattern: {self.code.unparsed[0]}")
        devices = self.devices()
        used = bool(self.code.device_attributes & self.code.read)
        made = min(self.names) if self.names and self.code.makes_devices else ""
        verdict, because = judge(
            kind, devices, attributes=self.attributes, constants=self.code.constants, attributes_used=used, made=made
        )
        # jit.load runs no Python import; the names in its pickle are classes of the archive itself.
        imported = sorted(name for name in self.globals if not name.startswith("__torch__."))
        names = () if kind in ("torchscript", "pt2", "safetensors") else tuple(imported[:MAX_LISTED])
        return ModelFile(
            path=path,
            kind=kind,
            form=form,
            verdict=verdict,
            because=because,
            size=size,
            devices=devices,
            attributes=tuple(self.attributes),
            constants=tuple(self.code.constants),
            dtypes={name: count for name, count in sorted(self.dtypes.items()) if count},
            parameters=self.elements if self.counted else None,
            producer=self.producer,
            globals=names,
            inputs=self.inputs,
            notes=tuple(self.notes[:MAX_LISTED]),
        )
