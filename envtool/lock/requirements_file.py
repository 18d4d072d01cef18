"""Read requirements files as they are found in the wild: every encoding, nested files, options, CUDA pins.

``pip-requirements-parser`` (pip's own reader, extracted) does the reading; envtool follows nested files itself, because
a missing one needs an error that names the line, and takes options off a requirement's line, where pip ignores them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import InvalidRequirement, Requirement

from envtool.adapters.http import redact_text
from envtool.adapters.requirements import parse_requirements
from envtool.adapters.variables import expand
from envtool.errors import UsageError
from envtool.lock.paths import is_absolute, relative
from envtool.lock.slips import nearest, reason
from envtool.models import Requested

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_SPLIT = re.compile(r"\s+(?=-)")
"""Where options begin behind a requirement."""
Kind = Literal["index", "default-index", "find-links"]
_INDEX_OPTIONS: dict[str, Kind] = {
    "index_url": "default-index",
    "extra_index_urls": "index",
    "find_links": "find-links",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of a file: one of ``requirement``, ``url`` (a direct reference) and ``local`` (a path) is set."""

    origin: str
    name: str | None = None
    requirement: Requirement | None = None
    url: str | None = None
    local: str | None = None
    editable: bool = False
    extras: tuple[str, ...] = ()
    marker: str | None = None
    hashed: bool = False


@dataclass
class FileContent:
    """What a requirements file and all its nested files hold. ``options``: (kind, value as it is written, origin)."""

    lines: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)
    options: list[tuple[Kind, str, str]] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


COMMAND_LINE = "command line"
"""The origin of a requirement that a command names itself."""


def decode(data: bytes) -> str:
    """Text of a requirements file: by its byte order mark, its coding comment, UTF-8, and at last Latin-1."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    for row in data.split(b"\n", 2)[:2]:
        match = _CODING.match(row)
        if match:
            try:
                return data.decode(match[1].decode("ascii"))
            except (LookupError, UnicodeDecodeError):
                break
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def requested(text: str, origin: str) -> Requested:
    """One requirement (PEP 508) from a text. Raises UsageError (``request.invalid``)."""
    try:
        return Requested(requirement=Requirement(text), origin=origin)
    except InvalidRequirement as error:
        first = why_invalid(text, error)
        hint = 'A requirement looks like torch, "numpy<3" or "package[extra]>=1.2; python_version < \'3.12\'".'
        hint = nearest(text) or hint
        shown = redact_text(text)
        raise UsageError("request.invalid", f"{origin}: {shown!r} is not a requirement: {first}", hint) from None


def why_invalid(text: str, error: InvalidRequirement) -> str:
    """Why a text is no requirement, in one line."""
    slip = reason(text)
    if slip:
        return slip
    open_end = re.search(r"(===|[=<>!~]=|[<>])\s*(?:$|[,;])", text)
    # packaging calls it a missing semicolon.
    return f"a version is missing behind {open_end[1]}" if open_end else str(error).split("\n", maxsplit=1)[0]


def read_requirements_file(
    path: Path, root: Path, environ: Mapping[str, str] = os.environ, *, constraint: bool = False
) -> FileContent:
    """Read a requirements (or constraints) file with all files that it names.

    Origins are relative to ``root`` (``requirements/base.txt:3``). Raises UsageError (``requirements.missing``,
    ``requirements.invalid``, ``requirements.unreadable``) with file and line.
    """
    reader = _Reader(root=root, environ=environ)
    reader.read(path, constraint=constraint, origin="")
    return reader.content


@dataclass
class _Reader:
    root: Path
    environ: Mapping[str, str]
    content: FileContent = field(default_factory=FileContent)
    seen: set[tuple[Path, bool]] = field(default_factory=set)
    """What was read, and whether as constraints: one file may be both."""

    def name(self, path: Path) -> str:
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return path.name

    def text(self, path: Path, origin: str) -> str:
        shown = self.name(path)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            named = f" (named in {origin})" if origin else ""
            url = re.search(r"\b(https?|ftp|file):/+(.*)", path.as_posix())  # as a path it has lost a slash
            if url:
                message = f"{redact_text(f'{url[1]}://{url[2]}')} is a URL{named}, and only files are read"
                raise UsageError("requirements.url", message, "Download it, and name the file.") from None
            hint = "Create it, or take the line out." if origin else "Is its name right?"
            raise UsageError("requirements.missing", f"requirements file {shown} does not exist{named}", hint) from None
        except OSError as error:
            message = f"requirements file {shown} cannot be read: {error.strerror}"
            hint = "Name a text file." if path.is_dir() else "Mend its permissions."
            raise UsageError("requirements.unreadable", message, hint) from error
        if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            message = f"requirements file {shown} is not a text file"
            raise UsageError("requirements.unreadable", message, "Save it as UTF-8.")
        return decode(data).replace("\r\n", "\n").replace("\r", "\n")

    def read(self, path: Path, *, constraint: bool, origin: str) -> None:
        role = (path.resolve(), constraint)
        if role in self.seen:
            return
        self.seen.add(role)
        shown = self.name(path)
        text = self.text(path, origin)
        raw = parse_requirements(text)
        expanded = expand(text, self.environ)
        parsed = raw if expanded == text else parse_requirements(expanded)
        self.content.files.append(path.resolve())
        into = self.content.constraints if constraint else self.content.lines
        for item in parsed.requirements:
            into.append(_line(item, f"{shown}:{item.requirement_line.line_number}"))
        begin = len(self.content.options)
        written = {item.line_number: item.line.strip() for item in raw.invalid_lines if _SPLIT.search(item.line)}
        for item in parsed.invalid_lines:
            where = f"{shown}:{item.line_number}"
            line = _salvage(item.line.strip(), where, item.error_message)
            into.append(line)
            if line.requirement is not None:
                _inline_options(written.get(item.line_number, item.line.strip()), where, self.content)
        behind = self.content.options[begin:]
        self.content.options[begin:] = [(kind, self.located(kind, value, path), where) for kind, value, where in behind]
        options = {item.requirement_line.line_number: item for item in (*parsed.options, *raw.options)}
        for item in options.values():
            where = f"{shown}:{item.requirement_line.line_number}"
            for kind, value in item.options.items():
                for one in value if isinstance(value, list) else [value]:
                    self.option(kind, str(one), where, path, constraint=constraint)

    def option(self, kind: str, value: str, where: str, path: Path, *, constraint: bool) -> None:
        if kind in ("requirements", "constraints"):
            value = expand(value, self.environ)
            self.read(path.parent / value, constraint=constraint or kind == "constraints", origin=where)
        elif kind in _INDEX_OPTIONS:
            value = self.located(_INDEX_OPTIONS[kind], value, path)
            self.content.options.append((_INDEX_OPTIONS[kind], value, where))
        elif kind != "trusted_hosts":
            self.content.ignored.append((f"--{kind.replace('_', '-')}", where))

    def located(self, kind: Kind, value: str, path: Path) -> str:
        """A folder of wheels beside the file that names it, relative to the root; anything else as it is written."""
        if kind != "find-links" or is_absolute(value) or path.parent.resolve() == self.root.resolve():
            return value
        folder = path.parent / value
        return relative(folder, self.root) if os.path.lexists(folder) else value


def _line(item: Any, where: str) -> Line:
    extras = tuple(sorted(item.extras or ()))
    marker = str(item.marker) if item.marker else None
    url = item.link.url if item.link is not None else None
    if url is not None and (url.startswith("file:") or "://" not in url):
        return Line(origin=where, local=url, editable=item.is_editable, extras=extras, marker=marker)
    if url is not None:
        return Line(origin=where, name=item.name, url=url, editable=item.is_editable, extras=extras, marker=marker)
    brackets = f"[{','.join(extras)}]" if extras else ""
    text = f"{item.name}{brackets}{item.specifier or ''}{f' ; {marker}' if marker else ''}"
    return Line(origin=where, name=item.name, requirement=Requirement(text), hashed=bool(item.hash_options))


def _salvage(text: str, where: str, refusal: str) -> Line:
    """A line that pip's reader refuses: options behind a requirement, or a path that it takes for something else."""
    words = _SPLIT.split(text, maxsplit=1)
    if len(words) == 2:
        try:
            requirement = Requirement(words[0])
        except InvalidRequirement:
            pass
        else:
            return Line(origin=where, name=requirement.name, requirement=requirement)
    if re.match(r"^(\.{1,2}[\\/]|[\\/]|[A-Za-z]:\\)", text):
        return Line(origin=where, local=text)
    first = " ".join(refusal.split("\n", maxsplit=1)[0].split())
    try:
        Requirement(words[0])
    except InvalidRequirement as error:
        # pip's reader begins with a colon and a text that it has lost
        first = reason(text) or why_invalid(words[0], error)
    hint = nearest(text) or "Write it as pip reads it: name, extras, version, marker."
    raise UsageError("requirements.invalid", f"{where}: cannot read {redact_text(text)!r}: {first}", hint)


def _inline_options(line: str, where: str, content: FileContent) -> None:
    """The options behind a requirement, as they are written."""
    kinds: dict[str, Kind] = {
        "--index-url": "default-index",
        "-i": "default-index",
        "--extra-index-url": "index",
        "--find-links": "find-links",
        "-f": "find-links",
    }
    text = " ".join(_SPLIT.split(line, maxsplit=1)[1:])
    try:
        words = [part for word in shlex.split(text) for part in (word.split("=", 1) if word[:2] == "--" else [word])]
    except ValueError as error:  # shlex says what is open
        message = f"{where}: cannot read {redact_text(line)!r}: {str(error)[:1].lower()}{str(error)[1:]}"
        raise UsageError("requirements.invalid", message, "Close the quotation mark, or take it out.") from None
    for position, word in enumerate(words):
        if word in kinds and position + 1 < len(words):
            content.options.append((kinds[word], words[position + 1], where))
        elif word.startswith("-") and word not in kinds and word not in ("--hash", "--trusted-host"):
            content.ignored.append((word, where))
