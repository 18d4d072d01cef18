"""CPU123: options of model loaders that need a GPU: 8-bit and 4-bit weights, flash attention."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.audit.choice import off_by_default
from envtool.audit.code import CodeRule, Row
from envtool.audit.flow import Flow
from envtool.audit.models import Severity
from envtool.audit.values import evaluate

_OPTIONS: dict[str, tuple[object, str]] = {
    "load_in_8bit": (True, "8-bit weights need bitsandbytes and a GPU"),
    "load_in_4bit": (True, "4-bit weights need bitsandbytes and a GPU"),
    "attn_implementation": ("flash_attention_2", "flash attention needs the package flash_attn and a GPU"),
    "use_flash_attention_2": (True, "flash attention needs the package flash_attn and a GPU"),
}


class GpuModelOption(CodeRule):
    """A model is loaded with an option that only works on a GPU."""

    code = "CPU123"
    name = "gpu-model-option"
    summary = "A model is loaded with an option that needs a GPU"

    def look(self, flow: Flow) -> Iterable[Row]:
        """Keyword arguments whose value can only be the one that needs a GPU."""
        for call in flow.calls:
            for word in call.keywords:
                wanted = _OPTIONS.get(word.arg or "")
                values = evaluate(flow, word.value) if wanted is not None else None
                if wanted is not None and values and all(value.const == wanted[0] for value in values):
                    message = f"{word.arg}={wanted[0]!r}: {wanted[1]}"
                    # Small weights are a feature that one asks for; where a flag does, it depends.
                    severity: Severity = "warning" if off_by_default(flow, word.value) else "error"
                    yield from self.report(
                        flow, word.value, message, raised="RuntimeError", severity=severity, confidence="medium"
                    )


RULE = GpuModelOption()
