"""CPU304 (R04): an index option inside a requirements file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from envtool.audit.deps.brings_torch import TORCH, brings_torch
from envtool.audit.deps.cpu_route import has_envtool
from envtool.audit.deps.model import Declared, IndexOption
from envtool.audit.deps.read import declarations_of, read_together
from envtool.audit.deps.routes import Route, route_of
from envtool.audit.models import Edit, Finding, Fix, Project, Safe, Severity, Source, SourceKind
from envtool.audit.naming import has_cpu_sibling, is_gpu_variant
from envtool.audit.places import place, whole_lines
from envtool.torch.backends import is_gpu_local


class IndexInRequirements:
    """What comes from where is routing, and a requirements file is not the place for it."""

    code = "CPU304"
    name = "index-in-requirements"
    summary = "An index option inside a requirements file"
    kinds: Sequence[SourceKind] = ("requirements",)

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """One finding for each option."""
        for option in declarations_of(source, project).options:
            route = route_of(option.url)
            severity, message = _judge(option, route)
            yield Finding(
                code=self.code,
                severity=severity,
                confidence="high",
                path=source.path,
                location=place(source, project, option.start, option.end),
                message=message,
                fix=_fix(option, route, source, project),
            )


def _judge(option: IndexOption, route: Route) -> tuple[Severity, str]:
    flag = {"index": "--index-url", "extra": "--extra-index-url", "find-links": "--find-links"}[option.kind]
    if option.inline:
        decides = option.inline in TORCH or route in ("cpu", "gpu", "pytorch")
        message = f"{flag} on the line of {option.inline}: pip ignores it without a word, uv rejects the file"
        return ("error" if decides else "warning"), message
    if route == "nvidia":
        return "warning", f"{flag} names an index of GPU packages, which has no builds of torch"
    if route == "extension":
        return "error", f"{flag} names GPU builds of an extension of torch, which CPU builds of torch cannot load"
    if route == "gpu":
        return "error", f"{flag} sends torch to GPU builds, for everyone who installs from this file"
    if route == "cpu":
        return "warning", f"{flag} routes torch to CPU builds from inside the file; envtool does that at install time"
    if route == "pytorch":
        return "warning", f"{flag} names a page of the PyTorch index with CPU and GPU builds: the pins decide"
    tail = "; an extra index may win for any package" if option.kind == "extra" else ""
    return "warning", f"{flag} decides inside the file where packages come from{tail}"


def _fix(option: IndexOption, route: Route, source: Source, project: Project) -> Fix | None:
    """Take the option out. A line that leads to CPU builds is safe to lose only when envtool does the routing."""
    if route not in ("cpu", "gpu", "pytorch") and not option.inline:
        return None
    if route != "gpu" and not option.inline and not has_envtool(project) and _has_local_pins(source, project, route):
        return None  # without it, nothing offers them
    text = source.text
    if option.inline:
        start = option.start
        while start > 0 and text[start - 1] in " \t":
            start -= 1
        if text[start - 1 : start] in ("\\", "\n", "\r"):  # on a continued line: not mechanical
            return None
        edit = Edit(start=start, end=option.end, replacement="")
        return Fix(message="Take the option out (pip ignores it here)", edits=(edit,))
    if option.line is None or not _alone(option, text[slice(*option.line)]):
        return None
    start, end = whole_lines(text, *option.line)
    # Nor is a file for GPUs beside one that is not ours to change unasked.
    variant = is_gpu_variant(source, project) or has_cpu_sibling(source, project)
    safe = has_envtool(project) or (route == "gpu" and not variant)
    # GPU builds of what? An index that does not say torch, in a file without it, may be the only one of its packages.
    safe = safe and ("torch" in option.url.lower() or _needs_torch(source, project))
    return Fix(message="Remove the index line", edits=(Edit(start=start, end=end, replacement=""),), safe=safe)


def _alone(option: IndexOption, line: str) -> bool:
    """Whether a logical line holds the option, a comment at its end, and nothing else: all of it may go."""
    gap = r"(?:[ \t]|\\(?:\r?\n|\r|$))*"
    flag = rf"-{{1,2}}[A-Za-z][A-Za-z-]*(?:=|{gap})[\"']?{re.escape(option.url)}[\"']?{gap}"
    return re.fullmatch(rf"{flag}(?:(?<=\s)#[^\r\n]*)?", line) is not None


def _has_local_pins(source: Source, project: Project, route: Route) -> bool:
    """Whether a pin names the CPU build, or will: beside a page of all builds CPU303 writes that one."""
    locals_ = {entry.pin.local for entry in _requirements(source, project) if entry.pin is not None}
    return "cpu" in locals_ or (route == "pytorch" and any(is_gpu_local(local) for local in locals_))


def _needs_torch(source: Source, project: Project) -> bool:
    return any(brings_torch(entry.name, entry.extras) for entry in _requirements(source, project))


def _requirements(source: Source, project: Project) -> list[Declared]:
    """What the file requires, and the files that it is read with."""
    files = read_together(source, project)
    return [entry for file in files for entry in declarations_of(file, project).requirements]


RULE = IndexInRequirements()
