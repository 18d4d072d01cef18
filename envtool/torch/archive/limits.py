"""How much of a file is looked at before the reader gives up: every limit, and the budget of a file.

A model file is untrusted input. Real ones stay far below these figures (a 7-billion-parameter checkpoint has a
``data.pkl`` of about 100 kB; the largest seen, a TorchScript module with a vocabulary inside, 2.7 MB and 10⁶ opcodes).
"""

from __future__ import annotations

import time
from typing import BinaryIO

from envtool.errors import EnvtoolError, ExitCode

MAX_PICKLE_BYTES = 64 * 1024 * 1024
"""Largest single pickle that is read."""
MAX_JSON_BYTES = 64 * 1024 * 1024
"""Largest single JSON document that is read."""
MAX_CODE_BYTES = 4 * 1024 * 1024
"""Largest single TorchScript or Python source that is read."""
MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""All bytes that are read (after decompression) from one file. Tensor data is never read."""
MAX_DIRECTORY_BYTES = 32 * 1024 * 1024
"""Largest single read on behalf of the zip directory."""
MAX_ENTRIES = 100_000
"""Entries of one zip archive."""
MAX_OPCODES = 4_000_000
"""Pickle opcodes of one file."""
MAX_SECONDS = 30.0
"""Processor time for one file: how busy the machine is changes no verdict."""
MAX_NESTED = 3
"""Depth of a model inside a model (sample inputs in a pt2, torch storages in a plain pickle)."""
MAX_LISTED = 1_000
"""Globals, constants and notes that are kept of one file."""
MAX_BRACKETS = 90
"""Nesting of brackets in source that is given to the Python parser."""


class ModelError(EnvtoolError):
    """A model file that cannot be read: damaged, truncated, or beyond a limit. Codes ``model.*``."""

    exit_code = ExitCode.USAGE


class Budget:
    """What may still be spent on one file. Every method raises ModelError (``model.limit``) when it is used up."""

    def __init__(self) -> None:
        self.opcodes = MAX_OPCODES
        self.bytes = MAX_TOTAL_BYTES
        self.deadline = time.process_time() + MAX_SECONDS

    def take_opcodes(self, count: int) -> None:
        """Spend pickle opcodes, and look at the clock."""
        self.opcodes -= count
        if self.opcodes < 0:
            raise too_much(f"more than {MAX_OPCODES} pickle opcodes")
        if time.process_time() > self.deadline:
            raise too_much(f"reading it took more than {MAX_SECONDS:.0f} s of processor time")

    def take_bytes(self, count: int) -> None:
        """Spend bytes that were read."""
        self.bytes -= count
        if self.bytes < 0:
            raise too_much(f"more than {MAX_TOTAL_BYTES // 2**20} MiB of pickles, JSON and code")
        self.take_opcodes(0)


def too_much(what: str) -> ModelError:
    """The error for a file beyond a limit."""
    return ModelError("model.limit", f"gave up: {what}", "No real model looks like this; do not load it.")


def damaged(what: str) -> ModelError:
    """The error for a file that is not what it claims to be."""
    return ModelError("model.damaged", what, "Fetch or export the file again.")


class BoundedFile:
    """A binary file whose single reads are limited: what a forged length would ask for is refused, not allocated."""

    def __init__(self, file: BinaryIO, limit: int = MAX_DIRECTORY_BYTES) -> None:
        self._file = file
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes. Raises ModelError when more than the limit is asked for and is there."""
        if 0 <= size <= self._limit:
            return self._file.read(size)
        data = self._file.read(self._limit + 1)
        if len(data) > self._limit:
            raise too_much(f"a part of {size if size >= 0 else 'unknown'} bytes where a directory was expected")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As for any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As for any file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Always."""
        return True
