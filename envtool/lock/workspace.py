"""The project at hand: its folder, its pyproject.toml and its settings. Light: every command begins here."""

from __future__ import annotations

import contextlib
import glob
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


def workspace_root(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The root of the uv workspace that a folder is in, with its pyproject.toml; itself, where it is that root."""
    here = folder.resolve()
    for top in (here, *here.parents):
        with contextlib.suppress(UsageError):
            table = read_pyproject(top) or {}
            workspace = ((table.get("tool") or {}).get("uv") or {}).get("workspace")
            if workspace is not None:
                return (top, table) if here in (top, *_members(top, workspace)) else None
    return None


def workspace_member(folder: Path, name: str) -> Path | None:
    """The folder of the member of that name in the uv workspace that ``folder`` is in; None where there is none."""
    found = workspace_root(folder)
    if found is None:
        return None
    top, table = found
    return next((item for item in (top, *_members(top, table["tool"]["uv"]["workspace"])) if _named(item, name)), None)


def _members(top: Path, workspace: Mapping[str, Any]) -> list[Path]:
    def matching(key: str) -> set[Path]:
        # Not Path.glob: what uv takes for a pattern, "." or an absolute path, is an error there.
        patterns = [os.path.join(glob.escape(str(top)), pattern) for pattern in workspace.get(key) or ()]  # noqa: PTH118
        return {Path(path).resolve() for pattern in patterns for path in glob.glob(pattern, recursive=True)}  # noqa: PTH207

    return sorted(matching("members") - matching("exclude"))


def _named(folder: Path, name: str) -> bool:
    with contextlib.suppress(UsageError):
        found = ((read_pyproject(folder) or {}).get("project") or {}).get("name")
        return canonicalize_name(found or "") == name
    return False


def settings_table(pyproject: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The ``[tool.envtool]`` table. Raises UsageError if it is no table."""
    table = ((pyproject or {}).get("tool") or {}).get("envtool", {})
    if not isinstance(table, dict):
        raise UsageError("settings.type", "tool.envtool must be a table", "Write it as [tool.envtool].")
    return table
