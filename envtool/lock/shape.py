"""Whether pyproject.toml and a script's metadata have the shape that their specifications give them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from envtool.errors import UsageError


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _lists(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, list) for item in value.values())


def _extras(value: Any) -> bool:
    return isinstance(value, dict) and all(_texts(item) for item in value.values())


def _file(value: Any) -> bool:
    return isinstance(value, dict) and ("file" not in value or _text(value["file"]) or _texts(value["file"]))


_Rule = tuple[str, Callable[[Any], bool], str]

_PYPROJECT: tuple[_Rule, ...] = (
    ("project", _table, "a table"),
    ("project.name", _text, "a string"),
    ("project.requires-python", _text, "a string"),
    ("project.dependencies", _texts, "a list of strings"),
    ("project.dynamic", _texts, "a list of strings"),
    ("project.optional-dependencies", _extras, "a table of lists of strings"),
    ("dependency-groups", _lists, "a table of lists"),
    ("tool", _table, "a table"),
    ("tool.poetry", _table, "a table"),
    ("tool.setuptools", _table, "a table"),
    ("tool.setuptools.dynamic", _table, "a table"),
    ("tool.setuptools.dynamic.dependencies", _file, "a table with file, a string or a list of strings"),
)
_SCRIPT: tuple[_Rule, ...] = (
    ("dependencies", _texts, "a list of strings"),
    ("requires-python", _text, "a string"),
)


def check_pyproject(table: Mapping[str, Any]) -> None:
    """Raises UsageError (``pyproject.shape``) that names the key (PyPA: pyproject.toml; PEP 735)."""
    _check(table, _PYPROJECT, "pyproject.toml", "pyproject.shape")


def check_script(table: Mapping[str, Any], name: str) -> None:
    """Raises UsageError (``script.metadata``) that names the key (PEP 723)."""
    _check(table, _SCRIPT, name, "script.metadata")


def _check(table: Mapping[str, Any], rules: tuple[_Rule, ...], where: str, code: str) -> None:
    for path, fits, words in rules:
        value: Any = table
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None and not fits(value):
            raise UsageError(code, f"{where}: {path} must be {words}", "Mend that key.")
