"""What is found about a built bundle, as checks. Pure."""

from __future__ import annotations

from envtool.bundle.models import Sizes
from envtool.bundle.trial import Trial
from envtool.models import CheckResult
from envtool.reports.tables import size


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


def judge_size(sizes: Sizes, limit: int | None) -> CheckResult:
    """The size gate."""
    shown, why = size(sizes.total), "a bundle that grows unseen is found by its users"
    if limit is None:
        return CheckResult(id="size", status="skip", found=f"{shown}; no limit is set", why=why)
    if sizes.total <= limit:
        return CheckResult(id="size", status="pass", found=f"{shown}, at most {size(limit)} allowed", why=why)
    largest = ", ".join(f"{name} {size(count)}" for name, count in sizes.parts[:3])
    found = f"{shown} is over the limit of {size(limit)}; largest: {largest}"
    return CheckResult(
        id="size", status="fail", found=found, why=why, fix="Leave packages out (excludes in the spec), or try --strip."
    )
