"""All rules, one file each, in the explicit tuple RULES: one import line and one tuple line a rule, by code.

A rule's file is ``cpuNNN_<name>.py`` and exposes ``RULE``; its page is ``envtool/audit/pages/CPUNNN.md``. Annotate
``kinds`` as ``Sequence[SourceKind]``: the attributes of a protocol are invariant for mypy.
"""

from __future__ import annotations

from collections.abc import Sequence

from envtool.audit.models import Rule
from envtool.audit.rules.cpu101_cuda_call import RULE as CPU101
from envtool.audit.rules.cpu102_device_keyword import RULE as CPU102
from envtool.audit.rules.cpu103_default_device import RULE as CPU103
from envtool.audit.rules.cpu104_cuda_tensor_type import RULE as CPU104
from envtool.audit.rules.cpu105_cuda_query import RULE as CPU105
from envtool.audit.rules.cpu106_cuda_state import RULE as CPU106
from envtool.audit.rules.cpu107_cuda_object import RULE as CPU107
from envtool.audit.rules.cpu108_torch_load import RULE as CPU108
from envtool.audit.rules.cpu109_jit_load import RULE as CPU109
from envtool.audit.rules.cpu110_jit_map_location import RULE as CPU110
from envtool.audit.rules.cpu111_map_location_cuda import RULE as CPU111
from envtool.audit.rules.cpu112_load_of_torchscript import RULE as CPU112
from envtool.audit.rules.cpu113_package_load import RULE as CPU113
from envtool.audit.rules.cpu114_hub_load import RULE as CPU114
from envtool.audit.rules.cpu115_cuda_autocast import RULE as CPU115
from envtool.audit.rules.cpu116_pin_memory import RULE as CPU116
from envtool.audit.rules.cpu117_nccl import RULE as CPU117
from envtool.audit.rules.cpu118_gpu_import import RULE as CPU118
from envtool.audit.rules.cpu119_cuda_extension import RULE as CPU119
from envtool.audit.rules.cpu120_cuda_internals import RULE as CPU120
from envtool.audit.rules.cpu121_config_device import RULE as CPU121
from envtool.audit.rules.cpu122_cuda_default import RULE as CPU122
from envtool.audit.rules.cpu123_gpu_model_option import RULE as CPU123
from envtool.audit.rules.cpu124_gpu_training import RULE as CPU124
from envtool.audit.rules.cpu125_no_gpus import RULE as CPU125
from envtool.audit.rules.cpu126_cuda_required import RULE as CPU126
from envtool.audit.rules.cpu201_script_in_entry import RULE as CPU201
from envtool.audit.rules.cpu202_script_without_source import RULE as CPU202
from envtool.audit.rules.cpu203_pytorch_jit_off import RULE as CPU203
from envtool.audit.rules.cpu204_construct_patch import RULE as CPU204
from envtool.audit.rules.cpu205_compile_in_frozen_app import RULE as CPU205
from envtool.audit.rules.cpu206_compile_of_scripted import RULE as CPU206
from envtool.audit.rules.cpu207_silent_start import RULE as CPU207
from envtool.audit.rules.cpu208_torchscript_use import RULE as CPU208
from envtool.audit.rules.cpu211_harmless_hiddenimport import RULE as CPU211
from envtool.audit.rules.cpu212_excluded_need import RULE as CPU212
from envtool.audit.rules.cpu213_collected_submodules import RULE as CPU213
from envtool.audit.rules.cpu214_dead_hiddenimport import RULE as CPU214
from envtool.audit.rules.cpu215_cuda_libraries import RULE as CPU215
from envtool.audit.rules.cpu216_torch_bin_filtered import RULE as CPU216
from envtool.audit.rules.cpu217_stripped import RULE as CPU217
from envtool.audit.rules.cpu218_torch_without_source import RULE as CPU218
from envtool.audit.rules.cpu219_relative_runtime_hook import RULE as CPU219
from envtool.audit.rules.cpu301_torch_from_default_index import RULE as CPU301
from envtool.audit.rules.cpu302_cpu_pin_not_offered import RULE as CPU302
from envtool.audit.rules.cpu303_gpu_requirement import RULE as CPU303
from envtool.audit.rules.cpu304_index_in_requirements import RULE as CPU304
from envtool.audit.rules.cpu305_gpu_source import RULE as CPU305
from envtool.audit.rules.cpu306_torch_companions import RULE as CPU306
from envtool.audit.rules.cpu401_gpu_container import RULE as CPU401
from envtool.audit.rules.cpu402_install_without_cpu_index import RULE as CPU402
from envtool.audit.rules.cpu403_cpu_image_with_cuda import RULE as CPU403
from envtool.audit.rules.cpu501_gpu_storages import RULE as CPU501
from envtool.audit.rules.cpu502_device_attribute import RULE as CPU502
from envtool.audit.rules.cpu503_device_in_code import RULE as CPU503
from envtool.audit.rules.cpu504_wrong_loader import RULE as CPU504
from envtool.audit.rules.cpu505_exported_for_gpu import RULE as CPU505

RULES: Sequence[Rule] = (
    CPU101,
    CPU102,
    CPU103,
    CPU104,
    CPU105,
    CPU106,
    CPU107,
    CPU108,
    CPU109,
    CPU110,
    CPU111,
    CPU112,
    CPU113,
    CPU114,
    CPU115,
    CPU116,
    CPU117,
    CPU118,
    CPU119,
    CPU120,
    CPU121,
    CPU122,
    CPU123,
    CPU124,
    CPU125,
    CPU126,
    CPU201,
    CPU202,
    CPU203,
    CPU204,
    CPU205,
    CPU206,
    CPU207,
    CPU208,
    CPU211,
    CPU212,
    CPU213,
    CPU214,
    CPU215,
    CPU216,
    CPU217,
    CPU218,
    CPU219,
    CPU301,
    CPU302,
    CPU303,
    CPU304,
    CPU305,
    CPU306,
    CPU401,
    CPU402,
    CPU403,
    CPU501,
    CPU502,
    CPU503,
    CPU504,
    CPU505,
)
