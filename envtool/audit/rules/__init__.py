"""All rules, one file each, in the explicit tuple RULES: one import line and one tuple line a rule, by code.

A rule's file is ``cpuNNN_<name>.py`` and exposes ``RULE``; its page is ``envtool/audit/pages/CPUNNN.md``. Annotate
``kinds`` as ``Sequence[SourceKind]``: the attributes of a protocol are invariant for mypy.
"""

from __future__ import annotations

from collections.abc import Sequence

from envtool.audit.models import Rule
from envtool.audit.rules.cpu101_cuda_call import RULE as CPU101
from envtool.audit.rules.cpu301_torch_from_default_index import RULE as CPU301
from envtool.audit.rules.cpu302_cpu_pin_not_offered import RULE as CPU302
from envtool.audit.rules.cpu303_gpu_requirement import RULE as CPU303
from envtool.audit.rules.cpu304_index_in_requirements import RULE as CPU304
from envtool.audit.rules.cpu305_gpu_source import RULE as CPU305
from envtool.audit.rules.cpu306_torch_companions import RULE as CPU306
from envtool.audit.rules.cpu401_gpu_container import RULE as CPU401
from envtool.audit.rules.cpu402_install_without_cpu_index import RULE as CPU402
from envtool.audit.rules.cpu403_cpu_image_with_cuda import RULE as CPU403

RULES: Sequence[Rule] = (
    CPU101,
    CPU301,
    CPU302,
    CPU303,
    CPU304,
    CPU305,
    CPU306,
    CPU401,
    CPU402,
    CPU403,
)
