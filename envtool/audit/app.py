"""The audit of one frozen app: its spec, the code that the spec bundles, and the model files among its data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from glob import glob
from pathlib import Path

from envtool.audit.classify import classify
from envtool.audit.discover import discover
from envtool.audit.engine import run_audit
from envtool.audit.frozen import apps_of, shipped_paths
from envtool.audit.models import Project
from envtool.audit.options import read_settings
from envtool.audit.pyinstaller import specs_of
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES

FAMILIES = ("CPU2", "CPU5")
"""Frozen apps and model files. What the code does with devices is asked by the audit of the whole project."""


def audit_app(spec: Path, root: Path) -> AuditReport:
    """Audit what a spec bundles; findings anywhere else in the project are left out.

    ``root`` is the project; a spec outside of it is audited with its own folder. The project's settings and its
    comments (``# envtool: ignore[CPU205]``) count. Model files are read even where git ignores them: they are shipped.

    Raises UsageError (``settings.audit``).
    """
    spec, root = spec.resolve(), root.resolve()
    root = root if spec.is_relative_to(root) else spec.parent
    options = read_settings(root, [rule.code for rule in RULES])
    models = sorted(set(_models(spec)))
    found = discover([root, spec, *models], cwd=root, exclude=options.exclude)
    report = run_audit(found, [rule for rule in RULES if rule.code.startswith(FAMILIES)], options)
    inside = set(_bundled(spec, found.project)) | {path.relative_to(report.root).as_posix() for path in models}
    return replace(report, findings=tuple(finding for finding in report.findings if finding.path in inside))


def _models(spec: Path) -> Iterator[Path]:
    """Model files in the spec's ``datas``, as far as these are written out: files, folders, patterns."""
    alone = discover([spec], cwd=spec.parent).project
    for read in specs_of(alone):
        for name in shipped_paths(read):
            for path in glob(os.path.join(spec.parent, name)):  # noqa: PTH118, PTH207 -- the pattern may be absolute
                for file in _files(Path(path)):
                    if classify(file.name) == "model":
                        yield file.resolve()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for folder, _, names in os.walk(path):
        yield from (file for file in (Path(folder, name) for name in names) if file.is_file())


def _bundled(spec: Path, project: Project) -> Iterator[str]:
    for app in apps_of(project):
        if app.spec.source.absolute == spec:
            yield from (app.spec.source.path, *app.started, *app.modules)
