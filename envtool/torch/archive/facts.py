"""What is known about one model file. Pure data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "torchscript", "checkpoint", "state-dict", "package", "pt2", "safetensors", "pickle", "not-a-model", "unreadable"
]
Verdict = Literal["cpu", "map-location", "never", "unknown"]

KIND_NAMES: Mapping[str, str] = {
    "torchscript": "TorchScript",
    "checkpoint": "checkpoint",
    "state-dict": "state dict",
    "package": "torch.package",
    "pt2": "pt2 (torch.export)",
    "safetensors": "safetensors",
    "pickle": "plain pickle",
    "not-a-model": "not a model",
    "unreadable": "unreadable",
}

_RUNS = re.compile(
    r"(?:os|posix|nt|subprocess|pty|socket|shutil|runpy|ctypes|_ctypes|webbrowser|importlib|timeit|pdb|bdb)\."
    r"|(?:builtins|__builtin__)\.(?:eval|exec|execfile|compile|open|__import__|apply)$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceUse:
    """A device that is fixed in code or in an attribute: where (an entry of the archive), which line (0: none)."""

    entry: str
    line: int
    device: str
    count: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The use as JSON."""
        return {"path": self.entry, "line": self.line, "device": self.device, "count": self.count}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFile:
    """One model file, read without loading it.

    ``form``: ``scripted``, ``traced`` or ``frozen`` for TorchScript; ``zip``, ``legacy`` or ``tar`` for what torch.save
    wrote. ``devices`` counts storages by device, ``dtypes`` elements by dtype; ``parameters`` counts the elements of
    all tensors, buffers included (None: not known). ``globals`` are the names that an unrestricted load would import,
    ``producer`` is what the file says about the version that wrote it. ``inputs`` are
    the shapes that a traced model recorded (``1x5:float32``). ``because`` is the reason of the verdict.
    """

    path: str
    kind: Kind
    verdict: Verdict
    because: str
    size: int
    form: str = ""
    devices: Mapping[str, int] = field(default_factory=dict)
    attributes: tuple[DeviceUse, ...] = ()
    constants: tuple[DeviceUse, ...] = ()
    dtypes: Mapping[str, int] = field(default_factory=dict)
    parameters: int | None = None
    producer: str = ""
    globals: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The globals that no model needs, and that run commands or code when the file is unpickled."""
        return tuple(name for name in self.globals if _RUNS.match(name))

    @property
    def has_cuda(self) -> bool:
        """Whether it holds a storage that is on anything but a CPU: loading it as it is fails."""
        return any(device.partition(":")[0] not in ("cpu", "meta") for device in self.devices)

    @property
    def title(self) -> str:
        """The kind for a person: ``TorchScript, traced``."""
        name = KIND_NAMES[self.kind]
        return f"{name}, {self.form}" if self.form else name

    def as_dict(self) -> dict[str, Any]:
        """The file as JSON, as ``envtool model --json`` shows it."""
        return {
            "path": self.path,
            "kind": self.kind,
            "form": self.form,
            "verdict": self.verdict,
            "because": self.because,
            "devices": dict(self.devices),
            "attributes": [use.as_dict() for use in self.attributes],
            "constants": [use.as_dict() for use in self.constants],
            "dtypes": dict(self.dtypes),
            "parameters": self.parameters,
            "size": self.size,
            "producer": self.producer,
            "globals": list(self.globals),
            "runs": list(self.runs),
            "inputs": list(self.inputs),
            "notes": list(self.notes),
        }
