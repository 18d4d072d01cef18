"""A CPU copy of a model that was saved on a GPU: only the device strings of its pickles change.

Storages and ``torch.device`` objects get ``cpu``; everything else, tensor data first of all, is copied byte for byte. A
string is memoised once and fetched by every later storage, and may be fetched for other reasons too (a config value
that says ``cuda:0``), so each use is decided by itself. Opcodes are chosen among those that torch's two readers know.
"""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from envtool.torch.archive.facts import ModelFile
from envtool.torch.archive.limits import MAX_PICKLE_BYTES, Budget, ModelError
from envtool.torch.archive.pickles import Machine
from envtool.torch.archive.reader import read_model
from envtool.torch.archive.symbols import PickleFacts, Push, is_cpu

_ALIGNMENT = 64
_CHUNK = 1024 * 1024
_PICKLES = ("data.pkl", "constants.pkl", "traced_inputs.pkl", "attributes.pkl", "bytecode.pkl")


def rewrite_for_cpu(path: Path, out: Path) -> ModelFile:
    """Write a copy of a checkpoint or TorchScript archive whose storages are on the CPU, and read it back.

    ``out`` appears only when the copy is complete and reads as ``cpu``. Raises ModelError: ``model.rewrite`` when the
    file is of another kind, is on the CPU already, or has a device in its code; ``model.exists`` when ``out`` is there.
    """
    row = read_model(path)
    _refuse(row)
    if os.path.lexists(out):
        raise ModelError("model.exists", f"{out} exists", "Choose a new name: a model is never overwritten.")
    if not out.parent.is_dir():
        raise ModelError("model.exists", f"no such folder: {out.parent}", "Make it first.")
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            if row.form == "legacy":
                _copy_legacy(path, target)
            else:
                _copy_zip(path, target)
        copy = read_model(part, out.as_posix())
        if copy.verdict != "cpu" or copy.parameters != row.parameters or copy.kind != row.kind:
            raise ModelError(
                "model.rewrite", f"the copy would not do: {copy.because}", "Export the model again on the CPU."
            )
        part.chmod(path.stat().st_mode & 0o777)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return copy


def _refuse(row: ModelFile) -> None:
    again = "Export it again from a model on the CPU."
    if row.kind not in ("checkpoint", "state-dict", "torchscript") or row.form == "tar":
        raise ModelError("model.rewrite", f"{row.path}: only checkpoints and TorchScript can be rewritten", again)
    if any(not is_cpu(use.device) for use in row.constants):
        raise ModelError("model.rewrite", f"{row.path}: {row.because}", again)
    if row.verdict == "cpu" and all(is_cpu(use.device) for use in row.attributes):
        raise ModelError("model.rewrite", f"{row.path} is on the CPU already", "Use it as it is.")
    if row.verdict == "unknown":
        raise ModelError("model.rewrite", f"{row.path}: {row.because}", again)


def rewrite_pickle(data: bytes) -> bytes:
    """One pickle with every device of a storage or device object set to the CPU."""
    stream = io.BytesIO(data)
    facts = Machine(Budget()).run(stream)
    return _spliced(data[: facts.end], facts) + data[facts.end :]


def _spliced(data: bytes, facts: PickleFacts) -> bytes:
    """Replace the pushes whose value changes. FRAME opcodes, whose lengths would be wrong, are optional and go."""
    changes: dict[int, tuple[int, bytes]] = {at: (at + 9, b"") for at in facts.frames}
    for push in facts.pushes:
        if push.source is None:
            if _wanted(push) != push.value:
                changes[push.start] = (push.end, _text(_wanted(push)))
        elif _wanted(push) != _wanted(push.source):
            # The memo holds another string than is needed here: say it, without the memo.
            changes[push.start] = (push.end, _text(_wanted(push)))
    out, at = bytearray(), 0
    for start, (end, replacement) in sorted(changes.items()):
        out += data[at:start] + replacement
        at = end
    return bytes(out + data[at:])


def _wanted(push: Push) -> str:
    return "cpu" if push.is_device and not is_cpu(push.value) else push.value


def _text(value: str) -> bytes:
    """BINUNICODE, which every protocol from 2 on and both of torch's readers know."""
    encoded = value.encode("ascii")
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def _copy_legacy(path: Path, target: IO[bytes]) -> None:
    """Magic, protocol, system information; the object; then keys and data, which stay."""
    with path.open("rb") as source:
        start = source.read(MAX_PICKLE_BYTES)
        stream = io.BytesIO(start)
        budget = Budget()
        for _ in range(3):
            Machine(budget).run(stream)
        facts = Machine(budget).run(stream)
        # Positions in the facts count from the start of the file.
        target.write(_spliced(start[: facts.end], facts))
        source.seek(facts.end)
        _copy(source, target)


def _copy_zip(path: Path, target: IO[bytes]) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as new:
        for info in old.infolist():
            name = info.filename.partition("/")[2]
            fresh = zipfile.ZipInfo(info.filename, date_time=(1980, 1, 1, 0, 0, 0))
            fresh.compress_type = info.compress_type
            fresh.external_attr = info.external_attr
            if name in _PICKLES:
                new.writestr(fresh, rewrite_pickle(old.read(info)))
                continue
            if info.compress_type == zipfile.ZIP_STORED:
                fresh.extra = _padding(target.tell() + 30 + len(info.filename.encode()), large=info.file_size >= 2**31)
            with old.open(info) as entry, new.open(fresh, "w", force_zip64=info.file_size >= 2**31) as copy:
                _copy(entry, copy)


def _padding(at: int, *, large: bool) -> bytes:
    """An extra field that makes the data start at a multiple of 64, as torch writes it (for mmap)."""
    at += 20 if large else 0
    missing = -(at + 4) % _ALIGNMENT
    return b"FB" + missing.to_bytes(2, "little") + b"Z" * missing


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
