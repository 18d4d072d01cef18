"""Read a Dockerfile into stages: dockerfile-parse splits it into instructions, this adds heredocs and places."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from envtool.audit.install.image_files import mounted
from envtool.audit.install.lex import Dialect
from envtool.audit.install.steps import Assign, Copy, Run, Runs, Step, Take, Workdir
from envtool.audit.install.variables import expand
from envtool.audit.models import Source

_HEREDOC = re.compile(r"<<-?[ \t]*([\"']?)(\w+)\1")
_FROM = re.compile(r"^(?:--\S+\s+)*(?P<image>\S+)(?:\s+[Aa][Ss]\s+(?P<name>\S+))?")
# Folders that hold what was installed; of "/app" one cannot know.
_TAKEN = re.compile(
    r"--from=(?P<stage>\S+)\s(?:.*\s)?"
    r"(?:/|\S*(?:venv|virtualenv|site-packages|dist-packages|conda|/\.local|/usr/local|/install)\S*)\s"
)


@dataclass
class _Stage:
    name: str
    image: str
    span: tuple[int, int]
    steps: list[Step] = field(default_factory=list)
    choice: bool = False


def docker_scopes(source: Source) -> Iterator[Runs]:
    """One scope for each stage, in order; a file without FROM has none."""
    reader = _Reader(source.text)
    for entry in _instructions(reader.lines, reader.bodies):
        reader.take(entry)
    names = {stage.name.lower() for stage in reader.stages}
    for stage in reader.stages:
        parent = stage.image.lower() if stage.image.lower() in names else ""
        yield Runs(
            name=stage.name,
            steps=tuple(stage.steps),
            base="" if parent else stage.image,
            base_span=stage.span,
            parent=parent,
            choice=stage.choice,
        )


class _Reader:
    """Goes through the instructions once and fills the stages."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.bodies = _heredocs(self.lines)
        self.arguments: dict[str, str] = {}
        self.stages: list[_Stage] = []
        self.dialect: Dialect = "docker"

    def take(self, entry: Mapping[str, Any]) -> None:
        """One instruction as dockerfile-parse gives it."""
        first, last, value = int(entry["startline"]), int(entry["endline"]), str(entry["value"])
        start = self.starts[first] + len(self.lines[first]) - len(self.lines[first].lstrip())
        end = self.starts[last] + len(self.lines[last].rstrip())
        instruction = str(entry["instruction"])
        if instruction == "ONBUILD":
            # Run by the build of every image that is made from this one.
            begin = re.compile(r"(?i:onbuild)\s+(\w+)").match(self.text, start, end)
            instruction, start = (begin.group(1).upper(), begin.start(1)) if begin else (instruction, start)
            value = value[len(instruction) :].strip()
        if instruction == "FROM":
            self._from(value, start, end)
        elif instruction in ("ARG", "ENV"):
            self._assign(value)
        elif instruction == "SHELL":
            self.dialect = "powershell" if re.search(r"pwsh|powershell", value) else "docker"
        elif instruction == "RUN" and self.stages:
            self._run(first, start, end)
        elif instruction == "WORKDIR" and self.stages:
            self.stages[-1].steps.append(Workdir(target=value.strip("\"'")))
        elif instruction in ("COPY", "ADD") and self.stages:
            self.stages[-1].steps += _copied(value)

    def _from(self, value: str, start: int, end: int) -> None:
        match = _FROM.match(value)
        if match is None:
            return
        image = match.group("image")
        at = max(self.text.find(image, start, end), 0)
        name = match.group("name") or str(len(self.stages))
        chosen = expand(image, self.arguments)
        if "$" in image and any(stage.name == chosen for stage in self.stages):
            # FROM base-${DEVICE}: the other stages whose names fit are for other values.
            pattern = re.compile(re.sub(r"\\\$(\\\{.*?\\\}|\w+)", ".*", re.escape(image)))
            for stage in self.stages:
                stage.choice = stage.choice or (stage.name != chosen and pattern.fullmatch(stage.name) is not None)
        self.stages.append(_Stage(name, chosen, (at, at + len(image))))
        self.dialect = "docker"

    def _assign(self, value: str) -> None:
        stage = self.stages[-1] if self.stages else None
        values = _pairs(value, {**self.arguments, **_known(stage)})
        if stage is None:
            self.arguments.update(values)
        else:
            # "ARG X" takes the value of the one before the first FROM.
            stage.steps.append(Assign(values={k: v or self.arguments.get(k, "") for k, v in values.items()}))

    def _run(self, first: int, start: int, end: int) -> None:
        steps = self.stages[-1].steps
        if first in self.bodies:
            steps.append(Run(start=self.starts[first + 1], end=self.starts[self.bodies[first]], dialect="sh"))
            return
        begin = re.compile(r"(?i:run)\s+(?:--\S+\s+(?:\\\r?\n\s*)?)*").match(self.text, start, end)
        steps += mounted(begin.group()) if begin else ()
        start = begin.end() if begin else start
        dialect: Dialect = "exec" if self.text.startswith("[", start) else self.dialect
        steps.append(Run(start=start, end=end, dialect=dialect))


def _copied(value: str) -> Iterator[Step]:
    """What a COPY or ADD brings: what another stage installed, or files of the project."""
    if match := _TAKEN.search(value):
        yield Take(scope=match.group("stage"))
    try:
        words = json.loads(value) if value.startswith("[") else shlex.split(value)
    except ValueError:
        return
    files = [str(word) for word in words if not str(word).startswith("--")]
    if len(files) > 1 and "--from=" not in value and "<<" not in value:
        yield Copy(files=tuple(name for name in files[:-1] if "://" not in name), target=files[-1])


def _known(stage: _Stage | None) -> dict[str, str]:
    known: dict[str, str] = {}
    for step in stage.steps if stage else ():
        if isinstance(step, Assign):
            known.update(step.values)
    return known


def _heredocs(lines: list[str]) -> dict[int, int]:
    """First line of a heredoc instruction -> the line of its end mark."""
    found: dict[int, int] = {}
    at = 0
    while at < len(lines):
        match = _HEREDOC.search(lines[at])
        if match and re.match(r"\s*(RUN|COPY|ADD)\b", lines[at], re.I):
            stop = at + 1
            while stop < len(lines) and lines[stop].strip() != match.group(2):
                stop += 1
            found[at] = min(stop, len(lines) - 1)
            at = stop
        at += 1
    return found


def _instructions(lines: list[str], bodies: dict[int, int]) -> Iterator[Mapping[str, Any]]:
    from dockerfile_parse import DockerfileParser

    hidden = {number for first, last in bodies.items() for number in range(first + 1, last + 1)}
    # dockerfile-parse knows no heredoc: their lines are comments to it. Same number of lines, so that places hold.
    shown = "".join("#\n" if n in hidden else line.replace("\r\n", " \n") for n, line in enumerate(lines))
    if not shown.isascii():
        shown = shown.encode("ascii", "replace").decode()
    for entry in DockerfileParser(fileobj=io.BytesIO(shown.encode())).structure:
        if entry["instruction"] != "COMMENT":
            yield entry


def _pairs(value: str, known: dict[str, str]) -> dict[str, str]:
    try:
        words = shlex.split(value)
    except ValueError:
        return {}
    if words and "=" not in words[0] and len(words) > 1:
        return {words[0]: expand(" ".join(words[1:]), known)}  # the old form: ENV NAME value
    found: dict[str, str] = {}
    for word in words:
        name, _, content = word.partition("=")
        found[name] = expand(content, {**known, **found})
    return found
