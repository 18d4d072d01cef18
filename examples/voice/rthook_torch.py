# Warm TorchScript up before the app starts; written for full torch.
import os
import sys

try:
    import torch

    if not hasattr(torch.jit.RecursiveScriptModule, "_construct"):
        torch.jit.RecursiveScriptModule._construct = staticmethod(lambda module, init: module)

    @torch.jit.script
    def _warm_up(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) + 1

    _warm_up(torch.zeros(1))
except Exception as error:
    os.environ["VOICE_TORCHSCRIPT"] = "off"
    print(f"voice: TorchScript is off: {error}".splitlines()[0], file=sys.stderr)
