"""Replace the text of a file in one step, in the encoding that it has, and only if nobody changed it meanwhile."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from envtool.adapters.files import TEMPORARY_SUFFIX


def encoded(old: bytes, text: str, encoding: str) -> bytes:
    """A text as bytes of the encoding, and of the byte order, that the file has now. Raises UnicodeError."""
    if encoding == "utf-16" and old[:2] == b"\xfe\xff":  # the codec writes the byte order of this machine
        return old[:2] + text.encode("utf-16-be")
    return text.encode(encoding)


def replace_text(path: Path, before: str, after: str, encoding: str) -> str:
    """Put ``after`` where ``before`` was read. Gives the reason when it was not done, an empty string when it was.

    The file is written beside and renamed over: whatever fails, it holds the old text or the new one. Its mode stays.
    """
    try:
        old = path.read_bytes()
        if old.decode(encoding) != before:
            return "it changed while envtool ran"
        data = encoded(old, after, encoding)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY_SUFFIX)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(stat.S_IMODE(path.stat().st_mode))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except UnicodeError:
        return f"its text does not fit {encoding}"
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    return ""
