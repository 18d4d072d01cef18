"""Set up in place: change an interpreter's own environment, and only what the lock names and GPU leftovers.

For a container's interpreter or a conda environment, where there is no ``.venv`` to switch. What was there is moved
aside first, file by file; when a step fails, or the process is killed and the command run again, it is put back.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from packaging.version import Version

from envtool.adapters import distributions, files
from envtool.adapters.process import run
from envtool.env import generations as chain
from envtool.env.install import Installation, install_into, pins_here
from envtool.env.installed import installed_versions
from envtool.env.plan import Plan, check_space
from envtool.env.setup import SetupRequest, SetupResult, Steps
from envtool.env.verify import VerifyOptions, verify_environment
from envtool.errors import InstallError, UsageError, VerifyError
from envtool.lock.project import Interpreter, Project
from envtool.lock.stage import write_lock
from envtool.models import Generation, Layout, Note, Pin, Reporter, VerifyReport
from envtool.torch.family import is_gpu_payload

_RECORD = "in-place.json"
_STASH = "in-place"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The environment to change."""

    interpreter: Interpreter
    site_packages: Path
    before: Mapping[str, str]


def set_up_in_place(project: Project, layout: Layout, wanted: SetupRequest, reporter: Reporter) -> SetupResult:
    """Bring an interpreter's own environment to the locked state.

    Raises UsageError (``in-place.python``) without ``--python``, InstallError (6), VerifyError (7); in these cases the
    environment is as it was.
    """
    if not project.settings.python:
        hint = "envtool setup --cpu --in-place --python /usr/local/bin/python"
        raise UsageError("in-place.python", "--in-place needs --python: which environment is it?", hint)
    with chain.exclusive(layout):
        for sentence in chain.recover(layout):
            reporter.note(sentence)
        stash = layout.state / _STASH
        if stash.is_dir():
            _undo_interrupted(layout, stash)
            reporter.note("an earlier in-place setup was interrupted: what was there is back")
        return _set_up(project, layout, wanted, reporter, stash)


def _set_up(project: Project, layout: Layout, wanted: SetupRequest, reporter: Reporter, stash: Path) -> SetupResult:
    steps = Steps(project, layout, wanted, reporter)
    locked, request, interpreter = steps.locked()
    what = steps.installation(locked.lock, request)
    plan = steps.plan(what, interpreter)
    place = _look(interpreter)
    torch, rest = pins_here(what.lock, wanted.backend.name, interpreter.minor)
    change, leftovers = _changes(place, (*torch, *rest), keep_gpu=not wanted.backend.is_cpu)
    notes = tuple(Note(code="in-place.removed", message=f"{name} removed: a GPU leftover") for name in leftovers)
    if wanted.dry_run:
        return _result(place, None, plan, steps, changed=False, notes=notes)
    if locked.changed:
        write_lock(project, locked)
    if not change and not leftovers:
        report = _verify(place, what, wanted)
        return _result(place, report, plan, steps, changed=False, notes=())
    check_space(plan)
    _write_record(layout, place, [*change, *leftovers])
    done = False
    try:
        reporter.phase("stage", f"move {len(change) + len(leftovers)} packages aside")
        _stash(place, [*change, *leftovers], stash)
        install_into(place.interpreter.path, place.interpreter.minor, what, reporter)
        reporter.phase("probe", "run the interpreter")
        report = _verify(place, what, wanted)
        done = True
    finally:
        if not done:
            reporter.warn("putting back what was there")
            _undo(place.site_packages, place.before, stash)
    files.remove_tree(stash)
    return _result(place, report, plan, steps, changed=True, notes=notes)


def _look(interpreter: Interpreter) -> _Place:
    code = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()['purelib']))"
    done = run([interpreter.path, "-I", "-c", code])
    try:
        site = Path(json.loads(done.stdout))
    except ValueError:
        message = f"{interpreter.path.name} does not say where its packages are"
        raise InstallError("in-place.python", message, "Name another interpreter.") from None
    return _Place(interpreter=interpreter, site_packages=site, before=installed_versions(site))


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


def _stash(place: _Place, names: list[str], stash: Path) -> None:
    paths: list[Path] = []
    for name in names:
        found = distributions.find_distribution(place.site_packages, name)
        if found is not None:
            paths += distributions.recorded_files(found)
    distributions.stash(dict.fromkeys(paths), stash)


def _undo(site_packages: Path, before: Mapping[str, str], stash: Path) -> None:
    """Remove every distribution that was not there before at this version, and move the old files back."""
    for name, version in installed_versions(site_packages).items():
        if before.get(name) != version:
            found = distributions.find_distribution(site_packages, name)
            if found is not None and found.files is not None:
                distributions.remove_files(distributions.recorded_files(found))
    distributions.restore(stash)
    with contextlib.suppress(OSError):
        files.remove_tree(stash)


def _undo_interrupted(layout: Layout, stash: Path) -> None:
    try:
        record = json.loads((layout.state / _RECORD).read_text(encoding="utf-8"))
        site, before = Path(record["site_packages"]), dict(record["before"])
    except (OSError, ValueError, KeyError):
        message = "an in-place setup was interrupted and its record cannot be read"
        hint = f"What it moved lies in {stash}, listed in moved.json."
        raise InstallError("in-place.record", message, hint) from None
    _undo(site, before, stash)


def _verify(place: _Place, what: Installation, wanted: SetupRequest) -> VerifyReport:
    options = VerifyOptions(expected=wanted.backend, lock=what.lock, static=not wanted.probe)
    report = verify_environment(python=place.interpreter.path, site_packages=place.site_packages, options=options)
    if not report.ok:
        first = report.failures[0]
        message = f"the environment failed {first.id}: {first.found}; it is as it was"
        raise VerifyError(f"verify.{first.id}", message, first.fix)
    return report


def _write_record(layout: Layout, place: _Place, names: list[str]) -> None:
    record = {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": str(place.interpreter.path),
        "site_packages": str(place.site_packages),
        "changed": names,
        "before": dict(place.before),
    }
    files.write_text(layout.state / _RECORD, json.dumps(record, indent=2) + "\n")


def _result(
    place: _Place, report: VerifyReport | None, plan: Plan, steps: Steps, *, changed: bool, notes: tuple[Note, ...]
) -> SetupResult:
    now = installed_versions(place.site_packages)
    generation = Generation(
        id=0,
        backend=steps.wanted.backend.name if report is not None else "unknown",
        torch=now.get("torch"),
        python=place.interpreter.minor,
        created="",
        kind="built",
        healthy=report is not None,
    )
    return SetupResult(
        generation=generation,
        changed=changed,
        plan=plan,
        checks=report.checks if report is not None else (),
        notes=(*steps.notes, *notes),
        phases=steps.clock.phases,
    )
