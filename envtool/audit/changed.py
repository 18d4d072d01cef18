"""Which files changed since a commit, asked of git."""

from __future__ import annotations

import os
from pathlib import Path

from envtool.adapters.process import run
from envtool.errors import UsageError


def changed_since(root: Path, revision: str) -> frozenset[str]:
    """Paths below ``root`` (relative, POSIX) that differ from a commit, or are new and not ignored.

    Raises UsageError (``audit.since``) when git does not know the commit or the folder is in no repository.
    """
    env = dict(os.environ)
    common = ["git", "-C", str(root), "-c", "core.quotepath=off"]
    # "--end-of-options" keeps a revision that looks like an option from becoming one.
    diff = run([*common, "diff", "--name-only", "--relative", "-z", "--end-of-options", revision, "--"], env=env)
    if diff.returncode != 0:
        line = diff.stderr.strip().splitlines()[-1:] or ["git failed"]
        hint = "Give a commit, branch or tag that git log knows; in CI fetch it first (fetch-depth: 0)."
        raise UsageError("audit.since", f"git cannot compare with {revision}: {line[0]}", hint)
    new = run([*common, "ls-files", "--others", "--exclude-standard", "-z"], env=env)
    return frozenset(name for name in (diff.stdout + new.stdout).split("\0") if name)
