"""Model files of the audited project, read once; what code rules ask about a file that they see being loaded."""

from __future__ import annotations

import posixpath

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


def model_named(name: str, origin: str, project: Project) -> ModelFile | None:
    """The model that a path in a source means: seen from the root, from the source's folder, or by a unique ending."""
    wanted = posixpath.normpath(name.replace("\\", "/")).lstrip("./")
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(origin), wanted))
    for path in (wanted, beside):
        source = project.sources.get(path)
        if source is not None and source.kind == "model":
            return model_of(source, project)
    ending = [source for source in project.of_kind("model") if f"/{source.path}".endswith(f"/{wanted}")]
    return model_of(ending[0], project) if len(ending) == 1 else None
