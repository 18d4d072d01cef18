"""What the checks of a new environment came to, in words and as an error."""

from __future__ import annotations

from envtool.errors import AS_IT_WAS, VerifyError
from envtool.models import VerifyReport


def counted(report: VerifyReport) -> str:
    """How the checks went, in words: a skipped one did not fail."""
    passed, skipped = (sum(check.status == status for check in report.checks) for status in ("pass", "skip"))
    words = [f"{passed} checks passed"]
    words += [f"{len(report.failures)} failed"] if report.failures else []
    return ", ".join([*words, *([f"{skipped} skipped"] if skipped else [])])


def raise_failure(report: VerifyReport, what: str) -> None:
    """Raise VerifyError (``verify.<check>``) for the first check that failed."""
    if report.ok:
        return
    first, *others = report.failures
    more = f" (also: {', '.join(check.id for check in others)})" if others else ""
    message = f"{what} failed {first.id}: {first.found}{more}; {AS_IT_WAS}"
    # The check's own advice is to run setup, which is what was just done.
    hint = (
        "The locked packages do not work here: try other versions (envtool lock --upgrade --diff) or another --python."
    )
    raise VerifyError(f"verify.{first.id}", message, hint)
