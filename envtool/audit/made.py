"""How a rule makes its findings: one short call per place."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from envtool.audit.models import Confidence, Finding, Fix, Location, Project, Safe, Severity, Source
from envtool.audit.syntax import locate

_WHOLE = Location(line=1, column=1, end_line=1, end_column=1)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one rule in one source. A node of None means the whole file."""

    code: str
    source: Source
    project: Project

    def error(self, node: ast.expr | None, message: str, *, fix: Fix | None = None) -> Finding:
        """Something that fails for sure."""
        return self.at(node, message, "error", "high", fix)

    def warning(
        self, node: ast.expr | None, message: str, *, fix: Fix | None = None, confidence: Confidence = "high"
    ) -> Finding:
        """Something that depends, or degrades."""
        return self.at(node, message, "warning", confidence, fix)

    def note(self, node: ast.expr | None, message: str) -> Finding:
        """Something worth knowing."""
        return self.at(node, message, "note", "high", None)

    def at(
        self, node: ast.expr | None, message: str, severity: Severity, confidence: Confidence, fix: Fix | None
    ) -> Finding:
        """A finding with everything said."""
        return Finding(
            code=self.code,
            severity=severity,
            confidence=confidence,
            path=self.source.path,
            location=_WHOLE if node is None else locate(node, self.source, self.project),
            message=message,
            fix=fix,
        )

    def safe(self, node: ast.expr | None, reason: str) -> Safe:
        """A place that looks like trouble and is fine."""
        return Safe(path=self.source.path, line=1 if node is None else node.lineno, reason=reason)
