"""Builds that need pkg_resources, which setuptools 82 removed: they are repeated with an older one, and it is said."""

from __future__ import annotations

from dataclasses import replace

from packaging.utils import canonicalize_name

from envtool.models import Completed, Resolved

OLD_SETUPTOOLS = "setuptools<82"
"""The last ones with pkg_resources, which the setup.py of many an older source distribution imports."""


def lacks_pkg_resources(done: Completed) -> bool:
    """Whether a command failed because a build found no pkg_resources."""
    return done.returncode != 0 and "No module named 'pkg_resources'" in done.stderr


def old_setuptools_note(package: str) -> str:
    """What to tell of a build that was repeated. ``package``: ``name==version``, or a name."""
    what = " ".join(package.split("==")[:2])
    return f"{what} is built with {OLD_SETUPTOOLS}: it needs pkg_resources, which newer ones do not have"


def mark_built(packages: tuple[Resolved, ...], repeated: str) -> tuple[Resolved, ...]:
    """The same packages, with a mark on the one whose build was repeated (:attr:`Completed.repeated`)."""
    name = canonicalize_name(repeated.partition("==")[0])
    return tuple(replace(item, old_setuptools=True) if item.name == name else item for item in packages)
