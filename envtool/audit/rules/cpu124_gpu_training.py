"""CPU124: trainers that are told to use a GPU."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow, keyword
from envtool.audit.values import Values, evaluate

_FP16 = "ValueError: FP16 mixed precision training can only be used on CUDA devices"
_ACCELERATE = "ValueError: fp16 mixed precision requires a GPU (not 'cpu')."
_LIGHTNING = "MisconfigurationException: No supported gpu backend found!"


class GpuTraining(CodeRule):
    """A trainer is told to use half precision, or a GPU."""

    code = "CPU124"
    name = "gpu-training"
    summary = "A trainer is told to use fp16 or a GPU"

    def look(self, flow: Flow) -> Iterable[Row]:
        """``TrainingArguments(fp16=True)``, ``Accelerator(mixed_precision="fp16")``, ``Trainer(accelerator="gpu")``."""
        for call in flow.calls:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            found = _problem(flow, call, name)
            if found is not None:
                yield from self.report(flow, found[0], f"raises {found[1]}", raised="ValueError", confidence="medium")


def _problem(flow: Flow, call: ast.Call, name: str) -> tuple[ast.expr, str] | None:
    for option, owners, wanted, said in (
        ("fp16", ("TrainingArguments", "Config"), (True,), _FP16),
        ("mixed_precision", ("Accelerator",), ("fp16",), _ACCELERATE),
        ("accelerator", ("Trainer", "Fabric"), ("gpu", "cuda"), _LIGHTNING),
    ):
        if not name.endswith(owners) or (owners[-1] == "Config" and name.endswith("Config") and not _is_trainer(name)):
            continue
        value = keyword(call, option)
        if value is not None and _only(evaluate(flow, value), wanted):
            return value, said
    return None


def _is_trainer(name: str) -> bool:
    return name in ("SFTConfig", "DPOConfig", "PPOConfig", "GRPOConfig", "ORPOConfig", "KTOConfig", "RewardConfig")


def _only(values: Values, wanted: tuple[object, ...]) -> bool:
    return bool(values) and all(value.const in wanted for value in values or ())


RULE = GpuTraining()
