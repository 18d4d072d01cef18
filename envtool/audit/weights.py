"""Model files of the audited project, read once; what code rules ask about a file that they see being loaded."""

from __future__ import annotations

from typing import Protocol, cast

from envtool.audit.models import Project, Skipped, Source
from envtool.torch.archive import ModelFile, read_row


class Scan(Protocol):
    """What a loader's rule asks: the kind of a file, and whether it holds a storage that is not on a CPU."""

    @property
    def kind(self) -> str:
        """``torchscript``, ``checkpoint``, ``state-dict``, ``package``, ``pt2``, ``safetensors`` or ``pickle``."""

    @property
    def has_cuda(self) -> bool:
        """Whether loading it as it is fails."""


def model_of(source: Source, project: Project) -> ModelFile | None:
    """What is in a model file: ``.kind``, ``.has_cuda`` and more. Kept as ``project.cache["model", path]``.

    None for a source of another kind. A file that cannot be read has the kind ``unreadable``, and a skipped row.
    """
    if source.kind != "model":
        return None
    key = ("model", source.path)
    if key not in project.cache:
        row = read_row(source.absolute, source.path)
        project.cache[key] = row
        if row.kind == "unreadable":
            project.cache["skipped", source.path] = Skipped(path=source.path, reason=row.because)
    found = project.cache[key]
    return found if isinstance(found, ModelFile) else None


def model_at(path: str, project: Project) -> Scan | None:
    """What is known about the file at a path; None when it is no model, or cannot be read."""
    source = project.sources.get(path)
    found = project.cache.get(("model", path)) or (model_of(source, project) if source is not None else None)
    if found is None or getattr(found, "kind", "") in ("not-a-model", "unreadable"):
        return None
    return cast(Scan, found)
