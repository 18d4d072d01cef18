"""Where a marker holds: on Linux, on the platforms that envtool knows."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from envtool.torch.targets import TARGETS

_EXTRA = re.compile(r"\bextra\s*[=!]=\s*['\"]([\w.-]+)['\"]")
_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


@lru_cache(maxsize=2048)
def holds_on(marker: str | None, *targets: str) -> bool:
    """Whether a marker can be true on one of these targets, whatever extra is asked for. An unreadable one can."""
    if not marker:
        return True
    try:
        parsed = Marker(marker)
        return any(
            parsed.evaluate({**TARGETS[target].environment(python), "extra": extra})
            for extra in ["", *_EXTRA.findall(marker)]
            for target in targets
            for python in _PYTHONS
        )
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return True


def on_linux(marker: str | None) -> bool:
    """Whether a requirement with this marker is installed on Linux, where the default index has CUDA builds."""
    return holds_on(marker, "linux-x86_64", "linux-aarch64")
