"""Install a lock with uv: the torch file from its backend's index, the rest from the default one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.version import Version

from envtool.adapters import platform, uv
from envtool.adapters.http import UnreachableError, fetch_page, redact
from envtool.adapters.old_setuptools import old_setuptools_note
from envtool.adapters.uv_errors import raise_install_failure
from envtool.errors import InstallError, LockError
from envtool.lock.coverage import lock_command, uncovered
from envtool.models import Completed, IndexAccess, LocalProject, Lock, Pin, Reporter
from envtool.reports.tables import plural
from envtool.torch.backends import CPU, FULL, Backend
from envtool.torch.family import is_family
from envtool.torch.gpu_index import without_gpu_indexes
from envtool.torch.index import ACCEPT
from envtool.torch.offers import read_folders
from envtool.torch.targets import TARGETS, Target, host_target


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What to install, and from where. ``folders`` are find-links folders; ``root`` is what project paths start at."""

    lock: Lock
    backend: Backend
    access: IndexAccess
    torch_index: str
    folders: tuple[Path, ...]
    root: Path
    compile_bytecode: bool = True
    projects: tuple[LocalProject, ...] = ()


def pins_here(lock: Lock, backend: str, python: str) -> tuple[tuple[Pin, ...], tuple[Pin, ...]]:
    """The torch file's pins and the rest's that apply on this machine with Python ``python``.

    It is a version such as ``3.11.7``, since markers tell patch releases apart; ``3.11`` stands for a late one.

    Raises LockError (``lock.backend``, ``lock.target``, ``lock.python``) when the lock does not cover it.
    """
    version = Version(python)
    minor = f"{version.major}.{version.minor}"
    target = _covered_target(lock, minor)
    if backend not in lock.torch:
        hint = f"Lock it: envtool lock --backend {backend}"
        raise LockError("lock.backend", f"lockfiles/ holds no torch-{backend}.txt", hint)
    environment = _environment(target, version)

    def applying(pins: Iterable[Pin]) -> tuple[Pin, ...]:
        return tuple(pin for pin in pins if pin.marker is None or Marker(pin.marker).evaluate(environment))

    torch = applying(lock.torch[backend].pins)
    if not any(pin.name == "torch" for pin in torch):
        raise _no_torch(lock, backend, minor, target)
    return torch, applying(lock.rest.pins)


def projects_here(projects: Iterable[LocalProject], python: str) -> tuple[LocalProject, ...]:
    """The local projects whose markers hold on this machine with Python ``python``; see :func:`pins_here`."""
    target = host_target()
    environment = _environment(target, Version(python)) if target is not None else None
    return tuple(
        project for project in projects if project.marker is None or Marker(project.marker).evaluate(environment)
    )


def _environment(target: Target, python: Version) -> dict[str, str]:
    minor = f"{python.major}.{python.minor}"
    return dict(target.environment(minor, python.micro if len(python.release) > 2 else 99))


def _no_torch(lock: Lock, backend: str, python: str, target: Target) -> LockError:
    if backend == FULL.name and target.name in uncovered(lock, backend):
        message = f"the lock has no full torch for {target.name}: when it was made, there was no solution for it"
        hint = f"See the cause: {lock_command(lock, (FULL,))} --diff. CPU-only torch is there: envtool setup --cpu"
        return LockError("lock.target", message, hint)
    gaps = "; ".join(gap for gap in lock.gaps if gap.startswith("torch "))
    message = f"the lock has no {backend} torch for Python {python} on {target.name}{f': {gaps}' if gaps else ''}"
    return LockError("lock.python", message, f"Use Python {', '.join(lock.pythons)}, or lock another torch.")


def _covered_target(lock: Lock, python: str) -> Target:
    target = host_target()
    if target is None or target.name not in lock.targets:
        name = target.name if target is not None else "this platform"
        message = f"the lock covers {', '.join(lock.targets)}, not {name}"
        hint = f"Lock it: envtool lock --target {name}. To keep it, name it in targets of [tool.envtool]."
        hint = hint if target is not None else "envtool has no target for it."
        raise LockError("lock.target", message, hint)
    if python not in lock.pythons:
        message = f"the lock covers Python {', '.join(lock.pythons)}, not {python}"
        hint = f"Choose one: --python {lock.pythons[-1]}. Or lock for this one: envtool lock --python {python}"
        raise LockError("lock.python", message, hint)
    return TARGETS[target.name]


def make_environment(folder: Path, python: Path, prompt: str) -> None:
    """Create an empty, relocatable virtual environment. Raises InstallError (``install.venv``)."""
    arguments: list[str | Path] = ["venv", "--quiet", "--relocatable", "--no-project", f"--prompt={prompt}"]
    done = uv.run_uv([*arguments, "--no-python-downloads", "--python", python, folder])
    raise_install_failure(done, "creating the environment")


def install(environment: Path, python: str, what: Installation, reporter: Reporter) -> tuple[str, ...]:
    """Install a lock into an environment; see :func:`install_into`."""
    return install_into(platform.interpreter(environment), python, what, reporter)


def install_into(interpreter: Path, python: str, what: Installation, reporter: Reporter) -> tuple[str, ...]:
    """Install a lock for an interpreter: two steps, no dependencies, hashes required. Gives back remarks.

    Raises InstallError (6), LockError (5, a hash that does not match or a lock that does not fit here).
    """
    torch, rest = pins_here(what.lock, what.backend.name, python)
    remarks = _install_torch(interpreter, torch, what, reporter)
    if rest:
        access = rest_access(what)
        where = "the default index and those that lock.toml names" if access.routes else "the default index"
        reporter.phase("install", f"{plural(len(rest), 'package')} from {where}")
        _install_from_everywhere(interpreter, rest, access, what, reporter)
    for project in projects_here(what.projects, python):
        reporter.phase(
            "install", f"the project {project.name or project.path}{' (editable)' if project.editable else ''}"
        )
        _install_project(interpreter, project, what, reporter)
    return remarks


def rest_access(what: Installation) -> IndexAccess:
    """Where what all backends share comes from: the indexes that were asked when the cpu build decided it."""
    decided = CPU.name in what.lock.torch
    return without_gpu_indexes(what.access) if decided and what.lock.gpu_packages != "keep" else what.access


def _install_torch(interpreter: Path, pins: Sequence[Pin], what: Installation, reporter: Reporter) -> tuple[str, ...]:
    index = what.backend.index_url(what.torch_index)
    family = [pin for pin in pins if is_family(pin.name)]
    others = [pin for pin in pins if not is_family(pin.name)]
    if index is None:
        reporter.phase(
            "install", f"{_names(family)}{f' and {len(others)} GPU packages' if others else ''} from the default index"
        )
        _install_from_everywhere(interpreter, pins, what.access, what, reporter)
        return ()
    remarks = _install_family(interpreter, family, index, what, reporter)
    if others:
        reporter.phase("install", f"{plural(len(others), 'GPU package')} from the default index")
        _install_from_everywhere(interpreter, others, what.access, what, reporter)
    return remarks


def _install_family(
    interpreter: Path, family: Sequence[Pin], index: str, what: Installation, reporter: Reporter
) -> tuple[str, ...]:
    """From a find-links folder that has the locked files, else from the index."""
    names = _names(family)
    folders = _folders_with(family, what.folders)
    mismatch: LockError | None = None
    if folders:
        reporter.phase("install", f"{names} from find-links, by its locked hash")
        try:
            access = IndexAccess(find_links=tuple(map(str, folders)))
            _install_pins(interpreter, family, access, what, reporter, offline=True)
        except LockError as error:
            # Another file under the same name: not ours, so the index has to have the right one.
            mismatch = error
            reporter.warn("the wheel in find-links is not the one that is locked; asking the index")
        else:
            return (f"{names} came from a find-links folder",)
    try:
        _check_reachable(index, names)
    except InstallError as error:
        if mismatch is not None:
            places = ", ".join(map(str, folders))
            message = f"{names} in {places} is not the file that is locked, and {error.message.split('; ')[0]}"
            hint = "Put the locked wheel into the folder, or set torch-index to a mirror that can be reached."
            raise LockError(mismatch.code, message, hint) from mismatch
        raise
    reporter.phase("install", f"{names} from {redact(index)}")
    _install_pins(interpreter, family, IndexAccess(default_index=index), what, reporter)
    return ()


def _names(pins: Iterable[Pin]) -> str:
    return ", ".join(f"{pin.name} {pin.version}" for pin in pins)


def _folders_with(pins: Sequence[Pin], folders: Sequence[Path]) -> tuple[Path, ...]:
    """Find-links folders that hold a wheel of every pin's exact version: one, if it is there, else several."""
    having = [
        [folder for folder in folders if any(item.version == pin.version for item in read_folders((folder,), pin.name))]
        for pin in pins
    ]
    if not all(having):
        return ()
    one = next((folder for folder in folders if all(folder in found for found in having)), None)
    return (one,) if one is not None else tuple(dict.fromkeys(found[0] for found in having))


def _check_reachable(index: str, names: str) -> None:
    # uv tries for 8 s, and then says that torch was not found: ask first, and say what is the matter.
    try:
        page = fetch_page(f"{index}/torch/", ACCEPT)
    except UnreachableError as error:
        message = f"{error.message}; and no find-links folder holds {names}"
        hint = (
            "Set torch-index to a mirror, or find-links to a folder with the wheel; the default index has CUDA builds."
        )
        raise InstallError("torch-index.unreachable", message, error.hint or hint) from None
    if page is None:
        raise InstallError("torch-index.empty", f"{redact(index)} has no torch", "Is torch-index the right base?")


def _install_from_everywhere(
    interpreter: Path, pins: Sequence[Pin], access: IndexAccess, what: Installation, reporter: Reporter
) -> None:
    for part, names in uv.by_index(access, (pin.name for pin in pins)):
        if chosen := [pin for pin in pins if pin.name in names]:
            _install_pins(interpreter, chosen, part, what, reporter)


def _install_pins(
    interpreter: Path,
    pins: Sequence[Pin],
    access: IndexAccess,
    what: Installation,
    reporter: Reporter,
    *,
    offline: bool = False,
) -> None:
    # === for the family: == would accept, and with find-links prefer, another local version of the same release.
    lines = [
        f"{pin.name}{'===' if is_family(pin.name) else '=='}{pin.version} "
        + " ".join(f"--hash=sha256:{digest}" for digest in pin.hashes)
        for pin in pins
    ]
    with tempfile.TemporaryDirectory(prefix="envtool-") as name:
        path = Path(name) / "pins.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        arguments: list[str | Path] = ["pip", "install", "--python", interpreter, "--no-deps", "--require-hashes"]
        arguments += ["--no-python-downloads", "-r", path]
        if what.compile_bytecode:
            arguments.append("--compile-bytecode")
        if offline:
            arguments.append("--no-index")
        done = uv.run_uv(arguments, env=uv.access_environment(access), show_stderr=reporter.passthrough)
    _tell_of_repetition(done, reporter)
    more = f" and {len(pins) - 1} more" if len(pins) > 1 else ""
    raise_install_failure(done, f"installing {pins[0].name}{more}", access)


def _install_project(interpreter: Path, project: LocalProject, what: Installation, reporter: Reporter) -> None:
    extras = f"[{','.join(project.extras)}]" if project.extras else ""
    target = f"{(what.root / project.path).resolve()}{extras}"
    arguments: list[str | Path] = ["pip", "install", "--python", interpreter, "--no-deps", "--no-python-downloads"]
    arguments += ["-e", target] if project.editable else [target]
    if what.compile_bytecode and not project.editable:
        arguments.append("--compile-bytecode")
    # Not drawn on the terminal: a build that fails must not run twice to say why.
    done = uv.run_uv(arguments, env=uv.access_environment(what.access))
    _tell_of_repetition(done, reporter)
    raise_install_failure(done, f"installing the project {project.name or project.path}", what.access)


def _tell_of_repetition(done: Completed, reporter: Reporter) -> None:
    if done.repeated and done.returncode == 0:
        reporter.note(old_setuptools_note(done.repeated))
