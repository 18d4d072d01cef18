"""The user's own environment, as the record says it that it gets when it is adopted."""

from __future__ import annotations

import contextlib

from envtool.adapters import platform
from envtool.adapters.clock import timestamp
from envtool.env import generations as chain
from envtool.env.installed import installed_versions
from envtool.env.verify import VerifyOptions, locate_site_packages, verify_environment
from envtool.errors import EnvtoolError
from envtool.models import Generation, Layout
from envtool.torch.backends import FULL


def describe_own(layout: Layout, taken: int) -> Generation:
    """A record of the user's own ``.venv``, read without running it. ``taken``: the number of the new generation."""
    number = max(chain.next_id(layout), taken + 1)
    torch: str | None = None
    backend = "none"
    python = ""
    installed: dict[str, str] = {}
    with contextlib.suppress(EnvtoolError, OSError):
        report = verify_environment(
            python=None,
            site_packages=locate_site_packages(layout.venv),
            options=VerifyOptions(expected=FULL, static=True),
        )
        installed = installed_versions(locate_site_packages(layout.venv))
        torch, python = report.torch, report.python or ""
        backend = report.backend or "none"
    return Generation(
        id=number,
        backend=backend,
        torch=torch,
        python=python,
        created=timestamp(),
        kind="adopted",
        # Whatever is in it, it is what the user worked with: as healthy as its interpreter.
        healthy=platform.has_interpreter(layout.venv),
        installed=tuple(installed.items()),
    )
