"""The record of the last bundle that passed its checks, ``.envtool/bundle.json``: it holds while the bundle stays."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from envtool.adapters import files
from envtool.bundle.contents import list_files
from envtool.bundle.models import BundleResult
from envtool.models import CheckResult

SCHEMA = 1
NAME = "bundle.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleRecord:
    """A bundle that passed. ``path`` is relative to the project, POSIX; sizes in bytes."""

    path: str
    torch: str
    size: int
    default_size: int | None
    checks: tuple[CheckResult, ...]


def record_text(root: Path, result: BundleResult) -> str:
    """The record of a bundle that lies in the project, as JSON text."""
    data = {
        "schema": SCHEMA,
        "path": result.path.relative_to(root).as_posix(),
        "torch": result.torch,
        "size": result.sizes.total,
        "default_size": result.default_size,
        "checks": [check.as_dict() for check in result.checks],
    }
    return json.dumps(data, indent=1) + "\n"


def write_record(state: Path, root: Path, result: BundleResult) -> None:
    """Remember a bundle that lies in the project. One that lies elsewhere, and a full disk, are no reason to fail."""
    if not result.path.is_relative_to(root):
        return
    with contextlib.suppress(OSError):
        files.write_text(state / NAME, record_text(root, result))


def read_record(state: Path, root: Path) -> BundleRecord | None:
    """The last bundle, if it is still there, byte for byte as many; None otherwise, and for what is no record."""
    try:
        data = json.loads((state / NAME).read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA:
            return None
        record = BundleRecord(**{**data, "checks": tuple(CheckResult(**check) for check in data["checks"])})
        place = root / record.path
        there = sum(list_files(place).values()) if place.is_relative_to(root) and record.path else 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    failed = any(check.status == "fail" for check in record.checks)
    return None if failed or there != record.size else record
