"""What the shell completes behind an option. Nothing is run and no index is asked: it answers while someone types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable


def _starting(values: Iterable[str], incomplete: str) -> list[str]:
    return [value for value in values if value.startswith(incomplete)]


def _last_of_list(values: Iterable[str], incomplete: str) -> list[str]:
    """For words with commas: the last one is completed, and those before it stay."""
    head, comma, last = incomplete.rpartition(",")
    taken = head.split(",")
    return [f"{head}{comma}{value}" for value in _starting(values, last) if value not in taken]


def backends(incomplete: str) -> list[str]:
    """Names of backends."""
    from envtool.torch.backends import KNOWN

    return _starting(KNOWN, incomplete)


def targets(incomplete: str) -> list[str]:
    """Names of targets."""
    from envtool.torch.targets import TARGETS

    return _starting(TARGETS, incomplete)


def pythons(incomplete: str) -> list[str]:
    """Python versions. Where none begins so, the shell completes a path."""
    from envtool.models import SUPPORTED_PYTHONS

    return _starting(SUPPORTED_PYTHONS, incomplete)


def packages(incomplete: str) -> list[str]:
    """Names of the torch family."""
    from envtool.torch.family import FAMILY

    return _starting(sorted(FAMILY), incomplete)


def gpu_policies(incomplete: str) -> list[str]:
    """What may become of GPU packages."""
    from envtool.settings import GPU_POLICIES

    return _starting(GPU_POLICIES, incomplete)


def resolvers(incomplete: str) -> list[str]:
    """Names of resolvers."""
    return _starting(("uv", "pip-tools"), incomplete)


def rules(incomplete: str) -> list[str]:
    """Codes of rules: each has a page of its name, and reading a folder is quicker than loading all rules."""
    from importlib.resources import files

    pages = files("envtool.audit") / "pages"
    names = sorted(page.name.removesuffix(".md") for page in pages.iterdir() if page.name.startswith("CPU"))
    return _last_of_list(names, incomplete)


def formats(incomplete: str) -> list[str]:
    """Names of report formats."""
    from envtool.audit.formats import FORMATS

    return _starting(FORMATS, incomplete)


def fail_levels(incomplete: str) -> list[str]:
    """Levels of ``--fail-on``."""
    from envtool.audit.options import FAIL_LEVELS

    return _starting(FAIL_LEVELS, incomplete)


def phases(incomplete: str) -> list[str]:
    """Names of the phases of a migration."""
    from envtool.migrate.models import PHASES

    return _last_of_list(PHASES, incomplete)


def generations(incomplete: str) -> list[str]:
    """The generations of this project, the newest first, and ``previous``."""
    from envtool.cli.options import open_here
    from envtool.env.generations import layout_for, list_generations
    from envtool.errors import EnvtoolError

    found: list[str] = []
    with contextlib.suppress(EnvtoolError, OSError):
        project = open_here()
        layout = layout_for(project.root, project.settings.venv)
        found = [str(one.id) for one in reversed(list_generations(layout))]
    return _starting(["previous", *found], incomplete)
