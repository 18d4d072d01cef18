"""The Python of a project, and where its packages come from: what setup and lock begin with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from envtool.adapters.http import redact
from envtool.adapters.indexes import default_is_set, named_credentials, read_ambient
from envtool.adapters.process import run
from envtool.adapters.pythons import find_python
from envtool.errors import InstallError, UsageError
from envtool.lock.inputs import minor_versions, unsupported
from envtool.lock.workspace import Project
from envtool.models import SUPPORTED_PYTHONS, IndexAccess, NamedIndex, Route
from envtool.torch.offers import local_folders, with_credentials


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python to build environments with: its path and its version (``3.11.7``, or ``3.11`` where it is not known)."""

    path: Path
    version: str

    @property
    def minor(self) -> str:
        """Its minor version: ``3.11``."""
        return ".".join(self.version.split(".")[:2])


def choose_interpreter(
    project: Project, requires: SpecifierSet | None = None, *, only_resolve: bool = False
) -> Interpreter:
    """The Python for the environments: ``--python`` or the setting, ``.python-version``, the one that runs envtool
    where requires-python admits it, else the newest one found that it admits.

    ``only_resolve``: a wanted version that is not installed here is stood in for by the Python that runs envtool, since
    resolving for a Python does not need it.

    Raises InstallError (``python.missing``), UsageError (``python.unsupported``, ``lock.python``).
    """
    named = _python_version_file(project.root)
    wanted = project.settings.python or named
    if wanted:
        return _find(wanted, "" if project.settings.python else " (named in .python-version)", only_resolve)
    if requires is None:
        requires = _requires_python(project.pyproject)
    if requires is None or requires.contains(sys.version.split()[0], prereleases=True):
        return Interpreter(path=_own(), version=".".join(map(str, sys.version_info[:3])))
    admitted = minor_versions(requires)
    if not admitted:
        raise unsupported(requires)
    try:
        return _inspect(find_python(str(requires)), str(requires))
    except InstallError as error:
        if error.code != "python.missing" or not only_resolve:
            raise
        # The oldest one: more packages have wheels for it.
        return Interpreter(path=_own(), version=admitted[0])


def _own() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)


def _find(wanted: str, origin: str, only_resolve: bool) -> Interpreter:
    try:
        return _inspect(find_python(wanted), wanted)
    except InstallError as error:
        minor = ".".join(wanted.split(".")[:2])
        if error.code != "python.missing":
            raise
        if only_resolve and minor in SUPPORTED_PYTHONS:
            return Interpreter(path=_own(), version=minor)
        raise InstallError(error.code, error.message + origin, error.hint) from None


def _requires_python(pyproject: Mapping[str, Any] | None) -> SpecifierSet | None:
    value = ((pyproject or {}).get("project") or {}).get("requires-python")
    try:
        return SpecifierSet(value) if value else None
    except InvalidSpecifier:
        return None  # build_request says what is wrong with it


def _python_version_file(root: Path) -> str | None:
    try:
        lines = (root / ".python-version").read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return lines[0] if lines else None


def _inspect(path: Path, wanted: str) -> Interpreter:
    done = run([path, "-I", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.implementation.name)"])
    words = done.stdout.split()
    if done.returncode != 0 or len(words) != 2:
        raise InstallError("python.broken", f"{path.name} (asked for as {wanted}) does not run", "Name another one.")
    if words[1] != "cpython":
        raise UsageError(
            "python.unsupported", f"{wanted} is {words[1]}; torch has builds for CPython only", "Name a CPython."
        )
    found = Interpreter(path=path, version=words[0])
    if found.minor not in SUPPORTED_PYTHONS:
        message = f"{wanted} is Python {found.minor}; envtool sets up {SUPPORTED_PYTHONS[0]} to {SUPPORTED_PYTHONS[-1]}"
        raise UsageError("python.unsupported", message, "Choose another one with --python.")
    return found


def index_access(project: Project, routes: tuple[Route, ...], secrets: Mapping[str, tuple[str, str]]) -> IndexAccess:
    """Where everything but the family comes from: the settings, the user's uv and pip configuration, the routes.

    Credentials come from the requirement files read now, from uv's variables for an index with a name, or the ambient
    URL; on their own, uv looks into netrc. Raises UsageError (``request.index``).
    """
    ambient = read_ambient()
    default = ambient.default_index
    links = [*project.settings.find_links, *ambient.find_links]
    named: list[NamedIndex] = []
    for route in routes:
        url = _located(project.root, route, secrets.get(route.name) or named_credentials(route.index))
        if route.kind == "find-links":
            links.append(url)
        elif route.kind == "default-index":
            default = ambient.default_index if route.yields and default_is_set() else url
        else:
            named.append(NamedIndex(name=route.name, url=url, packages=route.packages))
    absolute = [str(_absolute(project.root, link)) for link in links]
    return IndexAccess(default_index=default, find_links=tuple(dict.fromkeys(absolute)), routes=tuple(named))


def _located(root: Path, route: Route, secret: tuple[str, str] | None) -> str:
    if "://" in route.url:
        return with_credentials(route.url, secret)
    folder = Path(_absolute(root, route.url))
    if not folder.is_dir() and route.kind != "find-links":  # uv takes the next index without a word
        message = f"the index {route.url} is no folder"
        raise UsageError("request.index", message, "Mend its url under [tool.uv], or in the requirements file.")
    return folder.as_uri() if route.kind != "find-links" else str(folder)


def _absolute(root: Path, link: str) -> str:
    return link if "://" in link else str((root / Path(link).expanduser()).resolve())


def find_links_folders(project: Project, access: IndexAccess) -> tuple[Path, ...]:
    """The find-links entries that are folders here: where wheels of the family may lie."""
    return local_folders(access.find_links, project.root)


def torch_index(project: Project) -> str:
    """The base of the PyTorch index. Raises UsageError (``settings.torch-index``) if it is no http(s) URL."""
    base = project.settings.torch_index.rstrip("/")
    if not base.startswith(("https://", "http://")):
        hint = "It is a base such as https://mirror.example/whl; a folder of wheels goes into find-links."
        raise UsageError("settings.torch-index", f"torch-index is {redact(base)!r}, no http(s) URL", hint)
    last = base.rsplit("/", 1)[-1]
    if last == "cpu":
        base_hint = f"Set it to {redact(base[: -len('/cpu')])}"
        raise UsageError("settings.torch-index", "torch-index ends in /cpu: the backend's name is appended", base_hint)
    return base
