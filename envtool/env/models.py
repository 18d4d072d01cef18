"""``envtool model``: find model files, read them, and say what a CPU-only torch does with each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from envtool.errors import ExitCode, NoInputsError, UsageError
from envtool.models import Outcome
from envtool.torch.archive import MODEL_SUFFIXES, ModelFile, read_row
from envtool.torch.archive.text import clean, clean_values, describe

FailOn = Literal["error", "warning", "never"]
_SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "venv", ".git", ".venv", ".tox", ".envtool"}
)


def find_models(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Model files, each with whether it was named itself (True) or found in a folder.

    Raises UsageError (``model.missing``) for a path that is not there.
    """
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
                for name in sorted(names):
                    if Path(name).suffix.lower() in MODEL_SUFFIXES:
                        yield Path(folder, name), False
        elif os.path.lexists(path):
            yield path, True
        else:
            raise UsageError("model.missing", f"no such file or folder: {path}", "Give a model file or a folder.")


def shown_path(path: Path) -> str:
    """A path for people and JSON: POSIX, relative to the current folder where it is inside."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (ValueError, OSError, RuntimeError):
        return path.as_posix()


def inspect_models(paths: Sequence[Path], fail_on: FailOn) -> Outcome:
    """Read every model and judge it.

    Exit code 10 when a model does not run on a CPU or cannot be read (``fail_on="error"``), or also when one needs
    map_location (``"warning"``). Raises UsageError for a missing path, NoInputsError when a folder holds no model.
    """
    files: list[ModelFile] = []
    skipped: list[dict[str, str]] = []
    for path, named in find_models(paths):
        row = read_row(path, shown_path(path))
        # .bin and .ts are many things; in a folder, only what torch could load is a row.
        if row.kind == "not-a-model" and not named and "pointer" not in row.because:
            skipped.append({"path": clean(row.path), "reason": clean(row.because)})
        else:
            files.append(row)
    if not files and not skipped:
        raise NoInputsError("model.none", "no model files found", f"Looked for {', '.join(sorted(MODEL_SUFFIXES))}.")
    result = {"files": [clean_values(row.as_dict()) for row in files], "skipped": skipped}
    bad = [row for row in files if _fails(row, fail_on)]
    text = "\n\n".join(describe(row) for row in files) or "no model files among what was read"
    if not bad:
        return Outcome(result=result, text=text)
    message = f"{len(bad)} of {len(files)} model file{'s' if len(files) != 1 else ''} will not load on a CPU"
    if fail_on == "warning":
        message += " as it is" if len(bad) == 1 else " as they are"
    hint = "See the reason beside each; --fail-on never reports without failing."
    return Outcome(result=result, text=text, exit_code=int(ExitCode.FINDINGS), error=("model.cpu", message, hint))


def _fails(row: ModelFile, fail_on: FailOn) -> bool:
    if fail_on == "never":
        return False
    if row.verdict == "never" or row.kind == "unreadable":
        return True
    return fail_on == "warning" and row.verdict == "map-location"
