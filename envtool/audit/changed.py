"""Which files git tracks, and which changed since a commit."""

from __future__ import annotations

import os
from pathlib import Path

from envtool.adapters.process import run
from envtool.errors import EnvtoolError, UsageError


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


def tracked_files(root: Path) -> frozenset[str]:
    """Paths below ``root`` (relative, POSIX) that git has in its index; none where git or the repository is missing.

    Ignore files do not apply to them (gitignore(5)): they are part of the project, whatever a pattern says.
    """
    # The settings of the audited repository must not make git start a program of its own.
    args = [
        "git",
        "-C",
        str(root),
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.quotepath=off",
        "ls-files",
        "--cached",
        "-z",
    ]
    try:
        listed = run(args, env=dict(os.environ), timeout=30)
    except EnvtoolError:
        return frozenset()
    return frozenset(name for name in listed.stdout.split("\0") if name) if listed.returncode == 0 else frozenset()
