"""What a check gets, and how it answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from packaging.markers import Marker, default_environment
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from envtool.env.evidence import Evidence, Step
from envtool.models import CheckResult, Lock, Pin
from envtool.torch.backends import Backend
from envtool.torch.targets import TARGETS

REBUILD = (
    "Run `envtool setup --{backend}`: it builds a clean environment beside this one and switches when it is proven."
)
_LISTED = 4
_PATCHES = range(50)
"""Patch releases that a Python may have whose own is not known."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """The evidence, and what is expected of it. ``deep``: whether every byte was read.

    ``before_setup``: what has to be done before a setup can build it anew, in sentences; empty where it can at once.
    """

    evidence: Evidence
    expected: Backend
    lock: Lock | None = None
    deep: bool = False
    before_setup: str = ""

    @property
    def rebuild(self) -> str:
        """The mend that always works."""
        name = self.expected.name
        rebuild = REBUILD.format(backend=name if name in ("cpu", "full") else f"backend {name}")
        return f"{self.before_setup} Then r{rebuild[1:]}" if self.before_setup else rebuild

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The PEP 508 marker environment of the target."""
        if self.evidence.interpreter is not None:
            return {**self.evidence.interpreter.markers, "extra": ""}
        return static_environment(self.evidence)

    @cached_property
    def locked(self) -> Mapping[str, Pin]:
        """The pins of the lock that hold for the expected backend on the target, by normalised name."""
        if self.lock is None:
            return {}
        own = self.lock.torch.get(self.expected.name)
        pins = (*(own.pins if own is not None else ()), *self.lock.rest.pins)
        return {canonicalize_name(pin.name): pin for pin in pins if self._holds(pin)}

    def _holds(self, pin: Pin) -> bool:
        """Whether a pin holds here; one that some patch releases of this Python need does where it is installed."""
        if pin.marker is None:
            return True
        marker, environment = Marker(pin.marker), dict(self.environment)
        known = self.evidence.interpreter is not None or self.evidence.python is not None
        if known or "full_version" not in pin.marker:
            return marker.evaluate(environment)
        versions = [f"{environment['python_version']}.{patch}" for patch in _PATCHES]
        found = {marker.evaluate({**environment, "python_full_version": version}) for version in versions}
        return found == {True} or (True in found and self.evidence.find(canonicalize_name(pin.name)) is not None)

    def passed(self, check: str, found: str) -> CheckResult:
        """The check holds."""
        return CheckResult(id=check, status="pass", found=found)

    def skipped(self, check: str, reason: str) -> CheckResult:
        """The check does not apply, or could not be made."""
        return CheckResult(id=check, status="skip", found=reason)

    def failed(self, check: str, found: str, *, why: str, fix: str = "") -> CheckResult:
        """The check does not hold. ``fix`` defaults to building the environment anew."""
        return CheckResult(id=check, status="fail", found=found, why=why, fix=fix or self.rebuild)

    def step(self, check: str, name: str) -> Step | CheckResult:
        """A step of the probe, or the skipped check if it did not run."""
        evidence = self.evidence
        if evidence.torch is None and evidence.find("torch") is None:
            return self.skipped(check, "torch is not installed")
        if evidence.steps is None:
            return self.skipped(check, "not run: no interpreter was started")
        step = evidence.steps.get(name)
        if step is not None:
            return step
        imported = evidence.steps.get("import-torch")
        if imported is not None and not imported.ok:
            return self.skipped(check, "not run: torch cannot be imported")
        return self.skipped(check, "not run: the probe did not get this far")


def static_environment(evidence: Evidence) -> dict[str, str]:
    """The marker environment of a folder that no interpreter was asked about.

    The tags of the installed torch wheel name its Python and platform; without them, the folder's name
    (``lib/python3.11``) and this machine do. The patch release is that which pyvenv.cfg names, if it does.
    """
    environment = {**{key: str(value) for key, value in default_environment().items()}, "extra": ""}
    torch = evidence.find("torch")
    tags = [tag for text in (torch.tags if torch is not None else ()) for tag in parse_tag(text)]
    named = [match[1] for path in evidence.paths if (match := re.search(r"python(3\.\d+)(?:[/\\]|$)", path))]
    tagged = [f"3.{match[1]}" for tag in tags if (match := re.fullmatch(r"cp3(\d+)", tag.interpreter))]
    python = next(iter([*named, *tagged]), environment["python_version"])
    for target in TARGETS.values():
        if any(re.fullmatch(target.wheel_platform, tag.platform) for tag in tags):
            environment |= target.environment(python)
    if environment["python_version"] != python:
        environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    if evidence.python is not None and evidence.python.startswith(f"{python}."):
        environment["python_full_version"] = evidence.python
    return environment


def listing(items: Iterable[str], total: int | None = None) -> str:
    """The first few items, and how many more there are."""
    shown = list(items)
    count = len(shown) if total is None else total
    head = ", ".join(shown[:_LISTED])
    return f"{head} and {count - _LISTED} more" if count > _LISTED else head
