"""git, as a program, about the repository that a path lies in."""

from __future__ import annotations

import os
from pathlib import Path

from envtool.adapters.process import run
from envtool.errors import EnvtoolError


def shows(path: Path) -> bool:
    """Whether ``git status`` would list ``path`` as untracked; False where there is no git or no repository."""
    # The settings of the repository must not make git start a program of its own.
    common: list[str | Path] = ["git", "-C", path.parent, "-c", "core.fsmonitor=false"]
    try:
        # 0: ignored; 1: not ignored; 128: no repository.
        return (
            run([*common, "check-ignore", "--quiet", "--", path.name], env=dict(os.environ), timeout=10).returncode == 1
        )
    except EnvtoolError:
        return False
