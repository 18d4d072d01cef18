"""What is found about a built bundle, as checks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.bundle.models import Sizes
from envtool.bundle.trial import Trial
from envtool.models import CheckResult
from envtool.reports.escape import printable
from envtool.reports.tables import plural, size

MENDED = frozenset({"CPU201", "CPU202"})
"""Errors of the audit that a build with envtool's hook does not have: it ships the sources that TorchScript reads."""


def judge_audit(errors: Sequence[tuple[str, str]]) -> CheckResult:
    """The errors that an audit found in what goes into the bundle, as (code, place): those that the build does not
    mend must not reach a user."""
    why = "what breaks in the frozen app is known before minutes of building"
    left = [error for error in errors if error[0] not in MENDED]
    mended = [error for error in errors if error[0] in MENDED]
    if left:
        fix = "Mend them, or silence one on its line with the reason: # envtool: ignore[CODE] why"
        return CheckResult(
            id="audit", status="fail", found=f"{plural(len(left), 'error')}: {_shown(left)}", why=why, fix=fix
        )
    found = "no error in the spec, its code and its models"
    if mended:
        found = f"what was found is mended by the build: {_shown(mended)}"
    return CheckResult(id="audit", status="pass", found=found, why=why)


def _shown(errors: Iterable[tuple[str, str]]) -> str:
    places = list(dict.fromkeys(f"{code} {printable(place)}" for code, place in errors))
    return ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")


def judge_trial(check: str, trial: Trial, why: str, fix: str) -> CheckResult:
    """A run of the app: it has to end with status 0."""
    if trial.returncode == 0:
        return CheckResult(id=check, status="pass", found=f"{trial.said} ({trial.seconds:.1f} s)", why=why)
    ending = "did not run" if trial.returncode is None else f"ended with status {trial.returncode}"
    if trial.returncode is not None and trial.returncode < 0:
        ending = f"was ended by signal {-trial.returncode}"
    return CheckResult(id=check, status="fail", found=f"the app {ending}: {trial.said}", why=why, fix=fix)


def judge_libraries(found: tuple[str, ...]) -> CheckResult:
    """No GPU library belongs in a CPU bundle."""
    why = "a GPU library in a CPU bundle is hundreds of megabytes that no user can use"
    if not found:
        return CheckResult(id="gpu-libraries", status="pass", found="no GPU library in the bundle", why=why)
    shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    fix = "Take them out of the spec's binaries and datas, or find the package that brings them: envtool verify"
    return CheckResult(
        id="gpu-libraries", status="fail", found=f"GPU libraries in the bundle: {shown}", why=why, fix=fix
    )


def judge_size(sizes: Sizes, limit: int | None, *, stripped: bool) -> CheckResult:
    """The size gate; ``limit`` in bytes."""
    shown, why = size(sizes.total), "a bundle that grows unseen is found by its users"
    if limit is None:
        return CheckResult(id="size", status="skip", found=f"{shown}; no limit is set", why=why)
    if sizes.total <= limit:
        return CheckResult(id="size", status="pass", found=f"{shown}, at most {size(limit)} allowed", why=why)
    largest = ", ".join(f"{name} {size(count)}" for name, count in sizes.parts[:3])
    found = f"{shown} is over the limit of {size(limit)}; largest: {largest}"
    fix = "Leave packages out (excludes in the spec)" + ("." if stripped else ", or try --strip.")
    return CheckResult(id="size", status="fail", found=found, why=why, fix=fix)
