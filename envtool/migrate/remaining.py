"""What a migration that is done leaves to the person: findings that no fix mends, and a README that installs torch."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from envtool.audit.install.torch_steps import torch_steps
from envtool.audit.models import Project, Source
from envtool.audit.places import place
from envtool.bundle.checks import MENDED
from envtool.errors import EnvtoolError
from envtool.migrate.audit import look
from envtool.migrate.docs import BEGIN, END, README
from envtool.migrate.models import Migration

INSTALLS = "CPU402"
"""The rule about install commands. The audit itself reads no README: there, such a line breaks nothing."""

_FENCE = re.compile(r"^\s*(?:[-*+]\s+|\d+[.)]\s+)?(```+|~~~+)")
_PROMPT = re.compile(r"^\s*(?:[$>]\s+|PS[^>]*>\s+)?")
_SPAN = re.compile(r"`([^`]+)`")
_SAYS: Mapping[str, str] = {"gpu": "installs a GPU build of torch", "default": "installs full torch on Linux"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Remaining:
    """One line that a person looks at. ``fixable``: ``envtool audit --fix`` mends it by now."""

    path: str
    line: int
    code: str
    message: str
    fixable: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in Remaining.__dataclass_fields__}


def remaining(migration: Migration) -> tuple[Remaining, ...]:
    """What is left, in the order of path and line: all that the audit says above a note, but for what the bundle mends.

    Never raises: what cannot be read stops no move that is proven.
    """
    bundled = MENDED if "bundle_size" in migration.facts else ()
    try:
        report, _ = look(migration)
        rows = {
            Remaining(
                path=finding.path,
                line=finding.location.line,
                code=finding.code,
                message=finding.message,
                fixable=finding.fix is not None and finding.fix.safe,
            )
            for finding in report.findings
            if finding.severity != "note" and finding.code not in bundled
        }
        project = Project(root=migration.root, sources=report.sources)
    except (EnvtoolError, OSError):
        return ()
    with contextlib.suppress(OSError):  # many a project has none
        text = (migration.root / README).read_bytes().decode("utf-8", errors="replace")
        rows |= set(in_readme(text, project))
    return tuple(sorted(rows, key=lambda row: (row.path, row.line, row.code)))


def in_readme(text: str, project: Project) -> Iterator[Remaining]:
    """The install commands of a README that bring torch past the lock, one row a line. Pure."""
    source = Source(path=README, absolute=project.root / README, kind="shell", text=commands_of(text))
    inside = Project(root=project.root, sources={**project.sources, README: source})
    for step in torch_steps(source, inside):
        if not step.settled:
            line = place(source, inside, step.start, step.end).line
            says = _SAYS.get(step.origin, "installs torch past the lock")
            yield Remaining(path=README, line=line, code=INSTALLS, message=f"{says}; let it say: envtool setup --cpu")


def commands_of(text: str) -> str:
    """The commands of a Markdown text as a shell script with the same line numbers: what stands in fenced blocks, and
    the code spans of other lines. The section between envtool's markers is left out. Pure."""
    begin, end = BEGIN.decode(), END.decode()
    fence, ours, lines = "", False, []
    for line in text.splitlines():
        marker = _FENCE.match(line)
        ours = (ours or begin in line) and end not in line
        if marker and (not fence or (marker[1].startswith(fence) and line.strip() == marker[1])):
            fence = "" if fence else marker[1]
            lines.append("")
        elif ours:
            lines.append("")
        elif fence:
            lines.append(_PROMPT.sub("", line))
        else:
            lines.append("; ".join(span.strip() for span in _SPAN.findall(line) if " install " in span))
    return "\n".join(lines) + "\n"
