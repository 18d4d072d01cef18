"""Bytes to text, for every encoding seen in real projects."""

from __future__ import annotations

import codecs
import io
import tokenize

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UndecodableError(ValueError):
    """The bytes are not text."""


def decode(data: bytes, *, python: bool = False) -> tuple[str, str]:
    """The text (without a byte order mark, newlines as they are) and the codec that gave it.

    Encoding the text with that codec gives ``data`` again but for UTF-16, whose byte order may change. Python files
    follow PEP 263. Raises UndecodableError for binary data.
    """
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return _strict(data, codec), codec
    # PowerShell's older ">" writes UTF-16 without a mark when appending.
    if len(data) >= 4 and data[1::2][:200].count(0) == len(data[1::2][:200]):
        return _strict(data, "utf-16-le"), "utf-16-le"
    if b"\0" in data:
        raise UndecodableError("binary data")
    for codec in [*(_declared(data) if python else ()), "utf-8", "latin-1"]:
        try:
            return data.decode(codec), codec
        except (UnicodeDecodeError, LookupError):
            continue
    raise UndecodableError("cannot be decoded")  # pragma: no cover - latin-1 decodes every byte


def _strict(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        raise UndecodableError(f"has a {codec} byte order mark, but is not {codec}") from None


def _declared(data: bytes) -> list[str]:
    try:
        return [tokenize.detect_encoding(io.BytesIO(data).readline)[0]]
    except SyntaxError:  # an unknown codec in the comment, or bytes that are not what it says
        return []
