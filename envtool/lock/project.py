"""The Python of a project, and where its packages come from: what setup and lock begin with."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from envtool.adapters.http import is_readable, redact, with_credentials
from envtool.adapters.indexes import default_is_set, named_credentials, read_ambient
from envtool.adapters.process import run
from envtool.adapters.pythons import find_python
from envtool.adapters.variables import expand, filled_in
from envtool.errors import InstallError, UsageError
from envtool.lock.inputs import minor_versions, unsupported
from envtool.lock.workspace import Project
from envtool.models import SUPPORTED_PYTHONS, IndexAccess, NamedIndex, Route
from envtool.torch.offers import local_folders


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
        own = Interpreter(path=_own(), version=".".join(map(str, sys.version_info[:3])))
        build = "" if only_resolve else _own_build()
        if build:
            raise _misbuilt(f"the Python that runs envtool ({own.minor})", own.minor, build)
        return own
    admitted = minor_versions(requires)
    if not admitted:
        raise unsupported(requires)
    try:
        return _inspect(find_python(str(requires)), str(requires), only_resolve=only_resolve)
    except InstallError as error:
        if error.code != "python.missing" or not only_resolve:
            raise
        # The oldest one: more packages have wheels for it.
        return Interpreter(path=_own(), version=admitted[0])


def _own() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)


def _own_build() -> str:
    """What _ASK would say after the first two words, without starting another Python."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "free-threaded"
    if sys.maxsize < 2**32:
        return "32-bit"
    return "musl" if sys.platform == "linux" and platform.libc_ver()[0] != "glibc" else ""


def _find(wanted: str, origin: str, only_resolve: bool) -> Interpreter:
    try:
        return _inspect(find_python(wanted), wanted, only_resolve=only_resolve)
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
        lines = (root / ".python-version").read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    # As uv reads it: without comments, and the first one of several.
    return next((words[0] for line in lines if (words := line.partition("#")[0].split())), None)


# Version, implementation, and what keeps the wheels of torch from being installed for this build of it.
_ASK = """
import platform, sys, sysconfig
words = ["%d.%d.%d" % sys.version_info[:3], sys.implementation.name]
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    words.append("free-threaded")
if sys.maxsize < 2**32:
    words.append("32-bit")
if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
    words.append("musl")
print(*words)
"""

_BUILDS = {
    "free-threaded": "is a free-threaded build; envtool locks and sets up builds with the GIL only",
    "32-bit": "is a 32-bit build; torch has builds for 64 bits only",
    "musl": "is not built for glibc (Alpine has musl); on Linux torch has builds for glibc only",
}


def _inspect(path: Path, wanted: str, *, only_resolve: bool = False) -> Interpreter:
    done = run([path, "-I", "-c", _ASK])
    words = done.stdout.split()
    if done.returncode != 0 or len(words) < 2:
        raise InstallError("python.broken", f"{path.name} (asked for as {wanted}) does not run", "Name another one.")
    if words[1] != "cpython":
        raise UsageError(
            "python.unsupported", f"{wanted} is {words[1]}; torch has builds for CPython only", "Name a CPython."
        )
    found = Interpreter(path=path, version=words[0])
    if found.minor not in SUPPORTED_PYTHONS:
        variable = os.environ.get("ENVTOOL_PYTHON", "").strip() == wanted
        name = "" if wanted == found.minor and not variable else f"{'ENVTOOL_PYTHON' if variable else wanted} is "
        python = f"Python {found.minor}{'' if name else ' will not do'}"
        message = f"{name}{python}; envtool sets up {SUPPORTED_PYTHONS[0]} to {SUPPORTED_PYTHONS[-1]}"
        hint = "Choose another one with --python" + (", or change the variable." if variable else ".")
        raise UsageError("python.unsupported", message, hint)
    if words[2:] and not only_resolve:  # a lock is for others, whatever it is made with
        raise _misbuilt(wanted, found.minor, words[2])
    return found


def _misbuilt(which: str, minor: str, build: str) -> UsageError:
    hint = "Use an image with glibc, such as one of Debian's." if build == "musl" else ""
    hint = hint or f"Name a 64-bit CPython with the GIL: --python {minor}, or its path."
    return UsageError("python.unsupported", f"{which} {_BUILDS[build]}", hint)


def index_access(project: Project, routes: tuple[Route, ...], secrets: Mapping[str, tuple[str, str]]) -> IndexAccess:
    """Where everything but the family comes from: the settings, the user's uv and pip configuration, the routes.

    Credentials come from the requirement files read now, from uv's variables for an index with a name, or the ambient
    URL; on their own, uv looks into netrc. Raises UsageError (``request.index``, ``settings.index``,
    ``settings.find-links``).
    """
    ambient = read_ambient()
    default = ambient.default_index
    links = [*project.settings.find_links, *ambient.find_links]
    if not all(map(is_readable, project.settings.find_links)):
        raise UsageError("settings.find-links", "find-links has a URL that cannot be read", "Mend it.")
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
    if "://" in expand(route.url):  # filled in where it is used: nobody else needs its secrets
        return with_credentials(route.url, secret)
    folder = Path(_absolute(root, filled_in(route.url)))
    if not folder.is_dir() and route.kind != "find-links":  # uv takes the next index without a word
        message = f"the index {route.url} is no folder"
        raise UsageError("request.index", message, "Mend its url under [tool.uv], or in the requirements file.")
    return folder.as_uri() if route.kind != "find-links" else str(folder)


def _absolute(root: Path, link: str) -> str:
    return link if "://" in expand(link) else str((root / Path(link).expanduser()).resolve())


def find_links_folders(project: Project, access: IndexAccess) -> tuple[Path, ...]:
    """The find-links entries that are folders here: where wheels of the family may lie."""
    return local_folders(access.find_links, project.root)


def torch_index(project: Project) -> str:
    """The base of the PyTorch index. Raises UsageError (``settings.torch-index``) if it is no http(s) URL."""
    base = project.settings.torch_index.rstrip("/")
    if not base.startswith(("https://", "http://")):
        hint = "It is a base such as https://mirror.example/whl; a folder of wheels goes into find-links."
        raise UsageError("settings.torch-index", f"torch-index is {redact(base)!r}, no http(s) URL", hint)
    if not is_readable(base):
        hint = "It is a base such as https://mirror.example/whl."
        raise UsageError("settings.torch-index", "torch-index is a URL that cannot be read", hint)
    last = base.rsplit("/", 1)[-1]
    if last == "cpu":
        base_hint = f"Set it to {redact(base[: -len('/cpu')])}"
        raise UsageError("settings.torch-index", "torch-index ends in /cpu: the backend's name is appended", base_hint)
    return base
