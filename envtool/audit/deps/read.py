"""One door to all readers: the declarations of a source, read once; requirements files with what they include."""

from __future__ import annotations

import posixpath

import tomli

from envtool.audit.deps.conda import read_conda, read_pipfile
from envtool.audit.deps.locks import LockContent, read_lock
from envtool.audit.deps.model import NOTHING, Declarations
from envtool.audit.deps.pyproject import read_pyproject
from envtool.audit.deps.requirements import read_requirements
from envtool.audit.deps.setuptools_files import read_setup_cfg, read_setup_py
from envtool.audit.models import Project, Skipped, Source


def declarations_of(source: Source, project: Project) -> Declarations:
    """What a source declares; nothing for a kind that declares nothing."""
    key = ("declarations", source.path)
    if key not in project.cache:
        project.cache[key] = _read(source, project)
    found = project.cache[key]
    return found if isinstance(found, Declarations) else NOTHING


def _read(source: Source, project: Project) -> Declarations:
    if source.kind == "requirements":
        return read_requirements(source.text)
    if source.kind in ("pyproject", "pipfile"):
        _check_toml(source, project)
    if source.kind == "pyproject":
        return read_pyproject(source.text, pixi=source.path.rsplit("/", 1)[-1].lower() == "pixi.toml")
    if source.kind == "setup-py":
        return read_setup_py(source, project)
    if source.kind == "setup-cfg":
        return read_setup_cfg(source.text)
    if source.kind == "conda":
        return read_conda(source, project)
    if source.kind == "pipfile":
        return read_pipfile(source.text)
    return NOTHING


def _check_toml(source: Source, project: Project) -> None:
    """A file that is no TOML declares nothing, and must not look as if there were nothing wrong with it."""
    try:
        tomli.loads(source.text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        what = "its script block is not TOML" if source.path.lower().endswith((".py", ".pyw", ".pyi")) else "not TOML"
        project.cache["skipped", source.path] = Skipped(path=source.path, reason=f"{what}: {error}", amiss=True)


def lock_of(source: Source, project: Project) -> LockContent:
    """The content of a lock file, read once."""
    key = ("lock", source.path)
    if key not in project.cache:
        project.cache[key] = read_lock(source, project)
    found = project.cache[key]
    return found if isinstance(found, LockContent) else LockContent()


def beside(path: str, written: str) -> str:
    """The project path of a file that is written relative to another one's folder."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), written.replace("\\", "/")))


def included(source: Source, project: Project, *, constraints: bool = False) -> list[Source]:
    """This requirements file and what it includes with ``-r`` (and ``-c``), each once; a missing file is left out."""
    found: list[Source] = []
    pending = [source]
    while pending:
        current = pending.pop()
        if current in found:
            continue
        found.append(current)
        for include in declarations_of(current, project).includes:
            target = project.sources.get(beside(current.path, include.path))
            if target is not None and (constraints or not include.constraint):
                pending.append(target)
    return found


def read_together(source: Source, project: Project) -> list[Source]:
    """A file and, for a requirements file, all that pip reads in one command with it, whichever file is named there."""
    files = [source]
    for file in (source, *includers(source, project)):
        files += [part for part in included(file, project, constraints=True) if part not in files]
    return files


def includers(source: Source, project: Project) -> list[Source]:
    """Requirements files that include this one, directly or through another."""
    key = ("includers", "")
    if key not in project.cache:
        found: dict[str, list[Source]] = {}
        for other in project.of_kind("requirements"):
            for part in included(other, project, constraints=True):
                if part is not other:
                    found.setdefault(part.path, []).append(other)
        project.cache[key] = found
    known = project.cache[key]
    return known.get(source.path, []) if isinstance(known, dict) else []
