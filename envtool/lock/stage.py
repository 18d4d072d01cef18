"""The lock command: fresh or stale, make, compare, write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envtool.adapters import files
from envtool.adapters.process import uninterrupted
from envtool.errors import ExitCode, InstallError, LockError, ResolutionError
from envtool.lock.above import project_above
from envtool.lock.coverage import full_left_out, lock_command, uncovered
from envtool.lock.differences import diff_locks, lock_files, pins_by_backend
from envtool.lock.inputs import changed_lines, check_python, inputs_digest, minor_versions
from envtool.lock.project import Interpreter, choose_interpreter, find_links_folders, index_access, torch_index
from envtool.lock.request import RequestOptions, build_request
from envtool.lock.task import LockOptions
from envtool.lock.text import (
    LOCK_TOML,
    interrupted_texts,
    parse_lock,
    read_existing,
    read_lock,
    read_texts,
    render_lock,
)
from envtool.lock.workspace import LOCKFILES, Project
from envtool.lock.writable import check_inside, check_writable, unwritable
from envtool.models import IndexAccess, Lock, Note, Outcome, Reporter, Request, Requested
from envtool.reports.tables import plural
from envtool.settings import ALL_TARGETS
from envtool.torch.backends import CPU, FULL, Backend, parse_backend
from envtool.torch.unserved import naming_torch_index


@dataclass(frozen=True, kw_only=True)
class LockRequest:
    """What ``envtool lock`` was asked for. Without ``backends`` or ``resolver``, those of the earlier lock are kept.

    ``needed``: backends without which an existing lock counts as stale. ``only_resolve``: nothing is installed
    afterwards, so the Python to lock for need not be on this machine. ``installed``: public versions by name, to stay
    at where the requirements admit them. ``widen``: make a lock for all targets and Pythons that was narrowed because
    the PyTorch index could not be reached. ``writes``: the lock will be written, so that a folder that cannot be is an
    error before the work. ``said_later``: codes of notes that the caller prints itself, at the end.
    """

    inputs: RequestOptions = field(default_factory=RequestOptions)
    backends: tuple[Backend, ...] = ()
    needed: tuple[Backend, ...] = ()
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    resolver: str | None = None
    only_resolve: bool = False
    installed: Mapping[str, str] = field(default_factory=dict)
    widen: bool = False
    writes: bool = False
    said_later: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """A lock, whether its files changed, and how: lines like ``~ numpy 2.1.0 -> 2.2.0``."""

    lock: Lock
    changed: bool
    texts: Mapping[str, str]
    diff: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    had_previous: bool = True


def existing_lock(project: Project) -> Lock | None:
    """The project's lock, or None if there is none. Raises LockError for a malformed one."""
    return read_existing(project.lockfiles)


def staleness(lock: Lock, request: Request, project: Project, backends: Iterable[Backend]) -> tuple[str, ...]:
    """Why a lock does not fit the inputs any more, as sentences; empty when it does."""
    reasons: list[str] = []
    missing = [backend.name for backend in backends if backend.name not in lock.torch]
    if missing:
        reasons.append(f"not locked for {', '.join(missing)}")
    if request.source == f"{LOCKFILES}/{LOCK_TOML}" or lock.inputs == inputs_digest(
        request, project.settings.targets, project.settings.gpu_packages
    ):
        return tuple(reasons)
    reasons += changed_lines(lock.requirements, request.requirements, "requirement")
    reasons += changed_lines(lock.constraints, request.constraints, "constraint")
    reasons += changed_lines(lock.overrides, request.overrides, "override")
    if lock.python != str(request.python):
        reasons.append(f"requires-python was {lock.python or 'open'}, is {request.python or 'open'}")
    if lock.gpu_packages != project.settings.gpu_packages:
        reasons.append(f"gpu-packages was {lock.gpu_packages}, is {project.settings.gpu_packages}")
    return tuple(reasons) or ("targets, local projects or routing changed",)


def read_request(
    project: Project, inputs: RequestOptions, *, only_resolve: bool = False
) -> tuple[Request, Interpreter]:
    """The project's request and the Python for it. See build_request and choose_interpreter for what they raise.

    A Python to install for that the project does not admit is a UsageError (``lock.python``).
    """
    interpreter = choose_interpreter(project, only_resolve=only_resolve)
    if inputs == RequestOptions() and not has_sources(project):
        try:
            lock = existing_lock(project)
        except LockError:
            lock = _interrupted(project)
            if lock is None:
                raise
        if lock is not None:
            return request_from_lock(lock), interpreter
    request = _as_widely(build_request(project.root, inputs, project.settings, interpreter.minor), project, interpreter)
    if interpreter.minor not in minor_versions(request.python) and project.settings.python is None:
        interpreter = choose_interpreter(project, request.python, only_resolve=only_resolve)
    if not only_resolve and request.python_given:
        check_python(request.python, interpreter.minor)  # whether or not there is a lock: none would be for this Python
    return request, interpreter


def needed_lock(project: Project) -> Lock:
    """The project's lock. Raises LockError; where there is none, but in a folder above, its hint asks for that one."""
    try:
        return read_lock(project.lockfiles)
    except LockError as error:
        if error.code == "lock.missing":
            error.hint = project_above(project.root) or error.hint
        raise


def _as_widely(request: Request, project: Project, interpreter: Interpreter) -> Request:
    """A project that does not say its requires-python keeps that of its lock while the lock covers the Python in use.

    Its own would be "this Python and later": with two of them, each developer would make the other's lock stale.
    """
    if request.python_given:
        return request
    with contextlib.suppress(LockError):  # a damaged lock is told of where it is needed
        lock = existing_lock(project)
        if lock is not None and interpreter.minor in lock.pythons:
            return replace(request, python=SpecifierSet(lock.python))
    return request


def has_sources(project: Project) -> bool:
    """Whether the folder holds anything that names requirements."""
    named = bool(project.settings.requirements or project.settings.groups or project.settings.extras)
    files_there = any((project.root / name).is_file() for name in ("requirements.in", "requirements.txt", "setup.py"))
    table = project.pyproject or {}
    return named or files_there or bool(table.get("project") or table.get("build-system"))


def request_from_lock(lock: Lock) -> Request:
    """The request that a lock was made from, as the lock itself keeps it: for a folder that holds nothing else."""

    def listed(texts: Iterable[str]) -> tuple[Requested, ...]:
        return tuple(Requested(requirement=Requirement(text), origin=LOCK_TOML) for text in texts)

    return Request(
        requirements=listed(lock.requirements),
        constraints=listed(lock.constraints),
        overrides=listed(lock.overrides),
        python=SpecifierSet(lock.python),
        source=f"{LOCKFILES}/{LOCK_TOML}",
        routes=lock.routes,
        projects=lock.projects,
        local_names=tuple(sorted({project.name for project in lock.projects if project.name})),
    )


def lock_project(project: Project, wanted: LockRequest, reporter: Reporter, *, force: bool = False) -> LockResult:
    """Bring the lock up to date in memory; nothing is written.

    A lock that fits its inputs is given back as it is, without any network, unless an upgrade is asked for, or it is to
    be widened. ``force`` resolves again all the same. Raises what make_lock and read_lock raise.
    """
    request, interpreter = read_request(project, wanted.inputs, only_resolve=wanted.only_resolve)
    previous, before = _previous(project, reporter)
    if previous is not None and not force and _is_fresh(previous, request, project, wanted):
        texts = before or render_lock(previous)
        kept = LockResult(lock=previous, changed=not before, texts=texts, notes=request.notes)
        if not (previous.narrowed and wanted.widen):
            return kept
        try:
            return lock_project(project, wanted, reporter, force=True)
        except InstallError as error:  # the lock fits all the same: without a network there is nothing to complain of
            reporter.note(f"the lock stays narrow: {error.message}")
            return kept
    from envtool.lock.make import make_lock  # late: most commands read a lock, and few make one

    _check_before(project, wanted, previous)
    for note in request.notes:
        reporter.note(note.message)
    options = _options(
        project, wanted, index_access(project, request.routes, request.credentials), interpreter, previous
    )
    with naming_torch_index(options.torch_index):
        lock = make_lock(request, options, previous, reporter)
    _say(lock, lock.notes[len(request.notes) :], wanted.said_later, reporter)
    texts = render_lock(lock)
    diff = diff_locks(previous, lock)
    return LockResult(
        lock=lock,
        changed=before != texts,
        texts=texts,
        diff=diff,
        notes=lock.notes,
        had_previous=previous is not None,
    )


def _previous(project: Project, reporter: Reporter) -> tuple[Lock | None, Mapping[str, str]]:
    """The lock before this one, and its texts. An interrupted one counts, without texts: it is still to be written."""
    try:
        lock = existing_lock(project)
        return lock, read_texts(project.lockfiles) if lock is not None else {}
    except LockError as error:
        if error.code == "lock.newer":
            raise
        interrupted = _interrupted(project)
        what = "locking from scratch" if interrupted is None else "going on from there"
        reporter.warn(f"{error.message}; {what}")
        return interrupted, {}


def _interrupted(project: Project) -> Lock | None:
    texts = interrupted_texts(project.lockfiles)
    with contextlib.suppress(LockError):
        return parse_lock(texts, LOCKFILES) if texts is not None else None
    return None


def _say(lock: Lock, notes: Iterable[Note], later: tuple[str, ...], reporter: Reporter) -> None:
    """What the user should know of a new lock; a gap that a note tells the cause of is said once."""
    for note in notes:
        if note.code not in later:
            reporter.note(note.message)
    for gap in lock.gaps:
        if not any(note.message.startswith(gap) for note in lock.notes):
            reporter.note(gap)


def _is_fresh(previous: Lock, request: Request, project: Project, wanted: LockRequest) -> bool:
    if wanted.upgrade or wanted.upgrade_packages or wanted.resolver not in (None, previous.resolver):
        return False
    # Who names full torch wants it for all targets, or to learn why not. A setup needs it for this machine alone.
    if full_left_out(previous, wanted.backends):
        return False
    return not staleness(previous, request, project, (*wanted.needed, *wanted.backends))


def _options(
    project: Project, wanted: LockRequest, access: IndexAccess, interpreter: Interpreter, previous: Lock | None
) -> LockOptions:
    backends = wanted.backends
    if not backends:
        kept = tuple(parse_backend(name) for name in previous.torch) if previous is not None else (CPU, FULL)
        backends = tuple(dict.fromkeys((*kept, *wanted.needed)))
    return LockOptions(
        backends=backends,
        torch_index=torch_index(project),
        access=access,
        folders=find_links_folders(project, access),
        targets=project.settings.targets or ALL_TARGETS,
        targets_chosen=bool(project.settings.targets),
        gpu_packages=project.settings.gpu_packages,
        primary=interpreter.minor,
        interpreter=str(interpreter.path),
        resolver=wanted.resolver or (previous.resolver if previous is not None else "uv"),
        optional=frozenset({FULL.name}) - {backend.name for backend in wanted.backends},
        needed=frozenset(backend.name for backend in wanted.needed),
        upgrade=wanted.upgrade,
        upgrade_packages=tuple(canonicalize_name(name) for name in wanted.upgrade_packages),
        installed=wanted.installed,
    )


def _check_before(project: Project, wanted: LockRequest, previous: Lock | None) -> None:
    """What would otherwise be found after the work."""
    if wanted.writes:
        check_writable(project)
    if previous is None:
        return
    locked = {pin.name for file in (previous.rest, *previous.torch.values()) for pin in file.pins}
    for name in wanted.upgrade_packages:
        if canonicalize_name(name) not in locked:
            raise ResolutionError(
                "lock.upgrade", f"{name} is not in the lock, so it cannot be upgraded", "Is its name right?"
            )


def write_lock(project: Project, result: LockResult) -> tuple[str, ...]:
    """Write the files that changed, together, lock.toml last; and remove torch files no longer named.

    As long as lock.toml is the old one, the new one waits beside it, by which a reader tells an interrupted lock from
    an edited one. Returns the names of what changed. Raises LockError (``lock.write``, ``lock.outside``); then all is
    as it was.
    """
    folder = project.lockfiles
    check_inside(project)
    try:
        files.make_folder(folder)
        contents = {}
        for name in [*(name for name in result.texts if name != LOCK_TOML), LOCK_TOML]:
            path, content = folder / name, result.texts[name].encode()
            if not path.is_file() or path.read_bytes() != content:
                contents[path] = content
        changed = [path.name for path in contents]
        with uninterrupted():
            files.write_together(contents)
            for name in result.texts:
                files.sweep(folder / name)
            for path in folder.glob("torch-*.txt"):
                if path.name not in result.texts:
                    files.remove_file(path)
                    changed.append(path.name)
    except OSError as error:
        raise unwritable(folder.name, error) from error
    return tuple(changed)


def check_lock(project: Project, wanted: LockRequest) -> Outcome:
    """Whether the lock fits its inputs; exit code 5 with what changed when not. Nothing is written, no network used."""
    request, _ = read_request(project, wanted.inputs, only_resolve=wanted.only_resolve)
    lock = needed_lock(project)
    reasons = staleness(lock, request, project, (*wanted.needed, *wanted.backends))
    left_out = full_left_out(lock, wanted.backends)
    if left_out:
        reasons = (*reasons, f"full torch is not locked for {', '.join(left_out)}")
    result = {"changed": bool(reasons), "files": _file_names(lock), "pins": pins_by_backend(lock), "notes": []}
    if not reasons:
        return Outcome(result=result, text=f"{LOCKFILES}/ is up to date", brief="")
    message = f"{LOCKFILES}/ is stale: {'; '.join(reasons)}"
    command = " ".join([lock_command(lock, wanted.backends), *wanted.inputs.words()])
    error = ("lock.stale", message, f"Bring it up to date: {command}")
    return Outcome(result=result, exit_code=int(ExitCode.LOCK), error=error)


def _file_names(lock: Lock) -> list[str]:
    return [f"{LOCKFILES}/{name}" for name in sorted([*(file.filename for file in lock_files(lock)), LOCK_TOML])]


def lock_outcome(project: Project, result: LockResult, changed: tuple[str, ...], *, wrote: bool) -> Outcome:
    """What ``envtool lock`` reports: the diff, what was written, and the torch of each backend."""
    lock = result.lock
    data = {
        "changed": result.changed,
        "files": _file_names(lock),
        "pins": pins_by_backend(lock),
        "notes": [note.as_dict() for note in result.notes],
        "diff": list(result.diff),
        "gaps": list(lock.gaps),
    }
    lines = list(result.diff) if result.had_previous or not wrote else []  # a first lock is all news
    if not wrote:
        lines.append("nothing written (--diff)" if result.changed else f"{LOCKFILES}/ is up to date")
        return Outcome(result=data, text="\n".join(lines), brief="\n".join(result.diff))
    if not changed:
        return Outcome(result=data, text=f"{LOCKFILES}/ is up to date", brief="")
    for backend, file in sorted(lock.torch.items()):
        versions = sorted({str(pin.version) for pin in file.pins if pin.name == "torch"})
        left_out = uncovered(lock, backend)
        what = f"{backend}, not for {', '.join(left_out)}" if left_out else backend
        lines.append(f"{file.filename}: torch {' and '.join(versions)}, {plural(len(file.pins), 'pin')} ({what})")
    lines.append(f"{lock.rest.filename}: {plural(len(lock.rest.pins), 'pin')}")
    lines.append(f"locked for {', '.join(lock.targets)}; Python {', '.join(lock.pythons)}")
    return Outcome(result=data, text="\n".join(lines), brief="")
