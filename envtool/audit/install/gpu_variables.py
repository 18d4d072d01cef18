"""Variables of pip and uv that a file sets to an index of GPU builds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from envtool.audit.deps.routes import route_of
from envtool.audit.install.steps import Assign, Run, Runs, commands_of
from envtool.audit.install.torch_steps import INDEX_VARIABLES, places_in
from envtool.audit.install.variables import assignments
from envtool.audit.models import Project, Source
from envtool.torch.backends import is_gpu_local


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuVariable:
    """One such variable, where it is set, and the conditions it is set under."""

    name: str
    scope: Runs
    condition: str
    start: int
    end: int


def gpu_variables(source: Source, project: Project) -> Iterator[GpuVariable]:
    """Those of a Dockerfile, CI file, Makefile or script: ``ENV``, ``env:``, ``export``."""
    for scope, step, commands in commands_of(source, project):
        if isinstance(step, Assign):
            yield from _found(step.values, source, scope)
        elif isinstance(step, Run):
            yield from _found(step.environment, source, scope, step.condition)
        for command in commands:
            values = assignments(command, {})
            if values.keys() & INDEX_VARIABLES:
                start, end = command.words[0].start, command.words[-1].end
                for name in _leading(values):
                    yield GpuVariable(name=name, scope=scope, condition=command.condition, start=start, end=end)


def _leading(values: Mapping[str, str]) -> Iterator[str]:
    """The names of those that lead to GPU builds."""
    for name in sorted(values.keys() & INDEX_VARIABLES):
        if name == "UV_TORCH_BACKEND":
            if is_gpu_local(values[name]):
                yield name
        elif any(route_of(url) == "gpu" for url in places_in(values[name])):
            yield name


def _found(values: Mapping[str, str], source: Source, scope: Runs, condition: str = "") -> Iterator[GpuVariable]:
    for name in _leading(values):
        # The value may have been put together; the name stands in the text.
        match = re.search(rf"^[^#\n]*?\b({name}\b[\"']?[ \t]*[=: ][^\n]*)", source.text, re.M)
        start, end = match.span(1) if match else (0, 0)
        end = start + len(source.text[start:end].rstrip(" \t\r\\"))
        yield GpuVariable(name=name, scope=scope, condition=condition, start=start, end=end)
