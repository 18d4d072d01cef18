"""Rollback: back to full torch by a flip, or by building it from the lock when there is nothing to flip to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envtool.adapters.clock import timestamp
from envtool.env import generations as chain
from envtool.env.by_hand import changed_by_hand, listed
from envtool.env.outcome import SetupResult
from envtool.env.own import describe_own
from envtool.env.records import Flip, remember_flip
from envtool.env.verify import VerifyOptions, locate_site_packages, verify_environment
from envtool.errors import EnvtoolError, InstallError, RollbackError
from envtool.models import CheckResult, Generation, Layout, Note, Reporter
from envtool.torch.backends import CPU, FULL, Backend, parse_backend

if TYPE_CHECKING:
    from envtool.lock.workspace import Project


@dataclass(frozen=True, kw_only=True)
class RollbackRequest:
    """Where to: ``to`` is a generation's number, ``previous``, or None for the way back to full torch."""

    to: str | None = None
    dry_run: bool = False


def rollback(project: Project, layout: Layout, wanted: RollbackRequest, reporter: Reporter) -> SetupResult:
    """Go back. A flip where a sound generation is there, else full torch is built from ``torch-full.txt``.

    Raises RollbackError (8) when there is no way back or the target is not what its record says; BusyError (9);
    what :func:`envtool.env.setup.setup` raises when full torch has to be built.
    """
    start = time.monotonic()
    with contextlib.nullcontext() if wanted.dry_run else _alone(layout, reporter):
        target = choose(layout, wanted.to, reporter)
        if target is not None:
            return _flip(layout, target, wanted, reporter, lambda: time.monotonic() - start)
        _check_locked(project)
    return _build(project, layout, wanted, reporter)


def _check_locked(project: Project) -> None:
    """Raise RollbackError (``rollback.nowhere``) where there is no lock to build full torch from."""
    from envtool.lock.above import project_above
    from envtool.lock.text import LOCK_TOML

    if not (project.lockfiles / LOCK_TOML).is_file():
        message = "there is no full-torch generation here, and no lock to build one from"
        hint = project_above(project.root) or "See what there is: envtool status. Or: envtool setup --full"
        raise RollbackError("rollback.nowhere", message, hint)


def _build(project: Project, layout: Layout, wanted: RollbackRequest, reporter: Reporter) -> SetupResult:
    """Full torch from the lock. What a setup needs is imported here: a flip does without it."""
    from envtool.env.setup import SetupRequest, setup

    reporter.note("no full-torch generation is here: building one from torch-full.txt")
    # Its words are those of no setup command, so that none is taken for having asked for this.
    build = SetupRequest(backend=FULL, as_locked=True, dry_run=wanted.dry_run, words=("rollback",))
    return setup(project, layout, build, reporter)


@contextlib.contextmanager
def _alone(layout: Layout, reporter: Reporter) -> Iterator[None]:
    """The only envtool at work, after what an interrupted one left is cleaned up. (A dry run must not write.)"""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(chain.exclusive(layout))
            for sentence in chain.recover(layout):
                reporter.note(sentence)
        except InstallError as error:
            raise RollbackError(error.code, error.message, error.hint) from error
        yield


def choose(layout: Layout, to: str | None, reporter: Reporter) -> Generation | None:
    """The generation to go back to, examined; None when full torch is wanted and none is there.

    Raises RollbackError (``rollback.unknown``, ``rollback.unsound``, ``rollback.previous``).
    """
    if to is None:
        return _sound_full(layout, reporter)
    if to == "previous":
        found = chain.previous(layout)
        if found is None:
            hint = "See what there is: envtool status. Full torch: envtool rollback"
            raise RollbackError("rollback.previous", "there is no generation before this one", hint)
        return _sound(layout, found)
    listed = {str(generation.id): generation for generation in chain.list_generations(layout)}
    if to not in listed:
        before = "; or: previous" if chain.previous(layout) else ""
        known = (
            f"There {'are' if len(listed) > 1 else 'is'}: {', '.join(listed)}{before}."
            if listed
            else "There are none here."
        )
        raise RollbackError("rollback.unknown", f"there is no generation {to!r}", f"{known} See: envtool status")
    return _sound(layout, listed[to])


def _sound(layout: Layout, generation: Generation) -> Generation:
    failing = examine(layout, generation)
    if failing:
        message = f"generation {generation.id} cannot be used: {failing[0].found}"
        raise RollbackError(
            "rollback.unsound", message, "Choose another one (envtool status), or: envtool setup --full"
        )
    return generation


def _sound_full(layout: Layout, reporter: Reporter) -> Generation | None:
    """The newest full generation that still is one; the user's own comes first."""
    first = chain.way_back(layout)
    others = [one for one in chain.list_generations(layout) if chain.is_full(one) and chain.is_sound(layout, one)]
    ordered = [one for one in (first, *reversed(others)) if one is not None]
    for generation in dict.fromkeys(one.id for one in ordered):
        candidate = next(one for one in ordered if one.id == generation)
        failing = examine(layout, candidate)
        if not failing:
            return candidate
        reporter.warn(f"generation {candidate.id} is passed over: {failing[0].found}")
    return None


def examine(layout: Layout, generation: Generation) -> tuple[CheckResult, ...]:
    """The static checks that a generation fails: its build, its packages, against its own record. Nothing is run."""
    folder = layout.venv if generation.kind == "plain" else layout.generation(generation.id)
    if not chain.is_sound(layout, generation, folder):
        found = "its interpreter is gone" if generation.healthy else "it never had an interpreter that runs"
        return (CheckResult(id="interpreter", status="fail", found=found),)
    try:
        site = locate_site_packages(folder)
        if generation.backend not in ("none", ""):
            options = VerifyOptions(expected=_backend(generation.backend), static=True)
            report = verify_environment(python=None, site_packages=site, options=options)
            wanted = ("torch-present", "build-identity", "gpu-distributions", "no-gpu-distributions")
            failing = tuple(check for check in report.failures if check.id in wanted)
            if failing:
                return failing
    except EnvtoolError as error:
        return (CheckResult(id="torch-present", status="fail", found=error.message),)
    names = changed_by_hand(generation, folder)
    if names:
        found = f"it was changed by hand ({listed(names)})"
        return (CheckResult(id="installed-matches-record", status="fail", found=found),)
    return ()


def _backend(name: str) -> Backend:
    try:
        return parse_backend(name)
    except EnvtoolError:
        return CPU


def _flip(
    layout: Layout, target: Generation, wanted: RollbackRequest, reporter: Reporter, seconds: Callable[[], float]
) -> SetupResult:
    live = chain.current(layout)
    notes: tuple[Note, ...] = ()
    changed = live is None or live.id != target.id
    if changed and not wanted.dry_run:
        reporter.phase("activate", f"generation {target.id}: {target.about}")
        adopt = describe_own(layout, target.id) if chain.occupant(layout).needs_adoption else None
        try:
            chain.activate(layout, target, adopt=adopt)
        except InstallError as error:
            raise RollbackError(f"rollback.{error.code.split('.')[-1]}", error.message, error.hint) from error
        before = live.id if live is not None else None
        if chain.is_full(target):  # going forward again is not the way back
            remember_flip(layout, Flip(seconds=round(seconds(), 3), before=before, after=target.id, at=timestamp()))
        if adopt is not None:
            notes = (Note(code="env.adopted", message=f"your own .venv is kept as generation {adopt.id}"),)
    return SetupResult(
        generation=target,
        changed=changed,
        plan=None,
        checks=target.checks,
        notes=notes,
        phases={"activate": round(seconds(), 3)},
    )
