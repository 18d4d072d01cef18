"""Local projects in an environment: where their markers hold, and nowhere else."""

from __future__ import annotations

import pytest
from place import Place

BACKEND = """
import zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "my_lib-1-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("my_lib-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: my-lib\\nVersion: 1\\n")
        wheel.writestr("my_lib-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("my_lib-1.dist-info/RECORD", "my_lib-1.dist-info/METADATA,,\\n")
    return name
"""
PROJECT = """
[project]
name = "my-lib"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.mark.parametrize(("marker", "there"), [("os_name == 'no-such'", False), ("os_name == 'posix'", True)])
def test_a_project_with_a_marker(place: Place, marker: str, there: bool) -> None:
    place.write("lib/pyproject.toml", PROJECT)
    place.write("lib/backend.py", BACKEND)
    place.write("requirements.txt", f"torch\nleaf\n./lib ; {marker}\n")
    place.done("--cpu")
    assert ("my_lib" in place.installed()) is there


def test_a_marker_that_changes(place: Place) -> None:
    place.write("lib/pyproject.toml", PROJECT)
    place.write("lib/backend.py", BACKEND)
    for system, there in (("no-such", False), ("posix", True), ("no-such", False)):
        place.write("requirements.txt", f"torch\nleaf\n./lib ; os_name == '{system}'\n")
        place.done("--cpu")
        assert ("my_lib" in place.installed()) is there
