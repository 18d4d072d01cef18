"""A zip archive, opened under limits. Nothing is ever extracted."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from envtool.torch.archive.limits import MAX_ENTRIES, BoundedFile, Budget, damaged, too_much

_PLAIN = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CHUNK = 256 * 1024


class Archive:
    """The entries of one zip archive. ``root`` is the folder that holds all of them (torch names it after the file)."""

    def __init__(self, file: zipfile.ZipFile, budget: Budget) -> None:
        self._file = file
        self._budget = budget
        self.entries = [info for info in file.infolist() if not info.filename.endswith("/")]
        if len(self.entries) > MAX_ENTRIES:
            raise too_much(f"{len(self.entries)} entries in the archive")
        self.root = self.entries[0].filename.partition("/")[0] if self.entries else ""
        self.by_name = {self.name(info): info for info in self.entries}

    def name(self, info: zipfile.ZipInfo) -> str:
        """The name of an entry inside the root folder."""
        prefix = f"{self.root}/"
        return info.filename[len(prefix) :] if info.filename.startswith(prefix) else info.filename

    def named(self, suffix: str, *, under: str = "") -> Iterator[zipfile.ZipInfo]:
        """Entries by the end of their name and by folder; an entry that is there twice comes twice."""
        for info in self.entries:
            name = self.name(info)
            if name.endswith(suffix) and name.startswith(under):
                yield info

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def read(self, info: zipfile.ZipInfo, limit: int) -> bytes:
        """The bytes of an entry. Raises ModelError when it is damaged, packed in a foreign way, or too large."""
        name = self.name(info)
        if info.file_size > limit:
            raise too_much(f"{name} has {info.file_size} bytes")
        # zipfile gives no more than the announced size; an entry that unpacks to more fails its checksum.
        data = self._open(info, limit)
        self._budget.take_bytes(len(data))
        return data

    def starts_with(self, info: zipfile.ZipInfo, magic: bytes) -> bool:
        """Whether an entry begins like this."""
        self._budget.take_bytes(len(magic))
        return self._open(info, len(magic)) == magic

    def _open(self, info: zipfile.ZipInfo, count: int) -> bytes:
        if info.compress_type not in _PLAIN:
            raise damaged(f"{self.name(info)} is compressed in a way that torch does not read")
        try:
            with self._file.open(info) as stream:
                chunks: list[bytes] = []
                left = count
                while left > 0 and (chunk := stream.read(min(left, _CHUNK))):
                    chunks.append(chunk)
                    left -= len(chunk)
                return b"".join(chunks)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            ValueError,
            NotImplementedError,
        ) as error:
            raise damaged(f"{self.name(info)} cannot be read: the archive is damaged or truncated") from error

    def odd_names(self) -> list[str]:
        """Names that point outside of the archive, or that are there twice: no exporter writes them."""
        notes: list[str] = []
        names = [info.filename for info in self.entries]
        if any(".." in name.split("/") or name.startswith("/") or "\\" in name or ":" in name for name in names):
            notes.append("entry names point outside of the archive: never unpack it")
        if len(set(names)) != len(names):
            notes.append("entries are there twice under one name: readers may disagree about which counts")
        return notes


@contextmanager
def open_archive(path: Path, budget: Budget) -> Iterator[Archive]:
    """Open a zip file. Raises ModelError when its directory is damaged or too large."""
    with path.open("rb") as file, zip_of(file) as archive:
        yield Archive(archive, budget)


def zip_of(file: BinaryIO) -> zipfile.ZipFile:
    """A ZipFile whose reads are bounded. Raises ModelError when its directory is damaged."""
    try:
        return zipfile.ZipFile(cast("IO[bytes]", BoundedFile(file)))
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OverflowError,
    ) as error:
        raise damaged("the zip directory is missing or damaged, as after an interrupted download") from error
