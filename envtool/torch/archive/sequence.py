"""Files of torch.save before 1.6: pickles in a row, then the data; and the tar files of 0.1."""

from __future__ import annotations

import io

from envtool.torch.archive.facts import Kind, ModelFile
from envtool.torch.archive.gather import Gathered
from envtool.torch.archive.limits import Budget, ModelError, damaged
from envtool.torch.archive.pickles import Machine
from envtool.torch.archive.symbols import Global, PickleFacts, Storage, is_cpu

MAGIC = 0x1950A86A20F9469CFC6C
"""``torch.serialization.MAGIC_NUMBER``: the first pickle of a legacy file."""


class Sequence:
    """Reads pickle after pickle from the start of a file. ``size`` is the size of the whole file."""

    def __init__(self, start: bytes, size: int, budget: Budget) -> None:
        self._stream = io.BytesIO(start)
        self._budget = budget
        self.size = size

    def next(self) -> PickleFacts:
        """The next pickle. Raises ModelError."""
        return Machine(self._budget).run(self._stream)

    def rewind(self) -> None:
        """Back to the first one."""
        self._stream.seek(0)

    def tell(self) -> int:
        """The offset behind what was read."""
        return self._stream.tell()

    def skip(self, count: int) -> None:
        """Leave tensor data out. Raises ModelError when there is less of it."""
        if self.tell() + count > self.size:
            raise damaged("the file is truncated: tensor data is missing")
        self._stream.seek(count, 1)

    def is_legacy(self) -> bool:
        """Whether the first pickle is torch's magic number (the position is behind it then)."""
        try:
            return self.next().root == MAGIC
        except ModelError as error:
            if error.code == "model.limit":
                raise
            return False


def read_legacy(sequence: Sequence, name: str) -> ModelFile:
    """A legacy checkpoint: magic, protocol, system information, the object, the keys, then the data."""
    sequence.next()
    sequence.next()
    facts = sequence.next()
    sequence.next()
    gathered = Gathered()
    gathered.add_pickle("", "", facts)
    gathered.producer = "torch.save, legacy format"
    data = sum(8 + storage.numel * storage.itemsize for storage in facts.storages.values())
    if sequence.tell() + data > sequence.size:
        raise damaged(f"the file is truncated: {sequence.tell() + data} bytes announced, {sequence.size} there")
    kind: Kind = "state-dict" if facts.is_state_dict else "checkpoint"
    return gathered.result(name, sequence.size, kind, "legacy")


def read_tar(members: dict[str, bytes], name: str, size: int, budget: Budget) -> ModelFile:
    """A tar checkpoint of torch 0.1: ``storages`` is a count, then ``(key, location, class)`` and data for each."""
    from envtool.torch.archive.symbols import STORAGE_DTYPES

    gathered = Gathered()
    gathered.producer = "torch 0.1"
    sequence = Sequence(members["storages"], len(members["storages"]), budget)
    count = sequence.next().root
    if not isinstance(count, int) or not 0 <= count < 10_000_000:
        raise damaged("the tar archive is damaged: it has no count of storages")
    for _ in range(count):
        entry = sequence.next().root
        if not isinstance(entry, tuple) or len(entry) < 3 or not isinstance(entry[1], str):
            raise damaged("the tar archive is damaged: a storage without a location")
        kind = entry[2].name if isinstance(entry[2], Global) else ""
        dtype, itemsize = STORAGE_DTYPES.get(kind, ("unknown", 0))
        numel = int.from_bytes(members["storages"][sequence.tell() : sequence.tell() + 8], "little")
        sequence.skip(8 + numel * itemsize)
        storage = Storage(
            key=str(entry[0])[:200], device=str(entry[1])[:40], dtype=dtype, itemsize=itemsize, numel=numel
        )
        storage.used = numel
        gathered.storages[("", storage.key)] = storage
    facts = Sequence(members["pickle"], len(members["pickle"]), budget).next()
    gathered.globals |= facts.globals
    if not any(not is_cpu(storage.device) for storage in gathered.storages.values()):
        gathered.notes.append("torch.load needs weights_only=False for this format")
    return gathered.result(name, size, "checkpoint", "tar")
