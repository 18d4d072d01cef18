"""pip-compile, as a program: the second resolver, for shops without uv and as a cross-check.

pip has no index per package. So the family is pinned first, by the torch step, and pip-compile is given an empty wheel
with the real metadata of each pinned build in a folder of its own: the family comes from there and from nowhere else,
everything else from the default index. pip-compile resolves for the Python and the machine that it runs on.
"""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from envtool.adapters.process import clean_environment, run
from envtool.adapters.requirements import parse_requirements
from envtool.adapters.uv import UnsatisfiableError
from envtool.errors import InstallError, ResolutionError
from envtool.models import Artifact, Completed, IndexAccess, Problem, Resolved
