"""The phase lock: lockfiles/ for the CPU build at the version of torch that is there."""

from __future__ import annotations

from dataclasses import replace

from packaging.version import InvalidVersion, Version

from envtool.adapters.pythons import find_python
from envtool.env.install import pins_here
from envtool.env.verify import locate_python
from envtool.errors import InstallError, ResolutionError
from envtool.lock.project import Interpreter, choose_interpreter
from envtool.lock.request import RequestOptions
from envtool.lock.stage import LockRequest, LockResult, lock_project, read_request, write_lock
from envtool.lock.workspace import LOCKFILES, Project
from envtool.migrate.models import Gate, Migration
from envtool.models import SUPPORTED_PYTHONS
from envtool.torch.backends import CPU
from envtool.torch.family import is_family


def lock(migration: Migration) -> Gate:
    """The gate: the project resolves for the CPU build, without another version of torch than the one that is there.

    Raises what a lock raises, and ResolutionError (``migrate.torch``).
    """
    project, result, gate = _lock(migration)
    names = set(result.texts) | {path.name for path in project.lockfiles.glob("torch-*.txt")}
    for name in sorted(names):
        text = result.texts.get(name)
        migration.expect(project.lockfiles / name, None if text is None else text.encode())
    changed = write_lock(project, result)
    wrote = (
        f"wrote {', '.join(f'{LOCKFILES}/{name}' for name in changed)}" if changed else f"{LOCKFILES}/ is up to date"
    )
    return replace(gate, evidence=(*gate.evidence, wrote))


def plan_lock(migration: Migration) -> Gate:
    """What the lock would be. Nothing is written. Raises as :func:`lock` does."""
    _, result, gate = _lock(migration)
    migration.facts["lock"] = result.lock
    would = f"would write {LOCKFILES}/" if result.changed else f"{LOCKFILES}/ is up to date"
    return replace(gate, evidence=(*gate.evidence, would), status="todo" if result.changed else "pass")


def _lock(migration: Migration) -> tuple[Project, LockResult, Gate]:
    project = migration.project()
    inputs = RequestOptions()
    _, interpreter = read_request(project, inputs)
    wanted = LockRequest(inputs=inputs, needed=(CPU,))
    if not migration.options.upgrade_torch:
        wanted = replace(wanted, installed=_kept(migration))
    result = lock_project(project, wanted, migration.reporter)
    if not _keeps(migration, result, interpreter):
        # A lock that was there already, with another torch than .venv has.
        result = lock_project(project, wanted, migration.reporter, force=True)
    torch, before = _torch(result, interpreter), migration.found.torch
    if not _keeps(migration, result, interpreter):
        message = f"the requirements lead to torch {torch}, and .venv has {before}: one step at a time"
        hint = f"Ask for torch=={_public(str(before))} in the requirements, or allow it: --upgrade-torch"
        raise ResolutionError("migrate.torch", message, hint)
    evidence = [f"torch {torch}" + (f", the version that is there ({before})" if before else "")]
    if migration.options.upgrade_torch and before and _public(before) != _public(torch):
        evidence = [f"torch {before} becomes {torch} (--upgrade-torch)"]
    python = migration.facts.get("python")
    if python is not None:
        kept = interpreter.minor
        evidence.append(f'Python {kept}, as .venv has; to keep it: python = "{kept}" in [tool.envtool]')
    lock = result.lock
    evidence.append(f"for {', '.join(lock.targets)}; Python {', '.join(lock.pythons)}")
    return project, result, Gate(evidence=tuple(evidence), facts={"torch": torch})


def keep_python(migration: Migration) -> str | None:
    """The Python of the environment that is there, where the project and the command line name none and envtool would
    take another minor version: one thing at a time. As a version, or as a path where only the environment leads to it.
    """
    project = migration.project()
    here = ".".join((migration.found.python or "").split(".")[:2])
    named = project.settings.python or (project.root / ".python-version").is_file()
    if named or here not in SUPPORTED_PYTHONS or choose_interpreter(project).minor == here:
        return None
    try:
        find_python(here)
    except InstallError:
        base = locate_python(migration.layout.venv).resolve()
        return str(base) if base.exists() else None
    return here


def _kept(migration: Migration) -> dict[str, str]:
    """Versions to stay at, as far as they are versions; of the family without the build's suffix."""
    kept = {}
    for name, text in migration.found.installed.items():
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        kept[name] = version.public if is_family(name) else text
    return kept


def _torch(result: LockResult, interpreter: Interpreter) -> str:
    pins, _ = pins_here(result.lock, CPU.name, interpreter.version)
    return next((str(pin.version) for pin in pins if pin.name == "torch"), "")


def _keeps(migration: Migration, result: LockResult, interpreter: Interpreter) -> bool:
    before = migration.found.torch
    if before is None or migration.options.upgrade_torch:
        return True
    return _public(before) == _public(_torch(result, interpreter))


def _public(version: str) -> str:
    return version.partition("+")[0]
