"""A built bundle as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from envtool.models import CheckResult
from envtool.reports.escape import printable
from envtool.reports.tables import size, table

_SIGNS = {"pass": "ok", "fail": "FAIL", "skip": "-"}
_SHOWN = 8


def render_bundle(result: Mapping[str, Any], checks: Sequence[CheckResult]) -> str:
    """Sizes by part, the checks, and where the bundle is. ``result`` is the JSON result of ``envtool bundle``."""
    total = int(result["size"])
    parts = [(str(part["name"]), int(part["size"])) for part in result["parts"]]
    rows = [[name, size(count)] for name, count in parts[:_SHOWN]]
    rest = sum(count for _, count in parts[_SHOWN:])
    if rest:
        rows.append([f"{len(parts) - _SHOWN} more", size(rest)])
    unpacked = sum(count for _, count in parts)
    rows.append(["all, unpacked" if result["packed"] else "all", size(unpacked)])
    if result["packed"]:
        rows.append(["the file", size(total)])
    if result["default_hook_size"]:
        rows.append(
            [f"with the default hook (this one is {result['ratio']:.2f} of it)", size(result["default_hook_size"])]
        )
    if result["full_torch_size"]:
        rows.append(["about, with the default hook and full torch", size(result["full_torch_size"])])
    lines = [table(["part", "size"], rows, right=["size"]), ""]
    lines += [f"{_SIGNS[check.status]:>4}  {check.id}: {printable(check.found)}" for check in checks]
    lines += [
        "",
        f"{printable(str(result['path']))} ({result['torch']}), run it: {printable(str(result['executable']))}",
    ]
    return "\n".join(lines)


def render_failures(checks: Sequence[CheckResult]) -> str:
    """The failing checks alone, each with what mends it."""
    failing = [check for check in checks if check.status == "fail"]
    return "\n".join(
        f"FAIL  {check.id}: {printable(check.found)}\n      fix  {printable(check.fix)}" for check in failing
    )
