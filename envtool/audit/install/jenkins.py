"""Read a Jenkinsfile as far as the audit needs it: the strings of ``sh``, ``bat`` and ``powershell``, and agents.

Groovy has no parser in Python that is worth its weight; a string that is put together is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envtool.audit.install.lex import Dialect
from envtool.audit.install.steps import Assign, Run, Runs, Step
from envtool.audit.models import Source

_STEP = re.compile(
    r"\b(?P<kind>sh|bat|powershell|pwsh)\s*\(?\s*(?:script\s*:\s*)?"
    r"(?:\"\"\"(?P<a>.*?)\"\"\"|'''(?P<b>.*?)'''|\"(?P<c>(?:\\.|[^\"\\\n])*)\"|'(?P<d>(?:\\.|[^'\\\n])*)')",
    re.S,
)
_VARIABLE = re.compile(r"^\s*([A-Z_][A-Z0-9_]*)\s*=\s*[\"']([^\"'\n]*)[\"']", re.M)
_IMAGE = re.compile(r"\bimage\s*[:(]?\s*[\"'](?P<image>[^\"'\n]+)[\"']")
_LABEL = re.compile(r"\blabel\s*[:(]?\s*[\"'](?P<label>[^\"'\n]+)[\"']")
_DIALECTS: dict[str, Dialect] = {"bat": "batch", "powershell": "powershell", "pwsh": "powershell"}


def jenkins_scopes(source: Source) -> Iterator[Runs]:
    """One scope for the whole pipeline."""
    text = source.text
    steps: list[Step] = [Assign(values=dict(_VARIABLE.findall(text)))]
    for match in _STEP.finditer(text):
        group = next(name for name in "abcd" if match.group(name) is not None)
        dialect = _DIALECTS.get(match.group("kind"), "sh")
        steps.append(Run(start=match.start(group), end=match.end(group), dialect=dialect))
    image, label = _IMAGE.search(text), _LABEL.search(text)
    yield Runs(
        name="pipeline",
        steps=tuple(steps),
        base=image.group("image") if image else "",
        base_span=image.span("image") if image else (0, 0),
        runner=(label.group("label"), *label.span("label")) if label else None,
    )
