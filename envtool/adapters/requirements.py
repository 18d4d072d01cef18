"""pip-requirements-parser, behind one door: requirements text in, parsed lines out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def parse_requirements(text: str) -> Any:
    """A ``RequirementsFile`` with ``requirements``, ``options``, ``comments`` and ``invalid_lines``; nothing nested.

    ``RequirementsFile.from_string`` of version 32.0.1 raises NameError: it takes files only, and reads them as UTF-8.
    """
    from pip_requirements_parser import RequirementsFile

    with tempfile.TemporaryDirectory(prefix="envtool-") as folder:
        copy = Path(folder) / "requirements.txt"
        # With a byte order mark: a coding comment of the file would be obeyed once more, and may name no codec at all.
        copy.write_text(text, encoding="utf-8-sig", newline="\n")
        return RequirementsFile.from_file(str(copy), include_nested=False)
