"""Find out what a project asks for: the first source that there is, read and normalised into a Request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import tomli
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from envtool.adapters.http import credentials, redact
from envtool.errors import NoInputsError, ResolutionError, UsageError
from envtool.lock.requirements_file import FileContent, Line, read_requirements_file
from envtool.lock.shape import check_pyproject, check_script
from envtool.models import LocalProject, Note, Request, Requested, Route
from envtool.settings import Settings
from envtool.torch.backends import is_gpu_local
from envtool.torch.family import is_family


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """What the command line says about inputs. Paths are relative to the current folder."""

    specifiers: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    script: Path | None = None
    install_project: bool = True


@dataclass
class _Draft:
    """A Request in the making."""

    root: Path
    requirements: list[Requested] = field(default_factory=list)
    constraints: list[Requested] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    projects: list[LocalProject] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    credentials: dict[str, tuple[str, str]] = field(default_factory=dict)
    unlockable: list[str] = field(default_factory=list)

    def note(self, code: str, message: str) -> None:
        self.notes.append(Note(code=code, message=message))


_PYTORCH_INDEX = re.compile(
    r"/whl(/(nightly|test|lts)[^?]*)?(/(cpu|cu\d+|rocm[\d.]+|xpu))?(/torch_stable\.html|/torch/?)?/?$"
)


def is_pytorch_index(url: str) -> bool:
    """Whether an index or find-links URL is the PyTorch index or a mirror of it, by its path."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    return host == "pytorch.org" or host.endswith(".pytorch.org") or _PYTORCH_INDEX.search(parts.path) is not None


def read_pyproject(root: Path) -> dict[str, Any] | None:
    """The project's pyproject.toml, or None if there is none. Raises UsageError (``pyproject.*``)."""
    path = root / "pyproject.toml"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError("pyproject.unreadable", f"pyproject.toml cannot be read: {error.strerror}") from error
    try:
        table = tomli.loads(data.decode("utf-8-sig"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("pyproject.invalid", f"pyproject.toml is not valid TOML: {error}", "Mend that line.") from None
    check_pyproject(table)
    return table


def settings_table(pyproject: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The ``[tool.envtool]`` table. Raises UsageError if it is no table."""
    table = ((pyproject or {}).get("tool") or {}).get("envtool", {})
    if not isinstance(table, dict):
        raise UsageError("settings.type", "tool.envtool must be a table", "Write it as [tool.envtool].")
    return table


def build_request(root: Path, options: RequestOptions, settings: Settings, primary: str) -> Request:
    """Read the inputs of the project in ``root``; ``primary`` is the Python in use (``3.11``).

    Raises UsageError for bad input, NoInputsError where a source exists but cannot be used, ResolutionError
    (``lock.unlockable``) for what no hash can pin.
    """
    draft = _Draft(root=root)
    pyproject = read_pyproject(root)
    python, source = _read_sources(draft, options, settings, pyproject)
    for path in options.constraints:
        _add_content(draft, read_requirements_file(path, root, constraint=True))
    if draft.unlockable:
        message = f"cannot be pinned by a hash: {'; '.join(draft.unlockable)}"
        hint = "A lock holds names, versions and hashes, and no URL. Name a release from an index (name==version), or "
        hint += "put a wheel of it into a find-links folder and name that version."
        raise ResolutionError("lock.unlockable", message, hint)
    return Request(
        requirements=tuple(_public(draft, item) for item in draft.requirements),
        constraints=tuple(_public(draft, item) for item in draft.constraints),
        python=python if python is not None else SpecifierSet(f">={primary}"),
        python_given=python is not None,
        source=source,
        files=tuple(sorted({_relative(path, root) for path in draft.files})),
        routes=tuple(dict.fromkeys(draft.routes)),
        projects=tuple(dict.fromkeys(draft.projects)) if options.install_project else (),
        notes=tuple(dict.fromkeys(draft.notes)),
        credentials=dict(draft.credentials),
    )


def _relative(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _read_sources(
    draft: _Draft, options: RequestOptions, settings: Settings, pyproject: Mapping[str, Any] | None
) -> tuple[SpecifierSet | None, str]:
    """Fill the draft from the first source that there is; its requires-python and its name."""
    root = draft.root
    project = (pyproject or {}).get("project") or {}
    python = _requires_python(project.get("requires-python"), "pyproject.toml")
    if options.specifiers or options.files:
        return python, _read_command_line(draft, options)
    if options.script is not None:
        return _read_script(draft, options.script), options.script.name
    if settings.requirements or settings.groups or settings.extras:
        draft.files.append(root / "pyproject.toml")
        draft.requirements += [_requested(text, "tool.envtool.requirements") for text in settings.requirements]
        if settings.groups or settings.extras or not settings.requirements:
            _add_project(
                draft, pyproject or {}, (*settings.extras, *options.extras), (*settings.groups, *options.groups)
            )
        return python, "[tool.envtool]"
    listed = project.get("name") and (project.get("dependencies") or "dependencies" in project.get("dynamic", ()))
    if listed or options.groups or options.extras:
        _add_project(draft, pyproject or {}, options.extras, options.groups)
        return python, "pyproject.toml"
    for name in ("requirements.in", "requirements.txt"):
        if (root / name).is_file():
            _add_content(draft, read_requirements_file(root / name, root))
            return python, name
    _refuse_poetry(pyproject or {})
    draft.requirements.append(Requested(requirement=Requirement("torch"), origin="default"))
    draft.note("request.default", "no requirements found here: setting up torch alone")
    return python, "default"


def _read_command_line(draft: _Draft, options: RequestOptions) -> str:
    for text in options.specifiers:
        _add_direct(draft, _requested(text, "command line"))
    for path in options.files:
        _add_content(draft, read_requirements_file(path, draft.root))
    words = ["the command line"] if options.specifiers else []
    return " and ".join(words + [path.name for path in options.files])


def _refuse_poetry(pyproject: Mapping[str, Any]) -> None:
    tool = pyproject.get("tool") or {}
    if "poetry" in tool and "dependencies" in (tool["poetry"] or {}):
        message = "pyproject.toml lists dependencies under [tool.poetry] only, which envtool does not read"
        hint = "Move them to [project.dependencies], or: poetry export -o requirements.in --without-hashes"
        raise NoInputsError("request.poetry", message, hint)


def _requires_python(value: Any, where: str) -> SpecifierSet | None:
    if value is None:
        return None
    try:
        return SpecifierSet(str(value))
    except InvalidSpecifier as error:
        raise UsageError("request.python", f"{where}: requires-python is not valid: {error}") from None


def _requested(text: str, origin: str) -> Requested:
    try:
        return Requested(requirement=Requirement(text), origin=origin)
    except InvalidRequirement as error:
        first = str(error).split("\n", maxsplit=1)[0]
        hint = 'A requirement looks like torch, "numpy<3" or "package[extra]>=1.2; python_version < \'3.12\'".'
        raise UsageError("request.invalid", f"{origin}: {text!r} is not a requirement: {first}", hint) from None


def _read_script(draft: _Draft, path: Path) -> SpecifierSet | None:
    """PEP 723 inline metadata, found by the reference expression of that PEP."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("script.unreadable", f"script {path.name} cannot be read: {error}") from None
    pattern = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
    blocks = [match for match in re.finditer(pattern, text) if match["type"] == "script"]
    if len(blocks) != 1:
        message = f"{path.name} has {'no' if not blocks else 'more than one'} '# /// script' block (PEP 723)"
        raise UsageError("script.metadata", message, 'Add one, with dependencies = ["torch", …].')
    rows = blocks[0]["content"].splitlines(keepends=True)
    try:
        table = tomli.loads("".join(row[2:] if row.startswith("# ") else row[1:] for row in rows))
    except tomli.TOMLDecodeError as error:
        raise UsageError("script.metadata", f"{path.name}: its script block is not valid TOML: {error}") from None
    check_script(table, path.name)
    draft.files.append(path)
    draft.requirements += [_requested(str(item), path.name) for item in table.get("dependencies", [])]
    return _requires_python(table.get("requires-python"), path.name)


def _add_project(draft: _Draft, pyproject: Mapping[str, Any], extras: Iterable[str], groups: Iterable[str]) -> None:
    project = pyproject.get("project") or {}
    name = str(project.get("name", ""))
    draft.files.append(draft.root / "pyproject.toml")
    dynamic = "dependencies" in project.get("dynamic", ())
    if dynamic:
        _add_dynamic(draft, pyproject)
    for text in project.get("dependencies", []):
        _add_direct(draft, _requested(str(text), "pyproject.toml"))
    _add_extras(draft, project, name, tuple(extras))
    _add_groups(draft, pyproject, tuple(groups))
    if "build-system" in pyproject and name:
        draft.projects.append(LocalProject(path=".", name=canonicalize_name(name), editable=True))


def _add_dynamic(draft: _Draft, pyproject: Mapping[str, Any]) -> None:
    tool = ((pyproject.get("tool") or {}).get("setuptools") or {}).get("dynamic") or {}
    files = (tool.get("dependencies") or {}).get("file")
    if files is None:
        message = "pyproject.toml declares its dependencies dynamic, and only its build backend can tell them"
        hint = "Name them with -r FILE or [tool.envtool] requirements."
        raise NoInputsError("request.dynamic", message, hint)
    for file in [files] if isinstance(files, str) else files:
        _add_content(draft, read_requirements_file(draft.root / file, draft.root))


def _add_extras(draft: _Draft, project: Mapping[str, Any], name: str, extras: Sequence[str]) -> None:
    table = {canonicalize_name(key): value for key, value in (project.get("optional-dependencies") or {}).items()}
    pending, seen = [canonicalize_name(extra) for extra in extras], set()
    while pending:
        extra = pending.pop(0)
        if extra in seen:
            continue
        seen.add(extra)
        if extra not in table:
            known = ", ".join(sorted(table)) or "none"
            raise UsageError("request.extra", f"pyproject.toml has no extra {extra!r}", f"Its extras: {known}.")
        for text in table[extra]:
            item = _requested(str(text), f"pyproject.toml[{extra}]")
            if name and canonicalize_name(item.requirement.name) == canonicalize_name(name):
                pending += [canonicalize_name(other) for other in sorted(item.requirement.extras)]
            else:
                _add_direct(draft, item)


def _add_groups(draft: _Draft, pyproject: Mapping[str, Any], groups: Sequence[str]) -> None:
    if not groups:
        return
    from packaging.dependency_groups import resolve_dependency_groups
    from packaging.errors import ExceptionGroup

    table = pyproject.get("dependency-groups") or {}
    try:
        texts = [text for group in groups for text in resolve_dependency_groups(table, group)]
    except (LookupError, ValueError, TypeError, ExceptionGroup) as error:
        known = ", ".join(sorted(table)) or "none"
        raise UsageError("request.group", f"dependency group cannot be used: {error}", f"Groups: {known}.") from None
    for text in texts:
        _add_direct(draft, _requested(str(text), f"pyproject.toml group {', '.join(groups)}"))


def _add_direct(draft: _Draft, item: Requested) -> None:
    requirement = item.requirement
    if requirement.url is None:
        draft.requirements.append(item)
    else:
        line = Line(
            origin=item.origin,
            name=requirement.name,
            url=requirement.url,
            extras=tuple(sorted(requirement.extras)),
            marker=str(requirement.marker) if requirement.marker else None,
        )
        _add_line(draft, line, draft.requirements)


def _add_content(draft: _Draft, content: FileContent) -> None:
    draft.files += content.files
    for line in content.lines:
        _add_line(draft, line, draft.requirements)
    for line in content.constraints:
        _add_line(draft, line, draft.constraints)
    for kind, value, where in content.options:
        _add_option(draft, kind, value, where)
    for option, where in content.ignored:
        draft.note("request.option-ignored", f"{where}: {option} has no meaning for a lock and is ignored")
    if any(line.hashed for line in content.lines):
        draft.note("request.hashes", "hashes in the requirements are replaced by the lock's own")


def _add_option(draft: _Draft, kind: str, value: str, where: str) -> None:
    if is_pytorch_index(value):
        message = f"{where}: index line {redact(value)} dropped: envtool routes the torch family itself"
        draft.note("request.index-dropped", message)
        return
    secret = credentials(value)
    url = redact(value)
    # A name that stays the same wherever the lock is used, because credentials are looked up by it.
    name = "route-" + hashlib.sha256(url.encode()).hexdigest()[:8]
    route = Route(name=name, url=url, kind="default-index" if kind == "default-index" else _kind(kind))
    if route not in draft.routes:
        draft.routes.append(route)
        draft.note("request.route", f"{where}: {url} is kept as routing in lock.toml, for all but the torch family")
    if secret is not None:
        draft.credentials[name] = secret


def _kind(kind: str) -> Any:
    return "find-links" if kind == "find-links" else "index"


def _add_line(draft: _Draft, line: Line, into: list[Requested]) -> None:
    if line.requirement is not None:
        into.append(Requested(requirement=line.requirement, origin=line.origin))
    elif line.local is not None:
        _add_local(draft, line, into)
    else:
        _add_url(draft, line, into)


def _add_url(draft: _Draft, line: Line, into: list[Requested]) -> None:
    url = line.url or ""
    filename = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError):
        shown = redact(url)
        draft.unlockable.append(f"{line.name + ' @ ' if line.name else ''}{shown} ({line.origin})")
        return
    if not is_family(name):
        draft.unlockable.append(f"{redact(url)} ({line.origin})")
        return
    extras = f"[{','.join(line.extras)}]" if line.extras else ""
    marker = f" ; {line.marker}" if line.marker else ""
    into.append(_requested(f"{name}{extras}=={version.public}{marker}", line.origin))
    draft.note("request.url", f"{line.origin}: direct link to {filename} becomes {name}=={version.public}")


def _add_local(draft: _Draft, line: Line, into: list[Requested]) -> None:
    text = line.local or ""
    folder = Path(unquote(urlsplit(text).path)) if text.startswith("file:") else draft.root / text.split("[", 1)[0]
    shown = _relative(folder, draft.root)
    if not folder.is_dir():
        draft.unlockable.append(f"{text} ({line.origin}: a file, not a project folder)")
        return
    pyproject = read_pyproject(folder)
    project = (pyproject or {}).get("project") or {}
    name = project.get("name")
    if pyproject is not None and name and "dependencies" not in project.get("dynamic", ()):
        for item in project.get("dependencies", []):
            _add_direct(draft, _requested(str(item), f"{line.origin} ({shown})"))
        nested = _Draft(root=folder)
        _add_extras(nested, project, str(name), line.extras)
        into += [replace(item, origin=f"{line.origin} ({shown})") for item in nested.requirements]
        draft.files.append(folder / "pyproject.toml")
    else:
        message = f"{line.origin}: {shown} does not say its dependencies statically; only what else is named is locked"
        draft.note("request.dynamic", message)
    local = LocalProject(
        path=shown or ".", name=canonicalize_name(name) if name else None, editable=line.editable, extras=line.extras
    )
    draft.projects.append(local)


def _public(draft: _Draft, item: Requested) -> Requested:
    """A family pin with a local version (``==2.5.0+cu121``) becomes public: the backend decides the build."""
    requirement = item.requirement
    if not is_family(requirement.name):
        return item
    changed = False
    parts = []
    for specifier in requirement.specifier:
        public, _, local = specifier.version.partition("+")
        operator = "==" if specifier.operator == "===" else specifier.operator
        if local:
            changed = True
            if is_gpu_local(local.lower()):
                became = f"{requirement.name}{specifier} becomes {operator}{public}"
                draft.note("request.cuda-pin", f"{item.origin}: {became}: the backend decides the build")
        parts.append(f"{operator}{public}" if local else str(specifier))
    if not changed:
        return item
    plain = Requirement(str(requirement))
    plain.specifier = SpecifierSet(",".join(parts))
    return replace(item, requirement=plain)
