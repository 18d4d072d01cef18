"""The fixtures of the rules, whatever their shape: one file, a small project, or models that are made on the spot.

``tests/fixtures/audit/CODE/{bad,good}_*``. What a bad one must give stands beside it, with line and column: in
``# expect:`` comments of a file, or in ``expect.txt`` or ``expected.txt`` of a folder. ``models.json`` names functions
of tests/unit/torch/archive/craft.py that make model files; ``# model:`` comments stand in for a scanned one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import craft

from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.options import AuditOptions
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES

FIXTURES = Path(__file__).parents[2] / "fixtures" / "audit"
_BESIDE = ("expect.txt", "expected.txt", "models.json")
_IN_FILE = re.compile(r"^# expect: (CPU\d{3}) (error|warning|note) (\d+):(\d+)$", re.MULTILINE)
_EXPECT = re.compile(r"^(CPU\d{3}) (error|warning|note) (\S+) (\d+):(\d+)$", re.MULTILINE)
_EXPECTED = re.compile(r"^(.+):(\d+):(\d+) (error|warning|note)$", re.MULTILINE)
_MODEL = re.compile(r"^# model: (\S+) (\S+) (cpu|cuda)$", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One fixture."""

    path: Path

    @property
    def code(self) -> str:
        return self.path.parent.name

    @property
    def name(self) -> str:
        return f"{self.code}-{self.path.stem}"

    @property
    def bad(self) -> bool:
        return self.path.name.startswith("bad_")

    def expected(self) -> Counter[tuple[str, str, str, int, int]]:
        """Code, severity, path, line and column of each finding."""
        if self.path.is_file():
            rows = _IN_FILE.findall(self._text(self.path))
            return Counter((c, s, f"app{self.path.suffix}", int(line), int(column)) for c, s, line, column in rows)
        if (self.path / "expect.txt").is_file():
            rows = _EXPECT.findall(self._text(self.path / "expect.txt"))
            return Counter((c, s, path, int(line), int(column)) for c, s, path, line, column in rows)
        beside = self.path / "expected.txt"
        rows = _EXPECTED.findall(self._text(beside)) if beside.is_file() else []
        return Counter((self.code, s, path, int(line), int(column)) for path, line, column, s in rows)

    def write(self, folder: Path) -> None:
        """Put a copy into a folder, under a neutral name: ``tests/`` in the path would soften what is found."""
        if self.path.is_file():
            shutil.copy(self.path, folder / f"app{self.path.suffix}")
            return
        shutil.copytree(self.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_BESIDE))
        recipes = self.path / "models.json"
        for name, recipe in json.loads(self._text(recipes)).items() if recipes.is_file() else ():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if "text" in recipe:
                target.write_text(recipe["text"], encoding="utf-8")
            else:
                more = {key: value for key, value in recipe.items() if key not in ("make", "args")}
                getattr(craft, recipe["make"])(target, *recipe["args"], **more)

    def audit(self, folder: Path) -> AuditReport:
        """The audit of the copy, by the rules that the fixture speaks of."""
        discovery = discover([folder], cwd=folder)
        if self.path.is_file():
            for name, kind, device in _MODEL.findall(self._text(self.path)):
                discovery.project.cache["model", name] = SimpleNamespace(kind=kind, has_cuda=device == "cuda")
        codes = {self.code, *(code for code, *_ in self.expected())}
        return run_audit(discovery, [rule for rule in RULES if rule.code in codes], AuditOptions())

    @staticmethod
    def _text(path: Path) -> str:
        return path.read_text(encoding="utf-8", errors="replace")


CASES = [Case(path) for path in sorted(FIXTURES.glob("CPU???/*"))]


def found(report: AuditReport) -> Counter[tuple[str, str, str, int, int]]:
    """What a report holds, in the form of ``Case.expected``."""
    return Counter((f.code, f.severity, f.path, f.location.line, f.location.column) for f in report.findings)
