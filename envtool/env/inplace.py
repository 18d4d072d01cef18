"""Set up in place: change an interpreter's own environment, and only what the lock names and GPU leftovers.

For a container's interpreter or a conda environment, where there is no ``.venv`` to switch. What was there is moved
aside first, file by file; when a step fails, or the process is killed and the command run again, it is put back.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool.adapters import platform
from envtool.adapters.clock import timestamp
from envtool.adapters.process import run
from envtool.adapters.pythons import is_generation
from envtool.env import generations as chain
from envtool.env import undo
from envtool.env.commands import run_checks
from envtool.env.install import Installation, install_into, pins_here, projects_here
from envtool.env.installed import installed_versions, is_installed
from envtool.env.outcome import InPlace, SetupResult
from envtool.env.plan import Plan, Size, check_space
from envtool.env.proof import raise_failure
from envtool.env.setup import SetupRequest, Steps
from envtool.env.verify import VerifyOptions, verify_environment
from envtool.errors import InstallError, UsageError
from envtool.lock.project import Interpreter, choose_interpreter
from envtool.lock.workspace import Project
from envtool.models import Layout, Note, Pin, Reporter, VerifyReport
from envtool.reports.tables import changes, plural
from envtool.torch.family import is_gpu_payload
from envtool.torch.unserved import naming_torch_index


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The environment to change. ``platlib``: where compiled packages are, if that is another folder."""

    interpreter: Interpreter
    site_packages: Path
    platlib: Path | None
    scripts: Path
    prefix: Path
    before: Mapping[str, str]

    @property
    def sites(self) -> tuple[Path, ...]:
        """Where its packages are."""
        return self.site_packages, *([self.platlib] if self.platlib is not None else [])

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where its files are."""
        return *self.sites, self.scripts, self.prefix


def set_up_in_place(project: Project, layout: Layout, wanted: SetupRequest, reporter: Reporter) -> SetupResult:
    """Bring an interpreter's own environment to the locked state.

    Raises UsageError (``in-place.python``) without ``--python``, (``in-place.generation``) for an environment that
    envtool made, InstallError (6), VerifyError (7); in these cases the environment is as it was.
    """
    if not project.settings.python:
        hint = "envtool setup --cpu --in-place --python /usr/local/bin/python"
        raise UsageError("in-place.python", "--in-place needs --python: which environment is it?", hint)
    if wanted.plain:
        raise UsageError("in-place.plain", "--in-place and --plain cannot be combined", "Leave --plain out.")
    steps = Steps(project, layout, wanted, reporter)
    if wanted.dry_run:
        _refuse_generation(_look(choose_interpreter(project)))
        return _set_up(steps, contextlib.ExitStack())
    with chain.exclusive(layout), contextlib.ExitStack() as stack:
        for sentence in chain.recover(layout):
            reporter.note(sentence)
        folder = layout.state / undo.STASH
        if platform.exists(folder):
            place = _look(choose_interpreter(project))
            before = undo.read_before(layout, place.interpreter.path, place.folders)
            _put_back(before, folder)
            reporter.note("an earlier in-place setup was interrupted: what was there is back")
        _refuse_generation(_look(choose_interpreter(project)))
        return _set_up(steps, stack)


def _refuse_generation(place: _Place) -> None:
    """A generation is what its record says, for the way back; it is replaced, and never changed."""
    if is_generation(place.prefix):
        message = f"{place.interpreter.path} is in an environment that envtool made: it is replaced, and never changed"
        hint = "Leave --in-place and --python out; or name the interpreter that is to change by its path."
        raise UsageError("in-place.generation", message, hint)


def _set_up(steps: Steps, stack: contextlib.ExitStack) -> SetupResult:
    wanted, reporter, layout = steps.wanted, steps.reporter, steps.layout
    locked, request, interpreter = steps.locked()
    what = steps.installation(locked.lock, request)
    place = _look(interpreter)
    reporter.phase("place", str(place.interpreter.path))
    torch, rest = pins_here(what.lock, wanted.backend.name, interpreter.version)
    change, leftovers = _changes(place, (*torch, *rest), keep_gpu=not wanted.backend.is_cpu)
    projects = projects_here(what.projects, interpreter.version)
    own = {str(canonicalize_name(project.name)) for project in projects if project.name}
    plan = replace(steps.plan(what, interpreter), changes=_lines(place, (*torch, *rest), leftovers))
    satisfied = (
        not change and not leftovers and all(is_installed(place.site_packages, one, what.root) for one in projects)
    )
    if wanted.dry_run:
        plan = replace(plan, size=Size(download=0, disk=0)) if satisfied else plan
        return replace(_result(place, None, plan, steps, changed=False), reused=satisfied)
    stack.enter_context(steps.written(locked))
    if satisfied:
        report = _report(place, what, wanted)
        if report.ok:
            run_checks(steps.commands, place.prefix, steps.project.root, reporter)
            return _result(place, report, plan, steps, changed=False)
        # The right versions, and yet broken (a file is missing): all of them again.
        reporter.warn(f"{report.failures[0].id}: {report.failures[0].found}; installing again")
        change = sorted({pin.name for pin in (*torch, *rest)})
    check_space(plan)
    before = undo.Before(
        python=str(place.interpreter.path),
        site_packages=str(place.site_packages),
        scripts=str(place.scripts),
        prefix=str(place.prefix),
        created=timestamp(),
        names=tuple(sorted({*change, *leftovers, *own})),
        versions=dict(place.before),
        listing=undo.list_files(place.sites, place.scripts),
        folders=undo.list_folders(place.sites),
        platlib=str(place.platlib or ""),
    )
    folder = layout.state / undo.STASH
    undo.write_before(layout, before)
    done = False
    try:
        moved = sum(name in place.before for name in before.names)
        reporter.phase("stage", f"move {plural(moved, 'package')} aside" if moved else "nothing is there to move aside")
        undo.stash(before, folder)
        with naming_torch_index(what.torch_index):
            install_into(place.interpreter.path, place.interpreter.version, what, reporter)
        reporter.phase("probe", "run the interpreter" if wanted.probe else "read the new files")
        report = _report(place, what, wanted)
        raise_failure(report, place.interpreter.path.name)
        run_checks(steps.commands, place.prefix, steps.project.root, reporter)
        done = True
    finally:
        if not done:
            reporter.phase("undo", "put back what was there")
            _put_back(before, folder)
    with contextlib.suppress(OSError):
        undo.finish(folder)
    steps.notes += [Note(code="in-place.removed", message=f"{name}, a GPU leftover") for name in leftovers]
    return _result(place, report, plan, steps, changed=True)


def _put_back(before: undo.Before, folder: Path) -> None:
    try:
        undo.undo(before, folder)
    except OSError as error:
        where = error.filename2 or error.filename or folder
        message = f"cannot put back what was there: {error.strerror or error}: {where}"
        hint = f"Make it writable and run the command again: what was moved is safe in {folder}."
        raise InstallError("in-place.undo", message, hint) from error


def _look(interpreter: Interpreter) -> _Place:
    code = "import json, sys; from sysconfig import get_path as p; "
    code += "print(json.dumps([p('purelib'), p('platlib'), p('scripts'), sys.prefix]))"
    done = run([interpreter.path, "-I", "-c", code])
    try:
        site, platlib, scripts, prefix = (Path(text) for text in json.loads(done.stdout))
    except ValueError:
        message = f"{interpreter.path.name} does not say where its packages are"
        raise InstallError("in-place.python", message, "Name another interpreter.") from None
    # In a virtual environment lib64 is a link to lib; in a Fedora's own prefix it is a folder, and torch is in it.
    apart = platform.real_path(platlib) != platform.real_path(site)
    return _Place(
        interpreter=interpreter,
        site_packages=site,
        platlib=platlib if apart else None,
        scripts=scripts,
        prefix=prefix,
        before=installed_versions(site, *([platlib] if apart else [])),
    )


def _lines(place: _Place, pins: tuple[Pin, ...], leftovers: list[str]) -> tuple[str, ...]:
    """What changes, a line a package; what the lock does not name is not touched."""
    now = {pin.name: str(pin.version) for pin in pins}
    touched = {name: version for name, version in place.before.items() if name in now or name in leftovers}
    return changes(touched, now)


def _changes(place: _Place, pins: tuple[Pin, ...], *, keep_gpu: bool) -> tuple[list[str], list[str]]:
    """Names to install or replace, and GPU leftovers to remove."""
    locked = {pin.name: pin.version for pin in pins}
    change = [name for name, version in locked.items() if not _same(place.before.get(name), version)]
    leftovers = [] if keep_gpu else [name for name in place.before if name not in locked and is_gpu_payload(name)]
    return sorted(change), sorted(leftovers)


def _same(found: str | None, wanted: Version) -> bool:
    try:
        return found is not None and Version(found) == wanted  # local version and all: 2.13.0 is not 2.13.0+cpu
    except ValueError:
        return False


def _report(place: _Place, what: Installation, wanted: SetupRequest) -> VerifyReport:
    options = VerifyOptions(expected=wanted.backend, lock=what.lock, static=not wanted.probe, beside=place.sites[1:])
    return verify_environment(python=place.interpreter.path, site_packages=place.site_packages, options=options)


def _result(place: _Place, report: VerifyReport | None, plan: Plan, steps: Steps, *, changed: bool) -> SetupResult:
    return SetupResult(
        generation=None,
        changed=changed,
        plan=plan,
        checks=report.checks if report is not None else (),
        notes=tuple(dict.fromkeys(steps.notes)),
        phases=steps.clock.phases,
        place=InPlace(
            path=place.interpreter.path,
            torch=installed_versions(*place.sites).get("torch"),
            backend=steps.wanted.backend.name,
            python=place.interpreter.minor,
        ),
    )
