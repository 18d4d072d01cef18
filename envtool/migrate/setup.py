"""The phase setup: build and prove the CPU environment, run the project's checks, switch, and rehearse the way back."""

from __future__ import annotations

import time
from typing import Any

from envtool.adapters import platform
from envtool.adapters.clock import timestamp
from envtool.env import generations as chain
from envtool.env.plan import human
from envtool.env.records import Flip, remember_flip
from envtool.env.rollback import choose
from envtool.env.setup import SetupRequest, Steps
from envtool.lock.coverage import has_way_back
from envtool.lock.request import RequestOptions
from envtool.lock.stage import existing_lock, read_request
from envtool.migrate.models import Gate, Migration
from envtool.reports.tables import plural
from envtool.torch.backends import CPU


def setup(migration: Migration) -> Gate:
    """The gate: envtool's own checks and the project's hold in the new environment, before and not after the switch.

    Raises what a setup raises: LockError, InstallError, VerifyError, UsageError.
    """
    steps = _steps(migration)
    result = steps.run()
    generation = result.generation
    if generation is None:  # only a dry run has none
        raise AssertionError("a setup without an environment")
    statuses = [check.status for check in result.checks]
    skipped = statuses.count("skip")
    proof = f"{statuses.count('pass')} of {len(statuses)} checks passed" + (f", {skipped} skipped" if skipped else "")
    evidence = [
        f".venv is generation {generation.id}: torch {generation.torch}, Python {generation.python}",
        proof,
    ]
    if steps.commands:
        evidence.append(f"{plural(len(steps.commands), 'check')} of the project passed")
    back = rehearse(migration)
    if back is not None:
        evidence.append(f"way back: generation {back['generation']}, torch {back['torch']}, in {back['seconds']:.2f} s")
    elif (lock := existing_lock(steps.project)) is not None and has_way_back(lock):
        evidence.append("way back: built from lockfiles/torch-full.txt, no full torch is here")
    size = platform.disk_usage([migration.layout.generation(generation.id)]).apparent
    facts: dict[str, Any] = {"generation": generation.id, "environment_size": size, "way_back": back}
    return Gate(evidence=tuple(evidence), facts={**facts, "torch": generation.torch})


def plan_setup(migration: Migration) -> Gate:
    """What the environment would cost. Raises LockError where the lock does not cover this machine."""
    steps = _steps(migration)
    lock = migration.facts.get("lock") or existing_lock(steps.project)
    if lock is None:
        return Gate(evidence=("builds the environment from the lock",), status="todo")
    request, interpreter = read_request(steps.project, RequestOptions())
    ready = None
    if lock == existing_lock(steps.project):
        ready = steps.ready(steps.identity(steps.texts(), interpreter, request), interpreter)
    if ready is not None:
        return Gate(evidence=(f"generation {ready.id} is there already: {ready.about}",), status="todo")
    plan = steps.plan(steps.installation(lock, request), interpreter)
    size, known = plan.size, plan.full is not None and not plan.full.unknown
    full = f" (full torch: {human(plan.full.disk)})" if plan.full is not None and known else ""
    most = "" if size.unknown else " at most"
    evidence = [
        f"download {human(size.download)}{most}, about {human(size.disk)} on disk{size.uncounted}{full}",
        f"{plural(len(plan.changes), 'package')} would change",
    ]
    if steps.commands:
        evidence.append(f"then {plural(len(steps.commands), 'check')} of the project")
    return Gate(evidence=tuple(evidence), status="todo")


def rehearse(migration: Migration) -> dict[str, Any] | None:
    """Take the way back to full torch, and come forward again: what is measured is what a rollback does.

    None where no full torch is in the chain. Raises InstallError when the switch fails.
    """
    layout = migration.layout
    now = chain.current(layout)
    start = time.monotonic()
    target = choose(layout, None, migration.reporter)
    if target is None or now is None or target.id == now.id:
        return None
    chain.activate(layout, target)
    flip = Flip(seconds=round(time.monotonic() - start, 3), before=now.id, after=target.id, at=timestamp())
    chain.activate(layout, now)
    remember_flip(layout, flip)
    return {"generation": target.id, "torch": target.torch, "seconds": flip.seconds}


def _steps(migration: Migration) -> Steps:
    python = migration.options.python or migration.facts.get("python")
    wanted = SetupRequest(
        backend=CPU,
        frozen=True,  # the lock is a phase of its own, and what it writes is saved first
        checks=migration.options.checks,
        # The words of the everyday command: it then sees that nothing is to do.
        words=("--cpu", "--python", python) if python else ("--cpu",),
    )
    return Steps(migration.project(), migration.layout, wanted, migration.reporter)
