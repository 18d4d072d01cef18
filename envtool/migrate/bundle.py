"""The phase bundle: build and try the frozen app; it reaches dist at the very end, when every other gate has held."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from envtool.adapters import files
from envtool.bundle.build import bundle as build
from envtool.bundle.contents import list_files
from envtool.bundle.models import BundleRequest, BundleResult, SpecOptions
from envtool.bundle.record import NAME, record_text
from envtool.bundle.settings import read_bundle_settings
from envtool.bundle.spec import find_spec, write_spec
from envtool.env.verify import locate_python, locate_site_packages, require_cpu
from envtool.errors import UsageError, VerifyError
from envtool.lock.project import index_access
from envtool.migrate.models import Gate, Migration
from envtool.migrate.transaction import STAGING
from envtool.reports.escape import printable
from envtool.reports.tables import size

DIST = "dist"
"""Where bundles go."""


def bundle(migration: Migration) -> Gate:
    """The gate: the bundle builds, starts and does its smoke test where there is no Python, and is small enough.

    Raises UsageError, InstallError (``bundle.*``, ``migrate.outside``), VerifyError (``bundle.<check>``).
    """
    source = app_source(migration)
    if source is None:
        return Gate(evidence=("no PyInstaller spec in the project (--spec names one)",), status="skip")
    spec, text = find_spec(source, SpecOptions())
    if migration.transaction is not None:
        migration.transaction.check_reach(migration.root / DIST / spec.stem)  # before minutes of building
    if text:
        migration.expect(spec, text.encode())
        write_spec(spec, text)
    python = _python(migration)
    project = migration.project()
    request = BundleRequest(
        spec=spec,
        python=python,
        site_packages=locate_site_packages(python.parent.parent),
        state=migration.layout.state,
        dist=migration.layout.migration / STAGING,
        settings=read_bundle_settings(project.settings.bundle),
        access=index_access(project, (), {}),
    )
    result = build(request, migration.reporter)
    failed = [check for check in result.checks if check.status == "fail"]
    if failed:
        raise VerifyError(f"bundle.{failed[0].id}", f"{failed[0].id}: {failed[0].found}", failed[0].fix)
    final = migration.root / DIST / result.path.name
    there = sum(list_files(final).values()) if final.exists() else None
    before = migration.facts.get("bundle_size_before", there)  # of the first migration, where this is a later one
    _remember(migration, replace(result, path=final))
    was = f", {size(before)} before" if before else ""
    evidence = [f"{DIST}/{printable(result.path.name)}: {size(result.sizes.total)}{was}"]
    if text:
        evidence.append(f"wrote {migration.name(spec)}")
    evidence += [f"{check.id}: {printable(check.found)}" for check in result.checks if check.status == "pass"]
    evidence += [f"{check.id} left out: {printable(check.found)}" for check in result.checks if check.status == "skip"]
    facts = {
        "spec": migration.name(spec),
        "built": result.path.name,
        "bundle_size": result.sizes.total,
        "bundle_size_before": before,
    }
    return Gate(evidence=tuple(evidence), facts=facts)


def _remember(migration: Migration, result: BundleResult) -> None:
    """The record of ``envtool bundle``, for the place that the bundle will have: it counts once the bundle is there."""
    path, text = migration.layout.state / NAME, record_text(migration.root, result)
    if migration.transaction is not None:
        migration.transaction.expect(path, text.encode())  # envtool's own folder: it may be a link out of the project
    with contextlib.suppress(OSError):  # only for reports
        files.write_text(path, text)


def plan_bundle(migration: Migration) -> Gate:
    """Which spec would be built. Raises UsageError."""
    source = app_source(migration)
    if source is None:
        return Gate(evidence=("no PyInstaller spec in the project (--spec names one)",), status="skip")
    spec, text = find_spec(source, SpecOptions())
    return Gate(evidence=(f"would {'write and ' if text else ''}build {migration.name(spec)}",), status="todo")


def app_source(migration: Migration) -> Path | None:
    """The spec or script to build; None where the project has none. Raises UsageError (``migrate.spec``)."""
    if migration.options.spec is not None:
        return migration.root / migration.options.spec
    found = sorted(path for path in migration.root.glob("*.spec") if _is_pyinstallers(path))
    if len(found) > 1:
        names = ", ".join(printable(path.name) for path in found)
        raise UsageError(
            "migrate.spec", f"there are several specs: {names}", "Name one: --spec NAME, or --skip bundle."
        )
    return found[0] if found else None


def _is_pyinstallers(path: Path) -> bool:
    """RPM has files of that name, too."""
    try:
        return "Analysis(" in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _python(migration: Migration) -> Path:
    """The interpreter to build from. Where no setup has proved it in this migration, it is proved now."""
    python = locate_python(migration.layout.venv).absolute()
    if "generation" not in migration.facts:
        migration.reporter.phase("verify", "the environment")
        require_cpu(python)
    return python
