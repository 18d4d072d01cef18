"""A model file in words, and text from a file made safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.reports.escape import printable
from envtool.reports.tables import plural
from envtool.torch.archive.facts import ModelFile

_WIDTH = 72

VERDICTS = {
    "cpu": "loads on the CPU as it is",
    "map-location": 'loads on the CPU with map_location="cpu"',
    "never": "does not run on a CPU",
    "unknown": "not known",
}
"""What a verdict means, after the name of the file."""


def describe(row: ModelFile) -> str:
    """One file as text: the verdict, the reason, and what is in it."""
    verdict = "cannot be read" if row.kind == "unreadable" else VERDICTS[row.verdict]
    if row.kind == "not-a-model":
        verdict = "is not a model"
    elif row.kind == "pickle" and row.verdict == "unknown":
        verdict = "not a model that torch.load reads"
    lines = [f"{row.path}: {verdict}", f"  {row.because}"]
    if row.kind not in ("unreadable", "not-a-model"):
        lines += [f"  {line}" for line in _packed(_contents(row))]
        lines += [f"  note: {note}" for note in row.notes]
    if row.runs:
        lines.append(
            f"  warning: a full unpickling runs {', '.join(row.runs[:3])}: do not load it unless you know who made it"
        )
    return "\n".join(printable(line) for line in lines)


def _packed(parts: Iterable[str]) -> Iterable[str]:
    """The parts after one another, in as few lines as fit an 80-column terminal; no part is broken."""
    line = ""
    for part in parts:
        if line and len(line) + len(part) > _WIDTH:
            yield line + ","
            line = ""
        line += f", {part}" if line else part
    yield line


def _contents(row: ModelFile) -> Iterable[str]:
    yield row.title
    if row.parameters is not None:
        kinds = ", ".join(row.dtypes)
        yield f"{row.parameters:,} parameters" + (f" ({kinds})" if kinds else "")
    yield human_size(row.size)
    for device, count in row.devices.items():
        yield f"{plural(count, 'storage')} on {device}"
    if row.producer:
        yield row.producer
    outside = [name for name in row.globals if not name.startswith(("torch.", "collections.", "torch"))]
    if outside:
        yield f"a full unpickling imports {outside[0]}"
        yield from outside[1:3]
        if len(outside) > 3:
            yield f"and {len(outside) - 3} more"


def human_size(size: int) -> str:
    """Bytes for a person, in powers of ten."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def clean_values(value: object) -> object:
    """The same for all strings in a JSON value, keys included."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {clean_values(key): clean_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_values(item) for item in value]
    return value
