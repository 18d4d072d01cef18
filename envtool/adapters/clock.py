"""The time of records."""

from __future__ import annotations

from datetime import datetime, timezone


def timestamp() -> str:
    """This moment in UTC, to the second, as ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
