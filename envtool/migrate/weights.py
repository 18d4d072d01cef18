"""The phase models: every model file of the project loads on a CPU, as it is or as the code loads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envtool.env.models import fails, find_models, is_candidate
from envtool.errors import FindingsError
from envtool.migrate.audit import look
from envtool.migrate.models import Gate, Migration, listed
from envtool.reports.escape import printable
from envtool.reports.tables import plural
from envtool.torch.archive import ModelFile, read_row

LOADS = ("CPU108", "CPU109", "CPU110", "CPU111", "CPU113")
"""The rules about loads of model files."""


def models(migration: Migration) -> Gate:
    """The gate: no model file is bound to a GPU, and one that needs map_location is loaded with it.

    Raises FindingsError (``migrate.models``).
    """
    found = [(path, read_row(path, migration.name(path))) for path, _ in find_models([migration.root])]
    rows = [(path, row) for path, row in found if is_candidate(row)]
    if not rows:
        return Gate(evidence=("no model files in the project",), status="skip")
    bad = [row for _, row in rows if fails(row)]
    if bad:
        message = f"{plural(len(bad), 'model file')} will not run on a CPU, or cannot be judged"
        hint = "Export it again on the CPU. A checkpoint: envtool model FILE --rewrite OUT"
        raise FindingsError("migrate.models", "\n".join([message, *map(_line, bad[:10])]), hint)
    mapped = [(path, row) for path, row in rows if row.verdict == "map-location"]
    evidence = [f"{plural(len(rows), 'model file')} read, none is bound to a GPU"]
    if mapped:
        _check_loads(migration, mapped)
        evidence.append(
            f"with map_location, as the code loads it: {listed([printable(row.path) for _, row in mapped])}"
        )
    return Gate(evidence=tuple(evidence))


def _check_loads(migration: Migration, mapped: Sequence[tuple[Path, ModelFile]]) -> None:
    """A load without map_location may be the one of a file that needs it: which file it reads is often not known."""
    report, _ = look(migration, paths=[path for path, _ in mapped], select=LOADS)
    loads = [finding for finding in report.findings if finding.severity != "note"]
    if loads:
        first = printable(mapped[0][1].path)
        message = f"{first} was saved on a GPU and needs map_location='cpu', and the code loads without it"
        lines = [
            f"  {printable(row.path)}:{row.location.line} {row.code} {printable(row.message)}" for row in loads[:10]
        ]
        hint = "Pass map_location='cpu' there, or write a CPU copy: envtool model FILE --rewrite OUT"
        raise FindingsError("migrate.models", "\n".join([message, *lines]), hint)


def _line(row: ModelFile) -> str:
    return f"  {printable(row.path)}: {printable(row.because)}"
