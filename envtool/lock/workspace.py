"""The project at hand: its folder, its pyproject.toml and its settings. Light: every command begins here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli
from packaging.utils import canonicalize_name

from envtool.errors import UsageError
from envtool.lock.shape import check_pyproject
from envtool.settings import Settings, read_settings

LOCKFILES = "lockfiles"
"""The folder of the lock, beside pyproject.toml."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project folder with its settings, read once."""

    root: Path
    settings: Settings
    pyproject: Mapping[str, Any] | None

    @property
    def lockfiles(self) -> Path:
        """The folder of the lock."""
        return self.root / LOCKFILES


def open_project(root: Path, overrides: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Project:
    """Read pyproject.toml and the settings; ``overrides`` are options of the command line that were given.

    Raises UsageError (``pyproject.*``, ``settings.*``).
    """
    pyproject = read_pyproject(root)
    settings = read_settings(settings_table(pyproject), environ)
    given = {key: value for key, value in overrides.items() if value not in (None, ())}
    return Project(root=root, settings=replace(settings, **given), pyproject=pyproject)


def read_pyproject(root: Path) -> dict[str, Any] | None:
    """The project's pyproject.toml, or None if there is none. Raises UsageError (``pyproject.*``)."""
    path = root / "pyproject.toml"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"pyproject.toml cannot be read: {error.strerror}"
        raise UsageError("pyproject.unreadable", message, "Mend its permissions, or take it away.") from error
    try:
        table = tomli.loads(data.decode("utf-8-sig"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("pyproject.invalid", f"pyproject.toml is not valid TOML: {error}", "Mend that line.") from None
    check_pyproject(table)
    return table


def workspace_member(root: Path, name: str) -> Path | None:
    """The folder of a member of the uv workspace that ``root`` is in; None where no member has that name."""
    for top in (root, *root.resolve().parents):
        with contextlib.suppress(UsageError):
            workspace = (((read_pyproject(top) or {}).get("tool") or {}).get("uv") or {}).get("workspace")
            if workspace is not None:
                folders = [folder for pattern in workspace.get("members") or () for folder in sorted(top.glob(pattern))]
                return next((folder for folder in (top, *folders) if _project_name(folder) == name), None)
    return None


def _project_name(folder: Path) -> str | None:
    with contextlib.suppress(UsageError):
        found = ((read_pyproject(folder) or {}).get("project") or {}).get("name")
        return canonicalize_name(found) if found else None
    return None


def settings_table(pyproject: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The ``[tool.envtool]`` table. Raises UsageError if it is no table."""
    table = ((pyproject or {}).get("tool") or {}).get("envtool", {})
    if not isinstance(table, dict):
        raise UsageError("settings.type", "tool.envtool must be a table", "Write it as [tool.envtool].")
    return table
