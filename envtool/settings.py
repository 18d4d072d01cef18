"""``[tool.envtool]`` and ``ENVTOOL_*`` to Settings. An unknown key is an error that names the nearest one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

from envtool.errors import UsageError

TORCH_INDEX = "https://download.pytorch.org/whl"
"""Base of the PyTorch index; the name of a backend is appended."""

GPU_POLICIES = ("default", "drop", "refuse", "keep")
ALL_TARGETS = ("linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64")
"""What a lock is for where nobody chose."""
_OTHER_VARIABLES = frozenset({"ENVTOOL_DEBUG"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What ``[tool.envtool]`` and ``ENVTOOL_*`` say; command-line options come on top of it.

    ``torch_index`` is the base URL of the PyTorch index or a mirror; a backend's name is appended. ``gpu_packages``:
    ``default`` leaves out GPU packages that come in through others and refuses those the project names itself.
    ``targets`` is empty where nobody chose: all, as far as there are versions for them.
    """

    torch_index: str = TORCH_INDEX
    find_links: tuple[str, ...] = ()
    python: str | None = None
    venv: str = ".venv"
    targets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    gpu_packages: Literal["default", "drop", "refuse", "keep"] = "default"
    audit: Mapping[str, Any] = field(default_factory=dict)
    bundle: Mapping[str, Any] = field(default_factory=dict)


def _key(name: str) -> str:
    return name.replace("_", "-")


def _unknown(what: str, key: str, known: list[str], where: str) -> UsageError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
    return UsageError("settings.unknown-key", f"unknown {what} {key!r} in {where}", hint)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError("settings.type", f"{where} must be a string, not {type(value).__name__}", "Put it in quotes.")
    return value


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError("settings.type", f"{where} must be a list of strings", 'Write it as ["…", "…"].')
    return tuple(value)


def _policy(value: Any, where: str) -> str:
    if value not in GPU_POLICIES:
        raise UsageError("settings.value", f"{where} is {value!r}", f"It is one of: {', '.join(GPU_POLICIES)}.")
    return cast("str", value)


def _targets(value: Any, where: str) -> tuple[str, ...]:
    names = _strings(value, where)
    for name in names:
        if name not in ALL_TARGETS:
            raise _unknown("target", name, list(ALL_TARGETS), where)
    if not names:
        raise UsageError("settings.value", f"{where} is empty", f"Name at least one of: {', '.join(ALL_TARGETS)}.")
    return tuple(name for name in ALL_TARGETS if name in names)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("settings.type", f"{where} must be a table", f"Write it as [{where}].")
    return value


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "torch_index": _text,
    "find_links": _strings,
    "python": _text,
    "venv": _text,
    "targets": _targets,
    "checks": _strings,
    "requirements": _strings,
    "groups": _strings,
    "extras": _strings,
    "gpu_packages": _policy,
    "audit": _table,
    "bundle": _table,
}


def read_settings(
    table: Mapping[str, Any], environ: Mapping[str, str] = os.environ, *, where: str = "tool.envtool.{}"
) -> Settings:
    """Settings from the ``[tool.envtool]`` table and the environment; the environment wins.

    In a variable, lists are separated by white space, ``ENVTOOL_CHECKS`` by newlines; an empty variable counts as
    unset. ``where`` names a key of the table in messages.
    Raises UsageError (``settings.*``) for an unknown key, a wrong type or a wrong value.
    """
    names = {_key(item.name): item.name for item in fields(Settings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            raise _unknown("key", key, list(names), "[tool.envtool]")
        values[names[key]] = _READERS[names[key]](value, where.format(key))
    variables = {f"ENVTOOL_{name.upper()}": name for name in names.values() if name not in ("audit", "bundle")}
    for variable, text in environ.items():
        if not variable.startswith("ENVTOOL_") or variable in _OTHER_VARIABLES or not text.strip():
            continue
        if variable not in variables:
            raise _unknown("variable", variable, sorted(variables), "the environment")
        name = variables[variable]
        scalar = name in ("torch_index", "python", "venv", "gpu_packages")
        split = text.strip() if scalar else [part for part in _split(name, text) if part]
        values[name] = _READERS[name](split, variable)
    return _checked(Settings(**values))


def _split(name: str, text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()] if name in ("checks", "requirements") else text.split()


def _checked(settings: Settings) -> Settings:
    venv = Path(settings.venv)
    if venv.is_absolute() or ".." in venv.parts or settings.venv.strip() in ("", "."):
        hint = "It is a relative path inside the project, such as .venv."
        raise UsageError("settings.venv", f"venv is {settings.venv!r}", hint)
    return settings
