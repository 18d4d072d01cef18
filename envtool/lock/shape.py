"""Whether pyproject.toml, a script's metadata and lock.toml have the shape that their readers count on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

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


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _files(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, dict) and _text(item.get("digest")) and _text(item.get("backend", ""))
        for item in value.values()
    )


def _routes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and all(_text(item.get(key)) for key in ("name", "url", "kind"))
        and _texts(item.get("packages", []))
        and _text(item.get("index", ""))
        and _truth(item.get("yields", False))
        for item in value
    )


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _sources(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _source(item) or (_tables(item) and all(map(_source, item))) for item in value.values()
    )


def _source(value: Any) -> bool:
    keys = ("url", "git", "path", "index", "marker", "extra", "group", "rev", "tag", "branch")
    return isinstance(value, dict) and all(_text(value.get(key, "")) for key in keys)


def _indexes(value: Any) -> bool:
    return _tables(value) and all(
        _text(item.get("url")) and bool(item["url"]) and _text(item.get("name", "")) for item in value
    )


def _requirements(value: Any) -> bool:
    try:
        return _texts(value) and all(Requirement(text) for text in value)
    except InvalidRequirement:
        return False


def _specifiers(value: Any) -> bool:
    try:
        return _text(value) and SpecifierSet(value) is not None
    except InvalidSpecifier:
        return False


def _marker(value: Any) -> bool:
    try:
        return value is None or (_text(value) and bool(Marker(value)))
    except InvalidMarker:
        return False


def _projects(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and _text(item.get("path"))
        and _text(item.get("name", ""))
        and _texts(item.get("extras", []))
        and _marker(item.get("marker"))
        for item in value
    )


def _strings(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


_Rule = tuple[str, Callable[[Any], bool], str]

_UV: tuple[_Rule, ...] = (
    ("tool.uv", _table, "a table"),
    ("tool.uv.override-dependencies", _texts, "a list of strings"),
    ("tool.uv.constraint-dependencies", _texts, "a list of strings"),
    ("tool.uv.exclude-dependencies", _texts, "a list of strings"),
    ("tool.uv.sources", _sources, "a table of tables, or of lists of tables, of strings"),
    ("tool.uv.index", _indexes, "a list of tables, each with a url that is not empty"),
    ("tool.uv.index-url", _text, "a string"),
    ("tool.uv.extra-index-url", _texts, "a list of strings"),
    ("tool.uv.find-links", _texts, "a list of strings"),
    ("tool.uv.pip", _table, "a table"),
    ("tool.uv.pip.index-url", _text, "a string"),
    ("tool.uv.pip.extra-index-url", _texts, "a list of strings"),
    ("tool.uv.pip.find-links", _texts, "a list of strings"),
    ("tool.uv.workspace", _table, "a table"),
    ("tool.uv.workspace.members", _texts, "a list of strings"),
    ("tool.uv.workspace.exclude", _texts, "a list of strings"),
)
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
    *_UV,
)
_SCRIPT: tuple[_Rule, ...] = (
    ("dependencies", _texts, "a list of strings"),
    ("requires-python", _text, "a string"),
    ("tool", _table, "a table"),
    *_UV,
)
_LOCK: tuple[_Rule, ...] = (
    ("version", _number, "a number"),
    ("inputs", _text, "a string"),
    ("requirements", _requirements, "a list of requirements"),
    ("constraints", _requirements, "a list of requirements"),
    ("overrides", _requirements, "a list of requirements"),
    ("gpu-packages", _text, "a string"),
    ("python", _specifiers, "version specifiers, such as >=3.10"),
    ("pythons", _texts, "a list of strings"),
    ("targets", _texts, "a list of strings"),
    ("resolver", _text, "a string"),
    ("gaps", _texts, "a list of strings"),
    ("narrowed", _truth, "true or false"),
    ("routes", _routes, "a list of tables with name, url and kind"),
    ("projects", _projects, "a list of tables with path"),
    ("files", _files, "a table of tables with digest"),
    ("tools", _strings, "a table of strings"),
)


def check_pyproject(table: Mapping[str, Any]) -> None:
    """Raises UsageError (``pyproject.shape``) that names the key (PyPA: pyproject.toml; PEP 735)."""
    _check(table, _PYPROJECT, "pyproject.toml", "pyproject.shape")


def check_script(table: Mapping[str, Any], name: str) -> None:
    """Raises UsageError (``script.metadata``) that names the key (PEP 723)."""
    _check(table, _SCRIPT, name, "script.metadata")


def lock_misfit(table: Mapping[str, Any]) -> str | None:
    """What is wrong with the shape of lock.toml, as words; None if nothing is."""
    missing = [key for key in ("version", "inputs", "targets", "pythons", "files") if not table.get(key)]
    return f"{missing[0]} is missing" if missing else _misfit(table, _LOCK)


def _check(table: Mapping[str, Any], rules: tuple[_Rule, ...], where: str, code: str) -> None:
    wrong = _misfit(table, rules)
    if wrong is not None:
        raise UsageError(code, f"{where}: {wrong}", "Mend that key.")


def _misfit(table: Mapping[str, Any], rules: tuple[_Rule, ...]) -> str | None:
    for path, fits, words in rules:
        value: Any = table
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None and not fits(value):
            return f"{path} must be {words}"
    return None
