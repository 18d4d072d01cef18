"""NO_COLOR means text alone, in every command: no bold and no dim either, as uv and cargo have it."""

from __future__ import annotations

import os
from typing import Literal


def color_system() -> Literal["auto"] | None:
    """For rich: None where NO_COLOR is set to anything (rich alone would keep bold, dim and links)."""
    return None if os.environ.get("NO_COLOR") else "auto"
