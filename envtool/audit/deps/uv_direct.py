"""Sources of uv hold for what a project itself requires: one for torch does nothing where only a package brings it."""

from __future__ import annotations

from envtool.audit.deps.markers import holds_on
from envtool.audit.deps.model import Declarations, Routed
from envtool.audit.deps.read import beside, declarations_of, lock_of
from envtool.audit.deps.routes import route_of
from envtool.audit.models import Project, Source


def holds(routed: Routed, project: Project) -> bool:
    """Whether a source routes torch. Any metadata of the project that names torch counts: workspaces share them."""
    return not routed.direct_only or _names_torch(project)


def unused_source(source: Source, project: Project) -> Routed | None:
    """The source that was to bring CPU builds of torch and does not; None without one, and where a lock has them."""
    found = [
        routed
        for routed in declarations_of(source, project).routed
        if routed.name == "torch"
        and route_of(routed.url or "") == "cpu"
        and not holds(routed, project)
        and holds_on(routed.marker, "linux-x86_64")
    ]
    lock = project.sources.get(beside(source.path, "uv.lock"))
    if not found or (lock is not None and any("+cpu" in entry.version for entry in lock_of(lock, project).torch)):
        return None
    return found[0]


def _names_torch(project: Project) -> bool:
    key = ("names-torch", "")
    if key not in project.cache:
        metadata = project.of_kind("pyproject", "setup-cfg", "setup-py")
        project.cache[key] = any(_requires(declarations_of(source, project), source, project) for source in metadata)
    return project.cache[key] is True


def _requires(declarations: Declarations, source: Source, project: Project) -> bool:
    files = [project.sources.get(beside(source.path, name)) for name in declarations.reads]
    every = [declarations, *(declarations_of(file, project) for file in files if file is not None)]
    return "torch" in declarations.limited or any(
        entry.name == "torch" for part in every for entry in (*part.requirements, *part.builds)
    )
