"""Which side of a condition is the GPU's, told by its words, where its value is not known."""

from __future__ import annotations

import ast
import re

_GPU = re.compile(
    r"cuda|gpu|nvidia|nccl|rocm|triton|nvml|tensorrt|(^|_)(hip|ddp|fsdp|rank|world_size|trt|apex|amp|fp16|half)(_|$)"
    r"|distributed|parallel|deepspeed|xformers|flash_attn|launcher|vllm|exllama|gptq|awq|pin_memory|(^|_)dist(_|$)"
    r"|(^|_)(bnb|dp|q_?lora|[48]_?bit|quant|quantization|quantize)(_|$)",
    re.IGNORECASE,
)
_CPU = re.compile(
    r"^(use_|force_|only_|on_|run_on_)?cpu(_only)?$|(^|_)(no|non|not|without|disable|skip)_?(cuda|gpu)", re.IGNORECASE
)
_DEVICE = re.compile(r"device|backend|accelerator|quant|^bits$", re.IGNORECASE)
_NAMED_GPU = re.compile(r"(^|_)(cuda|nccl|gpu)$", re.IGNORECASE)
_DISPLAYS = (ast.Tuple, ast.List, ast.Set)
_AVAILABLE = re.compile(r"^_?(is_(?!torch_|mps_|xpu_|npu_)\w+_available|HAS_(?!TORCH)\w+|\w+_AVAILABLE|find_spec)$")


def speaks_of_devices(name: str) -> bool:
    """Whether a name of an option or a variable is about devices."""
    return any(pattern.search(name) for pattern in (_GPU, _CPU, _DEVICE))


def leaning(node: ast.expr) -> int:
    """Which side of a condition is the GPU's: 1 when it is true, -1 when it is false, 0 for neither.

    For conditions whose value is not known: ``if args.gpu``, ``if device == "cuda"``, ``if rank >= 0``.
    """
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return -leaning(node.operand)
    if isinstance(node, ast.BoolOp):
        sides = [leaning(operand) for operand in node.values]
        wanted = 1 if isinstance(node.op, ast.And) else -1
        if wanted in sides:
            return wanted
        return sides[0] if len(set(sides)) == 1 else 0
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compared(node.left, node.ops[0], node.comparators[0])
    return _named_side(node)


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> int:
    # Only what is compared: in config["gpus"] != n the string is a name.
    sides = [part for side in (left, right) for part in (side.elts if isinstance(side, _DISPLAYS) else [side])]
    sides = [part.operand if isinstance(part, ast.UnaryOp) else part for part in sides]
    sides = [part.args[0] if isinstance(part, ast.Call) and len(part.args) == 1 else part for part in sides]
    literals = [part.value for part in sides if isinstance(part, ast.Constant)]
    texts = [text for text in literals if isinstance(text, str)]
    sign = -1 if isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot) else 1
    if any(_GPU.search(text) for text in texts) or _NAMED_GPU.search((_identifiers(right) or [""])[0]):
        return sign
    if any(re.match(r"(cpu|gloo)\b", text) for text in texts):  # not mps: what is not mps may be the CPU
        return -sign
    words = _identifiers(left)
    names = " ".join(words)
    if not (any(_GPU.search(word) for word in words) or "device" in names) or any(_CPU.search(word) for word in words):
        return 0
    if isinstance(op, ast.Gt | ast.GtE):
        return 1
    if isinstance(op, ast.Lt | ast.LtE):
        return -1
    value = literals[0] if literals else ""
    if value is None and "device" not in names:
        return -sign
    if isinstance(value, int) and not isinstance(right, ast.Name):
        negative = isinstance(right, ast.UnaryOp)
        if "rank" in names and value == 0 and not negative:
            return 0  # rank 0 does the logging of every run
        return -sign if negative or value == 0 or re.search(r"rank|world_size", names) else sign
    return 0


def _named_side(node: ast.expr) -> int:
    names = _identifiers(node)
    if any(_CPU.search(name) for name in names):
        return -1
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    if any(_AVAILABLE.match(name) for name in names):
        return 1
    return 1 if any(_GPU.search(text) for text in (*names, *texts)) else 0


def _identifiers(node: ast.expr) -> list[str]:
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found.append(part.id)
        elif isinstance(part, ast.Attribute):
            found.append(part.attr)
        elif isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant):
            found.append(str(part.slice.value))
    return found


def is_device_test(test: ast.expr) -> bool:
    """A comparison with the name of a device: whoever chose that device is the cause, not this branch."""
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and re.search("cuda", part.value, re.IGNORECASE)
        for part in ast.walk(test)
    )
