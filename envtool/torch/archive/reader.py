"""Which kind of model a file is, and what it says: the entry point of the static reader."""

from __future__ import annotations

import io
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

from envtool.torch.archive.container import Archive, open_archive, zip_of
from envtool.torch.archive.facts import ModelFile
from envtool.torch.archive.gather import Gathered
from envtool.torch.archive.limits import MAX_NESTED, MAX_PICKLE_BYTES, Budget, ModelError, damaged, too_much
from envtool.torch.archive.safetensors import is_safetensors, read_safetensors
from envtool.torch.archive.sequence import Sequence, read_legacy, read_tar
from envtool.torch.archive.symbols import PickleFacts
from envtool.torch.archive.zipped import read_zip

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_LFS = b"version https://git-lfs"
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (_LFS, "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself"),
    (b"GGUF", "a GGUF model (llama.cpp), which torch does not read"),
    (b"\x89HDF", "an HDF5 file (Keras), which torch does not read"),
    (b"\x93NUMPY", "a NumPy array, which torch does not read"),
    (b"<!DOCTYPE", "an HTML page: the download went wrong"),
    (b"<html", "an HTML page: the download went wrong"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
)
_PICKLES = (".pkl", ".pickle", ".p", ".joblib", ".sav")
"""Names that say pickle.load: whoever loads such a file does not ask torch for it."""


def read_model(path: Path, shown: str = "") -> ModelFile:
    """What is in one model file, without loading it.

    ``shown`` is the name in the result (default: the path as given). Takes bounded time and memory, whatever the file
    holds (:mod:`envtool.torch.archive.limits`). Raises ModelError (``model.damaged``, ``model.limit``,
    ``model.unreadable``) when nothing can be said about it.
    """
    name = shown or path.as_posix()
    budget = Budget()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError("model.unreadable", "not a regular file", "Give the path of a model file.")
        with path.open("rb") as file:
            head = file.read(64)
        if head.startswith(_ZIP):
            with open_archive(path, budget) as archive:
                return read_zip(archive, name, status.st_size, budget)
        with path.open("rb") as file:
            start = file.read(min(status.st_size, MAX_PICKLE_BYTES))
    except OSError as error:
        raise ModelError("model.unreadable", error.strerror or "cannot be read", "Check the path.") from error
    return _read_start(start, name, status.st_size, budget, 0)


def read_bytes(data: bytes, name: str, budget: Budget, depth: int) -> ModelFile:
    """A model inside another file. Raises ModelError."""
    if data.startswith(_ZIP):
        with zip_of(io.BytesIO(data)) as file:
            return read_zip(Archive(file, budget), name, len(data), budget)
    return _read_start(data, name, len(data), budget, depth)


def read_row(path: Path, shown: str) -> ModelFile:
    """What is in one model file; one that cannot be read is a row of kind ``unreadable`` with the reason."""
    try:
        return read_model(path, shown)
    except ModelError as error:
        try:
            size = path.stat().st_size
        except OSError:
            size = 0
        return ModelFile(path=shown, kind="unreadable", verdict="unknown", because=error.message, size=size)


def _read_start(start: bytes, name: str, size: int, budget: Budget, depth: int) -> ModelFile:
    """Everything but zip; ``start`` is as much of the file as a pickle may have."""
    budget.take_bytes(len(start) if size == len(start) else 0)
    if not start:
        return ModelFile(path=name, kind="not-a-model", verdict="unknown", because="an empty file", size=size)
    if start.startswith(_EMPTY_ZIP):
        return ModelFile(path=name, kind="not-a-model", verdict="unknown", because="an empty zip archive", size=size)
    for magic, meaning in _OTHERS:
        if start.startswith(magic):
            return ModelFile(path=name, kind="not-a-model", verdict="unknown", because=meaning, size=size)
    if start[257:262] == b"ustar" or _is_old_tar(start):
        return _tar(start, name, size, budget)
    if is_safetensors(start, size):
        return read_safetensors(start, name, size)
    if (start[0] == 0x80 and len(start) > 1 and start[1] <= 5) or start[:1] in b"(]}c":
        return _pickled(start, name, size, budget, depth)
    reason = "neither a zip archive, nor a pickle, nor safetensors"
    return ModelFile(path=name, kind="not-a-model", verdict="unknown", because=reason, size=size)


def _is_old_tar(start: bytes) -> bool:
    return (
        len(start) >= 512
        and start[:8] in (b"sys_info", b"storages", b"tensors\0", b"pickle\0\0")
        and start[100] == 0x30
    )


def _pickled(start: bytes, name: str, size: int, budget: Budget, depth: int) -> ModelFile:
    sequence = Sequence(start, size, budget)
    if sequence.is_legacy():
        return read_legacy(sequence, name)
    sequence.rewind()
    try:
        facts = sequence.next()
    except ModelError as error:
        if error.code == "model.limit" or start[0] == 0x80:
            raise
        reason = "neither a zip archive, nor a pickle, nor safetensors"
        return ModelFile(path=name, kind="not-a-model", verdict="unknown", because=reason, size=size)
    gathered = Gathered()
    gathered.add_pickle("", "", facts)
    _nested(facts, gathered, budget, depth)
    found = gathered.result(name, size, "pickle")
    if found.verdict != "cpu" or name.lower().endswith(_PICKLES):
        return found
    # Both ways: UnpicklingError with weights_only, "Invalid magic number" without (torch 2.13).
    return replace(found, verdict="unknown", because="a plain pickle: pickle.load reads it, torch.load does not")


def _nested(facts: PickleFacts, gathered: Gathered, budget: Budget, depth: int) -> None:
    """Tensors that were pickled with plain pickle: each is a whole file of torch.save inside."""
    for number, data in enumerate(facts.nested):
        if depth >= MAX_NESTED:
            raise too_much(f"models nested more than {MAX_NESTED} deep")
        inner = read_bytes(data, f"{number}", budget, depth + 1)
        gathered.extra.update(inner.devices)
        gathered.dtypes.update(inner.dtypes)
        gathered.elements += inner.parameters or 0


def _tar(start: bytes, name: str, size: int, budget: Budget) -> ModelFile:
    try:
        with tarfile.open(fileobj=io.BytesIO(start), mode="r:") as archive:
            members: dict[str, bytes] = {}
            for member in archive:
                budget.take_opcodes(100)
                if member.isreg() and member.name in ("storages", "pickle", "tensors"):
                    stream = archive.extractfile(member)
                    members[member.name] = stream.read(MAX_PICKLE_BYTES) if stream else b""
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError) as error:
        raise damaged("the tar archive is damaged or truncated") from error
    if "storages" not in members or "pickle" not in members:
        reason = "a tar archive that torch did not write"
        return ModelFile(path=name, kind="not-a-model", verdict="unknown", because=reason, size=size)
    return read_tar(members, name, size, budget)
