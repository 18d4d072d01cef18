"""Save the tiny TorchScript model of the start check. Runs in the app's environment: python make_model.py FILE."""

import json
import sys
import warnings

import torch


class _Check(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, self.weight).relu().sum()


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(_Check().eval()), sys.argv[1])
    print(json.dumps({"torch": torch.__version__, "number": float(_Check()(torch.ones(1, 3)))}))
