"""Apply the fixes of findings: exact edits, each file either wholly good or left alone. Texts in, texts out."""

from __future__ import annotations

import ast
import difflib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import tomli

from envtool.audit.models import Edit, Finding, Skipped, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class FixPlan:
    """What fixing would do: new texts by path, the findings that they mend, and what was left, with the reason."""

    texts: Mapping[str, str]
    applied: tuple[Finding, ...]
    left: tuple[Skipped, ...]


def plan_fixes(sources: Mapping[str, Source], findings: Iterable[Finding], *, unsafe: bool = False) -> FixPlan:
    """Work out the new text of each file. Without ``unsafe`` only safe fixes are taken.

    A fix is taken whole or not at all; of two that touch the same text the first one is taken, the next run takes the
    other. A file that would not parse afterwards, or does not parse now, is left alone and named in ``left``.
    """
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.fix is not None and (finding.fix.safe or unsafe):
            by_path.setdefault(finding.path, []).append(finding)
    texts: dict[str, str] = {}
    applied: list[Finding] = []
    left: list[Skipped] = []
    for path, group in sorted(by_path.items()):
        source = sources[path]
        if source.kind == "notebook":
            left.append(Skipped(path=path, reason="not fixed: a notebook's cells are edited in its own editor"))
            continue
        edits, taken = _chosen(group, len(source.text))
        text = _edited(source.text, edits)
        problem = _broken(source, text)
        if problem:
            left.append(Skipped(path=path, reason=f"not fixed: {problem}"))
        elif text != source.text:
            texts[path] = text
            applied.extend(taken)
    return FixPlan(texts=texts, applied=tuple(applied), left=tuple(left))


def unified_diff(sources: Mapping[str, Source], texts: Mapping[str, str]) -> str:
    """The change as a unified diff that ``git apply`` takes; empty if nothing changes."""
    out: list[str] = []
    for path, text in sorted(texts.items()):
        before = sources[path].text.splitlines(keepends=True)
        for line in difflib.unified_diff(before, text.splitlines(keepends=True), f"a/{path}", f"b/{path}"):
            out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(out)


def _chosen(findings: list[Finding], size: int) -> tuple[list[Edit], list[Finding]]:
    edits: list[Edit] = []
    taken: list[Finding] = []
    for finding in sorted(findings, key=lambda item: (item.location.line, item.location.column, item.code)):
        wanted = [edit for edit in (finding.fix.edits if finding.fix else ()) if edit not in edits]
        if any(not 0 <= edit.start <= edit.end <= size for edit in wanted):
            continue
        if any(_touch(edit, other) for edit in wanted for other in edits):
            continue
        edits.extend(wanted)
        taken.append(finding)
    return sorted(edits, key=lambda edit: (edit.start, edit.end)), taken


def _touch(first: Edit, second: Edit) -> bool:
    """Whether two edits share text, or insert at the same place."""
    if first.start == second.start:
        return True
    early, late = (first, second) if first.start < second.start else (second, first)
    return early.end > late.start


def _edited(text: str, edits: Iterable[Edit]) -> str:
    out: list[str] = []
    at = 0
    for edit in edits:
        out += [text[at : edit.start], edit.replacement]
        at = edit.end
    return "".join([*out, text[at:]])


def _broken(source: Source, text: str) -> str:
    """Why the new text (or the old one) must not be trusted; empty if it parses as the old one did."""
    for version, content in (("it does not parse as it is", source.text), ("it would not parse any more", text)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _parse(source, content)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"{version} ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    # An option whose line goes on may take the next requirement for its value, and all of it still parses.
    if source.kind == "requirements" and (taken := _option_values(text) - _option_values(source.text)):
        return f"it would make {min(taken)} the value of an option"
    return ""


def _option_values(text: str) -> set[str]:
    """The indexes and the files that a requirements file names."""
    from envtool.audit.deps.requirements import read_requirements

    found = read_requirements(text)
    return {option.url for option in found.options} | {include.path for include in found.includes}


def _parse(source: Source, text: str) -> None:
    """Parse a text as its kind. Raises SyntaxError or ValueError (which the errors of tomli and json are)."""
    name = source.path.lower()
    if source.kind in ("python", "spec", "setup-py"):
        ast.parse(text)
    elif source.kind in ("pyproject", "pipfile") or name.endswith(".toml"):
        tomli.loads(text)
    elif name.endswith(".json"):
        json.loads(text)
    elif name.endswith((".yml", ".yaml")):
        import yaml

        try:
            for _ in yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                pass
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None
    elif source.kind == "requirements":
        _parse_requirements(text)


def _parse_requirements(text: str) -> None:
    """Read the file as pip does, line by line, without its options: what names a package must be a requirement."""
    from pip_requirements_parser import TextLine, preprocess

    from envtool.audit.deps.routes import parse_requirement

    for line in preprocess(text):
        if isinstance(line, TextLine) and not line.line.startswith(("-", ".", "/")) and "{" not in line.line:
            head = line.line.split(" -")[0]
            if parse_requirement(head) is None:
                raise ValueError(f"line {line.line_number} is no requirement")
