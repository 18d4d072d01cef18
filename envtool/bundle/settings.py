"""``[tool.envtool.bundle]`` to BundleSettings, and sizes as people write them. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from envtool.bundle.models import BundleSettings
from envtool.errors import UsageError

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_KEYS = ("smoke", "max-size", "on-failure", "start-check", "strip", "keep", "sources")


def parse_size(text: str) -> int:
    """Bytes of ``600MB`` or ``0.5 GiB``. Raises UsageError (``bundle.size``), also for a number without a unit.

    Whoever writes 600 means megabytes, and would learn after minutes of building that it was taken for bytes.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None or float(match[1]) == 0:
        what = "has no unit" if match is not None and not match[2] else "is no size"
        raise UsageError("bundle.size", f"the size {text!r} {what}", "Write it as 600MB, 0.6GB or 570MiB.")
    return int(float(match[1]) * unit)


def read_bundle_settings(table: Mapping[str, Any]) -> BundleSettings:
    """The settings of a bundle. Raises UsageError (``settings.*``, ``bundle.size``)."""
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(_KEYS)}."
            raise UsageError("settings.unknown-key", f"unknown key {key!r} in [tool.envtool.bundle]", hint)
    on_failure = table.get("on-failure", "exit")
    if on_failure not in ("exit", "continue"):
        raise _wrong("on-failure", on_failure, 'It is "exit" or "continue".')
    size = table.get("max-size")
    if isinstance(size, bool) or not isinstance(size, (str, int, type(None))):
        raise _wrong("max-size", size, 'Write it as "600MB".')
    return BundleSettings(
        smoke=_text(table, "smoke"),
        max_size=None if size is None else parse_size(str(size)),
        on_failure=on_failure,
        start_check=_flag(table, "start-check", default=True),
        strip=_flag(table, "strip", default=False),
        keep=_modules(table, "keep"),
        sources=_modules(table, "sources"),
    )


def _wrong(key: str, value: Any, hint: str) -> UsageError:
    return UsageError("settings.value", f"tool.envtool.bundle.{key} is {value!r}", hint)


def _text(table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise _wrong(key, value, "It is a string.")
    return value


def _flag(table: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise _wrong(key, value, "It is true or false.")
    return value


def _modules(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    names = value if isinstance(value, list) else [None]
    if not all(isinstance(name, str) and all(part.isidentifier() for part in name.split(".")) for name in names):
        raise _wrong(key, value, 'It is a list of module names, such as ["torch.onnx"].')
    return tuple(names)
