"""``envtool model``: find model files, read them, and say what a CPU-only torch does with each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from envtool.env.model_load import LoadOptions, describe_load, load_failed, load_model
from envtool.errors import ExitCode, NoInputsError, UsageError
from envtool.models import Outcome, Reporter
from envtool.reports.escape import printable
from envtool.reports.tables import plural
from envtool.torch.archive import MODEL_SUFFIXES, TORCH_SUFFIXES, ModelError, ModelFile, read_row
from envtool.torch.archive.text import clean_values, describe

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
    """A path for people and JSON: POSIX, relative to the current folder where it is inside; a link by its own name."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 -- Path.absolute keeps "..", resolve follows links
    return (absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path).as_posix()


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What to do with the models: when to fail, and how to load them (None: only read)."""

    fail_on: FailOn = "error"
    load: LoadOptions | None = None


def inspect_models(paths: Sequence[Path], inspection: Inspection, reporter: Reporter) -> Outcome:
    """Read every model and judge it; load it too when that was asked for.

    Exit code 10 when a model does not run on a CPU, or a file cannot be judged (``fail_on="error"``), or also when one
    needs map_location (``"warning"``). Raises UsageError for a missing path, NoInputsError for a folder without models.
    """
    files: list[dict[str, Any]] = []
    texts: list[str] = []
    briefs: list[str] = []
    skipped: list[dict[str, str]] = []
    failed: list[ModelFile] = []
    for path, named in find_models(paths):
        row = read_row(path, shown_path(path))
        if not named and not is_candidate(row):
            skipped.append({"path": printable(row.path), "reason": printable(row.because)})
            continue
        data, text, bad = row.as_dict(), describe(row), fails(row, inspection.fail_on)
        if inspection.load is not None:
            reporter.phase("load", printable(row.path))
            loaded = load_model(row, path, inspection.load)
            data["load"] = loaded
            text += "\n" + "\n".join(printable(line) for line in describe_load(loaded))
            bad = bad or (load_failed(loaded) and inspection.fail_on != "never")
        files.append(data)
        texts.append(text)
        failed += [row] * bad
        briefs += [text] * bad
    if not files and not skipped:
        raise NoInputsError("model.none", "no model files found", f"Looked for {', '.join(sorted(MODEL_SUFFIXES))}.")
    result = {"files": [clean_values(data) for data in files], "skipped": skipped}
    text = "\n\n".join(texts) or "no model files among what was read"
    if skipped and texts:
        text += f"\n\n{len(skipped)} more {'are no model files' if len(skipped) > 1 else 'is no model file'} (--json)"
    if not failed:
        return Outcome(result=result, text=text, brief="")
    message = f"{len(failed)} of {plural(len(files), 'model file')} {_why(failed, inspection)}"
    hint = "See the reason beside each; --fail-on never reports without failing."
    return Outcome(
        result=result,
        text=text,
        brief="\n\n".join(briefs),
        exit_code=int(ExitCode.FINDINGS),
        error=("model.cpu", message, hint),
    )


def rewrite_model(path: Path, out: Path, load: LoadOptions | None, reporter: Reporter) -> Outcome:
    """Write a CPU copy of one model, read it back, and load it when an interpreter is given.

    Raises ModelError (``model.rewrite``, ``model.exists``) when it cannot be done; a copy that does not load is
    removed again, and the error is ``model.rewrite`` too.
    """
    from envtool.torch.archive.rewrite import rewrite_for_cpu

    if not path.is_file():
        raise UsageError("model.missing", f"no such file: {path}", "--rewrite takes one model file.")
    reporter.phase("rewrite", printable(shown_path(out)))
    copy = rewrite_for_cpu(path, out)
    row = replace(copy, path=shown_path(out))
    data, text = row.as_dict(), f"{shown_path(path)} copied to {describe(row)}"
    if load is not None:
        reporter.phase("load", printable(row.path))
        loaded = load_model(row, out, load)
        data["load"] = loaded
        text += "\n" + "\n".join(describe_load(loaded))
        if load_failed(loaded):
            out.unlink()
            message = f"the copy was removed, it does not load: {loaded.get('error', 'its outputs are not finite')}"
            raise ModelError("model.rewrite", printable(message), "Export the model again on the CPU.")
    text = "\n".join(printable(line) for line in text.splitlines())
    result = {"files": [clean_values(data)], "rewritten": printable(shown_path(path))}
    return Outcome(result=result, text=text, brief="")


def is_candidate(row: ModelFile) -> bool:
    """Whether a file found in a folder is a model, or should be one: .bin and .ts are many things, .pt is not."""
    if not row.size or "pointer" in row.because or Path(row.path).suffix.lower() in TORCH_SUFFIXES:
        return True
    return row.kind != "not-a-model" and (row.kind, row.verdict) != ("pickle", "unknown")


def fails(row: ModelFile, fail_on: FailOn = "error") -> bool:
    """Whether a model stops whoever needs it on a CPU."""
    if fail_on == "never":
        return False
    # What nobody could judge must not look clean.
    return row.verdict in ("never", "unknown") or (fail_on == "warning" and row.verdict == "map-location")


def _why(failed: Sequence[ModelFile], inspection: Inspection) -> str:
    runs = "will not run on a CPU" + (" as they are" if inspection.fail_on == "warning" else "")
    unknown = [row.verdict == "unknown" for row in failed]
    if all(unknown):
        return "cannot be judged"
    return f"{runs}, or cannot be judged" if any(unknown) else runs
