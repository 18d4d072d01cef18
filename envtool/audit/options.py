"""What an audit looks for: ``[tool.envtool.audit]`` and the options of the command, as one dataclass."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli

from envtool.errors import UsageError

FAIL_LEVELS: tuple[str, ...] = ("error", "warning", "note", "never")


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditOptions:
    """The choices of one audit. ``select`` and ``ignore`` are prefixes of codes (``CPU1``); an empty select means all.

    ``baseline`` holds fingerprints that are known already; ``only`` the paths that may be reported (``--since``).
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fail_on: str = "error"
    baseline: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    def selects(self, code: str) -> bool:
        """Whether a code is looked for. The longer prefix wins, as in ruff; ignore wins a tie."""
        chosen = max((len(prefix) for prefix in self.select if code.startswith(prefix)), default=-1)
        left_out = max((len(prefix) for prefix in self.ignore if code.startswith(prefix)), default=-1)
        if not self.select and left_out < 0:
            return True
        return chosen > left_out


def check_fail_level(level: str | None) -> None:
    """A level given by ``--fail-on``, if there is one. Raises UsageError (``audit.fail-on``) for what is none."""
    if level is not None and level not in FAIL_LEVELS:
        message = f"--fail-on {level} is not a level"
        raise UsageError("audit.fail-on", message, f"It is one of {', '.join(FAIL_LEVELS)}.")


def nearest(word: str, codes: Sequence[str]) -> list[str]:
    """The code that a wrong one may stand for, if any. All of them begin alike: half a code is near to each."""
    return difflib.get_close_matches(word, codes, n=1, cutoff=0.8)


def code_prefixes(values: Iterable[str], known: Iterable[str], where: str) -> tuple[str, ...]:
    """Codes or prefixes from comma-separated words. Raises UsageError (``audit.unknown-code``) for one of no rule."""
    codes = sorted(known)
    found = [word.strip().upper() for value in values for word in value.split(",") if word.strip()]
    for word in found:
        if word != "ALL" and not any(code.startswith(word) for code in codes):
            near = nearest(word, codes)
            hint = f"Did you mean {near[0]}?" if near else f"Codes run from {codes[0]} to {codes[-1]}."
            raise UsageError("audit.unknown-code", f"no rule {word} ({where})", hint)
    return tuple("" if word == "ALL" else word for word in found)


_KEYS = ("select", "ignore", "exclude", "per-file-ignores", "fail-on")


def read_settings(root: Path, known: Iterable[str]) -> AuditOptions:
    """``[tool.envtool.audit]`` of the pyproject.toml at the root; defaults when there is none.

    Raises UsageError (``settings.audit``) for an unknown key or a value of the wrong shape. A file that is no TOML is
    left to the rules, which report it.
    """
    try:
        data = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8-sig"))
        table: Any = data.get("tool", {}).get("envtool", {}).get("audit", {})
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError, AttributeError):
        return AuditOptions()
    if not isinstance(table, dict):
        raise UsageError("settings.audit", "[tool.envtool.audit] is not a table", f"Its keys are {', '.join(_KEYS)}.")
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Its keys are {', '.join(_KEYS)}."
            raise UsageError("settings.audit", f"unknown key {key!r} in [tool.envtool.audit]", hint)
    fail_on = table.get("fail-on", "error")
    if fail_on not in FAIL_LEVELS:
        raise UsageError("settings.audit", f"fail-on is {fail_on!r}", f"It is one of {', '.join(FAIL_LEVELS)}.")
    known = sorted(known)
    per_file = table.get("per-file-ignores", {})
    if not isinstance(per_file, dict):
        raise UsageError("settings.audit", "per-file-ignores is not a table", 'Write "tests/**" = ["CPU101"].')
    return AuditOptions(
        select=code_prefixes(_strings(table, "select"), known, "pyproject.toml"),
        ignore=code_prefixes(_strings(table, "ignore"), known, "pyproject.toml"),
        exclude=tuple(_strings(table, "exclude")),
        per_file_ignores={
            pattern: code_prefixes(_strings(per_file, pattern), known, "pyproject.toml") for pattern in per_file
        },
        fail_on=fail_on,
    )


def _strings(table: Mapping[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError("settings.audit", f"{key} in [tool.envtool.audit] is not a list of strings", 'Write ["CPU1"].')
    return value


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints of a report that was written before (``--json`` or ``-o FILE.json``).

    Raises UsageError (``audit.baseline``) for what is no such report.
    """
    hint = "Write one with: envtool audit -o baseline.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        report = data.get("result", data)
        return frozenset(str(finding["fingerprint"]) for finding in report["findings"])
    except OSError as error:
        raise UsageError("audit.baseline", f"cannot read {path}: {error.strerror}", hint) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError("audit.baseline", f"{path} is not a report of envtool audit", hint) from None
