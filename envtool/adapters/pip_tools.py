"""pip-compile, as a program: the second resolver, for shops without uv and as a cross-check.

pip has no index per package. So the torch step pins the family first, and pip-compile is given an empty wheel with the
real metadata of each pinned build, in a folder of its own: the family comes from there, everything else from the
default index. pip-compile resolves for the Python and the machine that it runs on: one target, one Python.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool.adapters.certificates import trusted
from envtool.adapters.empty_wheel import write_empty_wheel
from envtool.adapters.old_setuptools import OLD_SETUPTOOLS, lacks_pkg_resources, mark_built
from envtool.adapters.pip_errors import built, check_compiled
from envtool.adapters.process import clean_environment, run
from envtool.adapters.requirements import parse_requirements
from envtool.adapters.variables import filled_in
from envtool.errors import UsageError
from envtool.models import Artifact, IndexAccess, Problem, Resolved

_STAND_IN = "99999+envtool.left.out"
"""pip cannot override a requirement: the version of a stand-in has to satisfy ``>=``; an upper bound excludes it."""


def pip_tools_version() -> str:
    """The version of pip-tools."""
    return version("pip-tools")


def check_python(minor: str) -> None:
    """Raise UsageError (``usage.resolver-python``): pip-compile resolves for the Python that runs it."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if minor != own:
        message = f"--resolver pip-tools resolves for Python {own}, which runs envtool, not for {minor}"
        raise UsageError("usage.resolver-python", message, f"Run envtool with Python {minor}, or use --resolver uv.")


def _environment(access: IndexAccess, folder: Path) -> dict[str, str]:
    """pip's settings as variables: never on a command line, and none of the user's own configuration."""
    links = [str(folder), *map(filled_in, access.find_links)]
    extra = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_FIND_LINKS": " ".join(links)}
    if certificates := trusted():
        extra["PIP_CERT"] = certificates
    if access.default_index:
        extra["PIP_INDEX_URL"] = filled_in(access.default_index)
    if access.routes:
        extra["PIP_EXTRA_INDEX_URL"] = " ".join(filled_in(route.url) for route in access.routes)
    return clean_environment(extra)


def resolve(problem: Problem) -> tuple[Resolved, ...]:
    """Resolve with ``pip-compile``. Raises UnsatisfiableError, InstallError (network), ResolutionError."""
    with tempfile.TemporaryDirectory(prefix="envtool-") as name:
        folder = Path(name)
        wheels = folder / "wheels"
        wheels.mkdir()
        for package, release, metadata in problem.family_metadata:
            write_empty_wheel(wheels, package, release, metadata)
        for package in problem.stand_ins:
            write_empty_wheel(wheels, package, _STAND_IN)
        forced = [f"{package}=={_STAND_IN}" for package in problem.stand_ins]
        (folder / "constraints.txt").write_text("\n".join([*problem.constraints, *forced]) + "\n", encoding="utf-8")
        lines = [*problem.requirements, *problem.projects]
        (folder / "request.in").write_text("\n".join(lines) + "\n", encoding="utf-8")
        output = folder / "result.txt"
        pins = [f"{package}=={release}" for package, release in problem.preferences]
        output.write_text("\n".join(pins) + "\n", encoding="utf-8")
        arguments = [sys.executable, "-m", "piptools", "compile", "request.in", "--output-file", output.name, "--quiet"]
        arguments += ["--constraint", "constraints.txt", "--generate-hashes", "--allow-unsafe", "--strip-extras"]
        arguments += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"]
        arguments += ["--no-emit-options", "--annotation-style", "line", "--resolver", "backtracking", "--no-config"]
        environment = _environment(problem.access, wheels)
        done = run(arguments, env=environment, cwd=folder)
        if lacks_pkg_resources(done):
            (folder / "build.txt").write_text(f"{OLD_SETUPTOOLS}\n", encoding="utf-8")
            again = run(arguments, env={**environment, "PIP_BUILD_CONSTRAINT": str(folder / "build.txt")}, cwd=folder)
            if again.returncode == 0:  # pip before 25.3 knows no build constraints
                done = replace(again, repeated=built(done))
        check_compiled(done, str(folder), tuple(problem.stand_ins), problem.access)
        return mark_built(_read(output.read_text(encoding="utf-8")), done.repeated)


def _read(text: str) -> tuple[Resolved, ...]:
    via = _via(text)
    found = []
    for item in parse_requirements(text).requirements:
        specifiers = list(item.specifier or ())
        if item.link is not None or len(specifiers) != 1:
            continue  # a local project: it is installed, not locked
        name = canonicalize_name(item.name)
        release = Version(specifiers[0].version)
        digests = [value.partition(":")[2] for value in item.hash_options or () if value.startswith("sha256:")]
        stand_in = release == Version(_STAND_IN)
        found.append(
            Resolved(
                name=name,
                version=release,
                marker=str(item.marker) if item.marker else None,
                artifacts=tuple(Artifact(filename=name, url="", sha256=digest) for digest in digests),
                stand_in=stand_in,
                via=via.get(name, ()) if stand_in else (),
            )
        )
    return tuple(found)


def _via(text: str) -> dict[str, tuple[str, ...]]:
    """Who asked for what: the annotation stands on the last line of an entry."""
    found: dict[str, tuple[str, ...]] = {}
    current = ""
    for line in text.splitlines():
        start = re.match(r"^([A-Za-z0-9._-]+)==", line)
        current = canonicalize_name(start[1]) if start else current
        comment = re.search(r"# via (.+)$", line)
        if comment and current:
            names = [part.strip() for part in comment[1].split(",")]
            found[current] = tuple(sorted(part for part in names if re.fullmatch(r"[A-Za-z0-9._-]+", part)))
    return found
