"""Model files of the audited project, read once; what code rules ask about a file that they see being loaded."""

from __future__ import annotations

from envtool.audit.models import Project, Skipped, Source
from envtool.torch.archive import ModelFile, read_row


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
