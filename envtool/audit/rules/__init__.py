"""All rules, one file each, in the explicit tuple RULES: one import line and one tuple line a rule, by code.

A rule's file is ``cpuNNN_<name>.py`` and exposes ``RULE``; its page is ``envtool/audit/pages/CPUNNN.md``. Annotate
``kinds`` as ``Sequence[SourceKind]``: the attributes of a protocol are invariant for mypy.
"""

from __future__ import annotations

from collections.abc import Sequence

from envtool.audit.models import Rule
from envtool.audit.rules.cpu101_cuda_call import RULE as CPU101

RULES: Sequence[Rule] = (CPU101,)
