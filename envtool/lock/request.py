"""Find out what a project asks for: the first source that there is, read and normalised into a Request."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import tomli
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from envtool.adapters.http import redact_text
from envtool.errors import NoInputsError, ResolutionError, UsageError
from envtool.lock.above import files_under_other_names, listed_files, project_above, torch_beside
from envtool.lock.draft import Draft, uv_table
from envtool.lock.markers import limited
from envtool.lock.paths import relative
from envtool.lock.pyproject import extra_requirements, group_requirements, torch_elsewhere
from envtool.lock.requirements_file import COMMAND_LINE, read_requirements_file, requested
from envtool.lock.shape import check_script
from envtool.lock.slips import refuse_pytorch
from envtool.lock.uv_table import overridden, read_uv_table
from envtool.lock.workspace import read_pyproject
from envtool.models import LocalProject, Request, Requested
from envtool.settings import Settings

_UNREAD = ("environment.yml", "environment.yaml", "Pipfile", "conda.yaml")
"""Files that list requirements in another form. A folder with nothing else gets torch alone, and is told so."""

_SHOWN = 300
"""How many characters of unlockable lines an error lists; the first line is always shown."""


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """What the command line says about inputs. Paths are relative to the current folder."""

    specifiers: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    script: Path | None = None

    def words(self) -> tuple[str, ...]:
        """The options as they are typed, for a command that a hint names."""
        options = (
            ("-r", self.files),
            ("-c", self.constraints),
            ("--extra", self.extras),
            ("--group", self.groups),
            ("--script", (self.script,) if self.script is not None else ()),
        )
        named = [word for option, values in options for value in values for word in (option, str(value))]
        return tuple(shlex.quote(redact_text(word)) for word in (*self.specifiers, *named))


def build_request(root: Path, options: RequestOptions, settings: Settings, primary: str) -> Request:
    """Read the inputs of the project in ``root``; ``primary`` is the Python in use (``3.11``).

    Raises UsageError for bad input, NoInputsError where a source exists but cannot be used,
    ResolutionError (``lock.unlockable``) for what no hash can pin.
    """
    draft = Draft(root=root)
    pyproject = read_pyproject(root)
    if options.script is None and (options.files or not options.specifiers):
        draft.add_uv_table(uv_table(root, pyproject or {}, root))
    python, source = _read_sources(draft, options, settings, pyproject)
    for path in options.constraints:
        draft.add_content(read_requirements_file(path, root, constraint=True))
    if draft.unlockable:
        shown = _first(draft.unlockable)
        more = f"; and {len(draft.unlockable) - len(shown)} more" if len(draft.unlockable) > len(shown) else ""
        message = f"a lock pins releases by hash, without URLs, and cannot pin {'; '.join(shown)}{more}"
        hint = "Name a release from an index instead (name==version); or build or download its wheel into a folder "
        hint += "(pip wheel --no-deps URL -w wheels), name that version, and lock with --find-links wheels."
        raise ResolutionError("lock.unlockable", message, hint)
    overrides = tuple(draft.public(item) for item in draft.overrides)
    requirements = overridden((draft.public(item) for item in draft.requirements), overrides)
    routes = draft.all_routes()
    refuse_pytorch(requirements, routes)
    return Request(
        requirements=requirements,
        constraints=tuple(draft.public(item) for item in draft.constraints),
        overrides=overrides,
        linked=dict(draft.linked),
        local_names=tuple(sorted({item.name for item in (*draft.seen, *draft.projects) if item.name})),
        python=python if python is not None else SpecifierSet(f">={primary}"),
        python_given=python is not None,
        source=source,
        files=tuple(sorted({relative(path, root) for path in draft.files})),
        dynamic=tuple(dict.fromkeys(draft.dynamic)),
        routes=routes,
        projects=tuple(dict.fromkeys(draft.projects)),
        notes=tuple(dict.fromkeys(draft.notes)),
        credentials=dict(draft.credentials),
        elsewhere=torch_elsewhere(pyproject) if source == "pyproject.toml" else (),
        beside="" if options.specifiers or options.files or options.script else torch_beside(root, source),
    )


def _first(lines: Sequence[str]) -> list[str]:
    lengths = accumulate(len(line) for line in lines)
    return [
        line for place, (line, length) in enumerate(zip(lines, lengths, strict=True)) if not place or length <= _SHOWN
    ]


def _read_sources(
    draft: Draft, options: RequestOptions, settings: Settings, pyproject: Mapping[str, Any] | None
) -> tuple[SpecifierSet | None, str]:
    """Fill the draft from the first source that there is; its requires-python and its name."""
    root = draft.root
    project = (pyproject or {}).get("project") or {}
    python = _requires_python(project.get("requires-python"), "pyproject.toml")
    if options.specifiers or options.files:
        if not options.files:
            _note_what_is_left_out(draft, settings, project)
        return python, _read_command_line(draft, options)
    _refuse_choice_of_nothing(root, options, pyproject)
    if options.script is not None:
        return _read_script(draft, options.script), options.script.name
    if settings.requirements or settings.groups or settings.extras:
        draft.files.append(root / "pyproject.toml")
        draft.add(requested(text, "tool.envtool.requirements") for text in settings.requirements)
        # Requirements there stand for [project.dependencies], and not for what extras and groups add.
        add = _add_extras if settings.requirements else _add_project
        add(draft, pyproject or {}, (*settings.extras, *options.extras), (*settings.groups, *options.groups))
        return python, "[tool.envtool]"
    listed = project.get("name") and (project.get("dependencies") or "dependencies" in project.get("dynamic", ()))
    unlisted = not project.get("name") and ("build-system" in (pyproject or {}) or (root / "setup.py").is_file())
    if listed or options.groups or (options.extras and not unlisted):
        _add_project(draft, pyproject or {}, options.extras, options.groups)
        return python, "pyproject.toml"
    for name in ("requirements.in", "requirements.txt"):
        if (root / name).is_file():
            draft.add_content(read_requirements_file(root / name, root))
            _note_what_is_not_installed(draft, pyproject or {}, name)
            return python, name
    if unlisted:
        draft.add_dynamic(root, options.extras)
        draft.projects.append(LocalProject(path=".", name=None, editable=True, extras=options.extras))
        return python, "setup.py" if (root / "setup.py").is_file() else "pyproject.toml"
    _refuse_poetry(pyproject or {})
    _add_torch_alone(draft)
    return python, "default"


def _refuse_choice_of_nothing(root: Path, options: RequestOptions, pyproject: Mapping[str, Any] | None) -> None:
    """Extras and groups stand in a pyproject.toml; a setup.py has extras, too."""
    extras = () if (root / "setup.py").is_file() else options.extras
    for kind, names in (("group", options.groups), ("extra", extras)):
        if names and pyproject is None:
            message = f"there is no pyproject.toml here, and so no {kind} {' or '.join(map(repr, names))}"
            raise UsageError(f"request.{kind}", message, f"Leave --{kind} out, or go to the project's folder.")


def _add_torch_alone(draft: Draft) -> None:
    draft.requirements.append(Requested(requirement=Requirement("torch"), origin="default"))
    unread = [name for name in _UNREAD if (draft.root / name).is_file()]
    beside = f" ({', '.join(unread)} is not read)" if unread else ""
    above = project_above(draft.root)
    message = f"no requirements found here{beside}: setting up torch alone"
    files = files_under_other_names(draft.root)
    if files:
        draft.note("request.other-files", f"{message}. Did you mean {listed_files(files)}?")
    elif above:  # gigabytes in the wrong place, perhaps
        draft.note("request.subfolder", f"{message}. {above}")
    else:
        draft.note("request.default", message)


def _note_what_is_not_installed(draft: Draft, pyproject: Mapping[str, Any], name: str) -> None:
    """A project that can be built is installed where its own table lists the requirements, and not from a file."""
    own = canonicalize_name(str((pyproject.get("project") or {}).get("name", "")))
    here = any(project.path == "." for project in draft.projects)
    if own and "build-system" in pyproject and not here:
        message = f"{own} itself is not installed: add -e . to {name}, if it is to be"
        draft.note("request.not-installed", message)


def _note_what_is_left_out(draft: Draft, settings: Settings, project: Mapping[str, Any]) -> None:
    """pip and uv add what stands on the command line to what is there; here it is all that is asked for."""
    files = [name for name in ("requirements.in", "requirements.txt") if (draft.root / name).is_file()]
    if settings.requirements or settings.groups or settings.extras:
        what, instead = "[tool.envtool]", "add them there to have both"
    elif project.get("name") and (project.get("dependencies") or "dependencies" in project.get("dynamic", ())):
        what, instead = "pyproject.toml", "add them there to have both"
    elif files:
        what, instead = files[0], f"-r {files[0]} adds it"
    else:
        return
    message = f"{what} is left out: requirements on the command line replace it; {instead}"
    draft.note("request.replaced", message)


def _read_command_line(draft: Draft, options: RequestOptions) -> str:
    for text in options.specifiers:
        draft.add([requested(text, COMMAND_LINE)])
    for path in options.files:
        draft.add_content(read_requirements_file(path, draft.root))
    words = ["the command line"] if options.specifiers else []
    return " and ".join(words + [_as_named(path, draft.root) for path in options.files])


def _as_named(path: Path, root: Path) -> str:
    """A file as -r can be told it from ``root``; no link is followed."""
    return (path.relative_to(root) if path.is_absolute() and path.is_relative_to(root) else path).as_posix()


def refuse_unread(root: Path, pyproject: Mapping[str, Any]) -> None:
    """Raise NoInputsError for a folder whose requirements stand only where envtool does not read them."""
    _refuse_poetry(pyproject)
    for name in _UNREAD:
        if (root / name).is_file():
            way = (
                "pipenv requirements > requirements.txt" if name == "Pipfile" else "conda's packages by their pip names"
            )
            hint = f"Put them into requirements.in or [project.dependencies] ({way}), and run it again."
            raise NoInputsError("request.unread", f"{name} lists requirements, and envtool does not read it", hint)


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
        raise UsageError(
            "request.python", f"{where}: requires-python is not valid: {error}", 'Such as ">=3.10".'
        ) from None


def _read_script(draft: Draft, path: Path) -> SpecifierSet | None:
    """PEP 723 inline metadata, found by the reference expression of that PEP."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 ({error.reason})"
        raise UsageError("script.unreadable", f"script {path.name} cannot be read: {why}", "Check --script.") from None
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
    draft.add_uv_table(read_uv_table(table, path.name, path.parent.resolve()))
    draft.add(requested(str(item), path.name) for item in table.get("dependencies", []))
    return _requires_python(table.get("requires-python"), path.name)


def _add_project(draft: Draft, pyproject: Mapping[str, Any], extras: Iterable[str], groups: Iterable[str]) -> None:
    project = pyproject.get("project") or {}
    name = str(project.get("name", ""))
    dynamic = project.get("dynamic", ())
    draft.files.append(draft.root / "pyproject.toml")
    if name:
        draft.seen.append(LocalProject(path=".", name=canonicalize_name(name), editable=True))
    if "dependencies" in dynamic or "optional-dependencies" in dynamic:
        _add_dynamic(draft, pyproject, tuple(extras) if "optional-dependencies" in dynamic else ())
    draft.add(requested(str(text), "pyproject.toml") for text in project.get("dependencies", []))
    _add_extras(draft, pyproject, extras, groups)
    if "build-system" in pyproject and name:
        draft.projects.append(LocalProject(path=".", name=canonicalize_name(name), editable=True))


def _add_extras(draft: Draft, pyproject: Mapping[str, Any], extras: Iterable[str], groups: Iterable[str]) -> None:
    project = pyproject.get("project") or {}
    name = str(project.get("name", ""))
    if "optional-dependencies" not in project.get("dynamic", ()):
        draft.add(extra_requirements(project, tuple(extras)))
    for item in group_requirements(pyproject, tuple(groups)):
        if name and canonicalize_name(item.requirement.name) == canonicalize_name(name):
            _add_own_extras(draft, project, item)
        else:
            draft.add([item])


def _add_own_extras(draft: Draft, project: Mapping[str, Any], item: Requested) -> None:
    """A group may ask for the project's own extras; no index is asked for these."""
    extras = tuple(sorted(item.requirement.extras))
    if "optional-dependencies" in project.get("dynamic", ()):
        draft.add_dynamic(draft.root, extras)
        return
    marker = str(item.requirement.marker) if item.requirement.marker else None
    draft.add(
        replace(listed, requirement=limited(listed.requirement, marker))
        for listed in extra_requirements(project, extras)
    )


def _add_dynamic(draft: Draft, pyproject: Mapping[str, Any], extras: tuple[str, ...]) -> None:
    """Dependencies that stand in files which setuptools is told of, or that only the build backend knows."""
    tool = ((pyproject.get("tool") or {}).get("setuptools") or {}).get("dynamic") or {}
    files = (tool.get("dependencies") or {}).get("file")
    if files is None or extras:
        draft.add_dynamic(draft.root, extras)
        return
    for file in [files] if isinstance(files, str) else files:
        draft.add_content(read_requirements_file(draft.root / file, draft.root), sourced=True)
