"""uv, as a program: it resolves and installs. Only documented options and formats; never its internals."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool.adapters.empty_wheel import write_empty_wheel
from envtool.adapters.files import link_file
from envtool.adapters.http import credentials, redact
from envtool.adapters.old_setuptools import OLD_SETUPTOOLS, lacks_pkg_resources, mark_built
from envtool.adapters.process import clean_environment, run
from envtool.adapters.uv_errors import built, check_resolved
from envtool.adapters.variables import filled_in, shows
from envtool.errors import InstallError
from envtool.models import Artifact, Completed, IndexAccess, Problem, Resolved

MINIMUM = Version("0.9.0")
"""The oldest uv whose ``pip compile --format pylock.toml`` and ``[[tool.uv.index]]`` are used as written here."""


_FAMILY = "torch-family"
"""The name under which uv knows the backend's index."""

_STAND_IN = "0+envtool.left.out"
"""The version of an empty wheel that stands in for a package which must not come in."""


@lru_cache(maxsize=1)
def find_uv() -> Path:
    """The uv program that came with envtool. Raises InstallError (``uv.missing``)."""
    from uv import find_uv_bin

    try:
        return Path(find_uv_bin())
    except FileNotFoundError as error:
        raise InstallError("uv.missing", "the uv program is not installed beside envtool", "pip install uv") from error


@lru_cache(maxsize=1)
def uv_version() -> Version:
    """uv's version. Raises InstallError (``uv.too-old``) below :data:`MINIMUM`."""
    from importlib.metadata import version

    found = Version(version("uv"))
    if found < MINIMUM:
        raise InstallError("uv.too-old", f"uv {found} is older than {MINIMUM}", "pip install --upgrade uv")
    return found


def by_index(access: IndexAccess, names: Iterable[str]) -> list[tuple[IndexAccess, frozenset[str]]]:
    """Which packages to ask for with which access: an index of single packages is there for these alone.

    What a requirements file asks for cannot be told apart by index, so these go into files of their own. Then no other
    package, and nothing that another one is built with, ever comes from such an index.
    """
    left = frozenset(names)
    shared = tuple(route for route in access.routes if not route.packages)
    found = []
    for route in access.routes:
        if own := left & set(route.packages):
            found.append((replace(access, routes=(replace(route, packages=()), *shared)), own))
            left -= own
    return [(replace(access, routes=shared), left), *found]


def access_environment(access: IndexAccess) -> dict[str, str]:
    """Indexes as variables for a child: never on a command line, where other users could read credentials.

    Indexes of single packages are left out; see :func:`by_index`.
    """
    extra: dict[str, str] = {}
    if access.default_index:
        extra["UV_DEFAULT_INDEX"] = filled_in(access.default_index)
    if access.find_links:
        extra["UV_FIND_LINKS"] = ",".join(map(_without_comma, map(filled_in, access.find_links)))
    routes = [route for route in access.routes if not route.packages]
    if routes:
        extra["UV_INDEX"] = " ".join(f"{route.name}={filled_in(route.url)}" for route in routes)
    return extra


def _without_comma(link: str) -> str:
    # uv splits UV_FIND_LINKS at commas.
    url = link if "," not in link or "://" in link else Path(link).as_uri()
    return url.replace(",", "%2C")


def run_uv(
    args: list[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    show_stderr: bool = False,
    old_setuptools: str = "",
) -> Completed:
    """Run uv with a clean environment plus ``env``. No user or project configuration of uv's is read.

    With ``show_stderr`` uv draws on the terminal; a failure's words are given back all the same. Where an index has a
    secret in its URL, uv does not: it would show it.
    ``old_setuptools``: a package that is known to be built with :data:`OLD_SETUPTOOLS`; it is not found out once more.
    """
    uv_version()
    extra = dict(env or {})
    if "XDG_CONFIG_DIRS" not in extra:
        # A uv.toml of the user's could add an index; what envtool takes from it, it reads itself.
        extra["UV_NO_CONFIG"] = "1"
    show_stderr = show_stderr and not shows(extra.values())
    if not show_stderr:
        extra["UV_NO_PROGRESS"] = "1"
    if old_setuptools and (known := _with_old_setuptools(args, extra, cwd, old_setuptools)) is not None:
        return known
    done = run([find_uv(), *args], env=clean_environment(extra), cwd=cwd, show_stderr=show_stderr)
    if show_stderr and done.returncode != 0:
        # uv told the person at the terminal and not us: a second run says what kind of failure it is. What was fetched
        # is in uv's cache, and a failure of the moment is mended on the way.
        return run_uv(args, env=env, cwd=cwd)
    if lacks_pkg_resources(done):
        return _with_old_setuptools(args, extra, cwd, built(done) or "a package") or done
    return done


def _with_old_setuptools(
    args: list[str | Path], extra: Mapping[str, str], cwd: Path | None, package: str
) -> Completed | None:
    """The same with :data:`OLD_SETUPTOOLS` for builds, which ``package`` needs; None where another one forbids that."""
    with tempfile.TemporaryDirectory(prefix="envtool-") as name:
        path = Path(name) / "build.txt"
        path.write_text(f"{OLD_SETUPTOOLS}\n", encoding="utf-8")
        done = run([find_uv(), *args, "--build-constraints", path], env=clean_environment(extra), cwd=cwd)
    forbidden = done.returncode != 0 and OLD_SETUPTOOLS in done.stderr
    return None if forbidden else replace(done, repeated=package)


def _project(problem: Problem) -> dict[str, Any]:
    project: dict[str, Any] = {
        "name": "envtool-request",
        "version": "0",
        "requires-python": problem.python,
        "dependencies": list(problem.requirements),
    }
    own = [route for route in problem.access.routes if route.packages]
    uv: dict[str, Any] = {
        "environments": list(problem.environments),
        "index": [{"name": route.name, "url": redact(route.url), "explicit": True} for route in own],
        "sources": {name: {"index": route.name} for route in own for name in route.packages},
    }
    if problem.family_index is not None:
        index: dict[str, Any] = {"name": _FAMILY, "url": redact(problem.family_index), "explicit": True}
        if problem.family_is_flat:
            index["format"] = "flat"
        else:
            # The PyTorch index answers 403 for what it does not have; uv forgives that for its own host name only.
            index["ignore-error-codes"] = [403]
        uv["index"].append(index)
        uv["sources"] |= {name: {"index": index["name"]} for name in problem.family}
    return {"project": project, "tool": {"uv": uv}}


def _secret_environment(index: str, url: str) -> dict[str, str]:
    secret = credentials(url)
    if secret is None:
        return {}
    # In a URL they are percent-encoded; in a variable they are not.
    user, password = (unquote(part) for part in secret)
    name = index.upper().replace("-", "_")
    return {f"UV_INDEX_{name}_USERNAME": user, f"UV_INDEX_{name}_PASSWORD": password}


def resolve(problem: Problem, explain: tuple[str, ...] = ()) -> tuple[Resolved, ...]:
    """Resolve with ``uv pip compile --universal``.

    Stand-ins, and the packages named in ``explain``, say who asked for them.

    Raises UnsatisfiableError where there is no solution; InstallError (``network.unreachable``) or ResolutionError
    (``resolve.*``) when uv fails otherwise.
    """
    import tomli_w

    with tempfile.TemporaryDirectory(prefix="envtool-") as name:
        folder = Path(name)
        if problem.family_wheels:
            problem = replace(problem, family_index=str(_gathered(problem.family_wheels, folder / "family")))
        (folder / "pyproject.toml").write_bytes(tomli_w.dumps(_project(problem)).encode())
        (folder / "constraints.txt").write_text("\n".join(problem.constraints) + "\n", encoding="utf-8")
        (folder / "overrides.txt").write_text("\n".join(_overrides(problem, folder)) + "\n", encoding="utf-8")
        output = folder / "pylock.result.toml"
        if problem.preferences:
            output.write_bytes(tomli_w.dumps(_preferences(problem.preferences)).encode())
        (folder / "projects.in").write_text("\n".join(problem.projects) + "\n", encoding="utf-8")
        arguments: list[str | Path] = ["pip", "compile", "--universal", "pyproject.toml"]
        arguments += ["projects.in"] if problem.projects else []
        arguments += ["--quiet", "--no-python-downloads"]
        arguments += ["--python", problem.interpreter, "--python-version", problem.python_version]
        arguments += ["-c", "constraints.txt", "--overrides", "overrides.txt"]
        # Targets are read from [tool.uv] only where uv looks for configuration at all: so hide the user's instead.
        hidden = dict.fromkeys(("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "APPDATA", "PROGRAMDATA"), str(folder / "no"))
        environment = {**access_environment(problem.access), **hidden}
        own = [(route.name, route.url) for route in problem.access.routes if route.packages]
        for index, url in [*own, (_FAMILY, problem.family_index or "")]:
            environment |= _secret_environment(index, url)
        done = run_uv(
            [*arguments, "--format", "pylock.toml", "-o", output.name, "--no-header"],
            env=environment,
            cwd=folder,
            old_setuptools=problem.old_setuptools,
        )
        check_resolved(done, problem.access)
        packages = mark_built(_read_pylock(output.read_text(encoding="utf-8")), done.repeated)
        if any(package.stand_in or package.name in explain for package in packages):
            listing = folder / "listing.txt"
            # uv prefers the versions of an existing output file, so that the same solution is found at once.
            listing.write_text("".join(_lines_of(packages)), encoding="utf-8")
            arguments += ["--annotation-style", "line", "--no-header", "-o", listing.name]
            run_uv(arguments, env=environment, cwd=folder, old_setuptools=done.repeated)
            packages = _with_via(packages, listing.read_text(encoding="utf-8"), explain)
        return packages


def _gathered(wheels: Iterable[str], folder: Path) -> Path:
    """One folder for wheels that lie in several: a package comes from one index alone."""
    folder.mkdir()
    for path in map(Path, wheels):
        link_file(path, folder / path.name)
    return folder


def _lines_of(packages: Sequence[Resolved]) -> list[str]:
    return [
        f"{item.name}=={item.version}{f' ; {item.marker}' if item.marker else ''}\n"
        for item in packages
        if not item.stand_in
    ]


def _overrides(problem: Problem, folder: Path) -> list[str]:
    # An empty wheel keeps the place of what must not come in, so that it can be said who asked for it.
    lines = [f"{item} @ {write_empty_wheel(folder, item, _STAND_IN).as_uri()}" for item in problem.stand_ins]
    # An override cannot say which index it means: a wheel with the build's own metadata stands for it.
    given = {
        (name, f"=={version}"): write_empty_wheel(folder, name, version, metadata).as_uri()
        for name, version, metadata in problem.family_metadata
    }
    for text in problem.overrides:
        item = Requirement(text)
        url = given.get((canonicalize_name(item.name), str(item.specifier)))
        marker = f" ; {item.marker}" if item.marker else ""
        lines.append(f"{item.name} @ {url}{marker}" if url else text)
    return lines


def describe(
    pins: Sequence[tuple[str, str]], python: str, interpreter: str, access: IndexAccess
) -> tuple[Resolved, ...]:
    """The files of exact pins, with sizes, for one Python on this machine; empty when no index answers."""
    if any(route.packages for route in access.routes):
        described = [
            describe([pin for pin in pins if pin[0] in names], python, interpreter, own)
            for own, names in by_index(access, (name for name, _ in pins))
        ]
        return tuple(item for some in described for item in some)
    with tempfile.TemporaryDirectory(prefix="envtool-") as name:
        folder = Path(name)
        lines = [f"{package}==={version}" for package, version in pins]
        (folder / "pins.in").write_text("\n".join(lines) + "\n", encoding="utf-8")
        output = folder / "pylock.pins.toml"
        arguments: list[str | Path] = ["pip", "compile", "pins.in", "--no-deps", "--quiet", "--no-header"]
        arguments += ["--format", "pylock.toml", "-o", output.name, "--no-python-downloads"]
        arguments += ["--python", interpreter, "--python-version", python]
        done = run_uv(arguments, env=access_environment(access), cwd=folder)
        return _read_pylock(output.read_text(encoding="utf-8")) if done.returncode == 0 else ()


def _preferences(pins: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    # uv prefers the versions of an existing output file; it wants each package to have a source, and reads none of it.
    packages = []
    for name, version in pins:
        filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        packages.append(
            {
                "name": name,
                "version": version,
                "wheels": [{"name": filename, "path": filename, "hashes": {"sha256": "0" * 64}}],
            }
        )
    return {"lock-version": "1.0", "created-by": "envtool", "packages": packages}


def _read_pylock(text: str) -> tuple[Resolved, ...]:
    found = []
    for package in tomli.loads(text).get("packages", []):
        version = package.get("version")
        if version is None:
            continue  # a local project: it is installed, not locked
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        archive = package.get("archive")
        stand_in = archive is not None and str(version) == _STAND_IN
        found.append(
            Resolved(
                name=canonicalize_name(package["name"]),
                version=Version(version),
                marker=package.get("marker"),
                artifacts=tuple(_artifact(file) for file in files),
                stand_in=stand_in,
            )
        )
    return tuple(found)


def _artifact(file: Mapping[str, Any]) -> Artifact:
    location = str(file.get("url") or file.get("path") or "")
    filename = str(file.get("name") or unquote(urlsplit(location).path.rsplit("/", 1)[-1]))
    return Artifact(
        filename=filename, url=location, sha256=(file.get("hashes") or {}).get("sha256"), size=file.get("size")
    )


def _with_via(packages: tuple[Resolved, ...], listing: str, explain: tuple[str, ...]) -> tuple[Resolved, ...]:
    via: dict[str, tuple[str, ...]] = {}
    for line in listing.splitlines():
        match = re.match(r"^(?P<name>[A-Za-z0-9._-]+)(?: @ |==).*# via (?P<via>.+)$", line)
        if match:
            names = [name.strip() for name in match["via"].split(",")]
            plain = [name for name in names if re.fullmatch(r"[A-Za-z0-9._-]+", name) and name != "overrides.txt"]
            via[canonicalize_name(match["name"])] = tuple(sorted(plain))
    return tuple(
        replace(item, via=via.get(item.name, ())) if item.stand_in or item.name in explain else item
        for item in packages
    )
