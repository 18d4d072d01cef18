"""Where the packages of a torch file are installed from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from envtool.env import install
from envtool.env.install import Installation
from envtool.errors import LockError
from envtool.models import IndexAccess, Lock, LockFile, Pin
from envtool.torch.backends import parse_backend

INDEX = "https://mirror.example/whl"
PINS = tuple(
    Pin(name=name, version=Version(version), hashes=("a" * 64,))
    for name, version in (("nvidia-cublas", "13.1.0"), ("torch", "2.13.0+cu126"), ("triton", "3.5.0"))
)


class _Told:
    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(detail)

    def warn(self, message: str) -> None:
        pass


@pytest.mark.parametrize("found", ["in find-links", "another file in find-links", "on the index"])
def test_gpu_packages_come_from_the_default_index_wherever_torch_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    if found != "on the index":
        (tmp_path / "torch-2.13.0+cu126-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    calls: list[tuple[list[str], str | None]] = []

    def install_pins(
        interpreter: Path,
        pins: Sequence[Pin],
        access: IndexAccess,
        what: Installation,
        reporter: object,
        *,
        offline: bool = False,
    ) -> None:
        if offline and found == "another file in find-links":
            raise LockError("lock.mismatch", "another file")
        where = "find-links" if offline else access.default_index
        calls.append(([pin.name for pin in pins], where))

    monkeypatch.setattr(install, "_install_pins", install_pins)
    monkeypatch.setattr(install, "_check_reachable", lambda index, names: None)
    lock = Lock(
        torch={"cu126": LockFile(filename="torch-cu126.txt", backend="cu126", pins=PINS)},
        rest=LockFile(filename="requirements.txt", backend=None, pins=()),
        inputs="",
        requirements=(),
        constraints=(),
        gpu_packages="default",
        python="",
        pythons=("3.11",),
        targets=("linux-x86_64", "linux-aarch64", "windows-amd64", "macos-arm64"),
    )
    what = Installation(
        lock=lock,
        backend=parse_backend("cu126"),
        access=IndexAccess(default_index="https://default.example/simple"),
        torch_index=INDEX,
        folders=(tmp_path,),
        root=tmp_path,
    )
    told: Any = _Told()
    remarks = install.install_into(tmp_path / "python", "3.11", what, told)
    assert calls == [
        (["torch"], "find-links" if found == "in find-links" else f"{INDEX}/cu126"),
        (["nvidia-cublas", "triton"], "https://default.example/simple"),
    ]
    assert remarks == (("torch 2.13.0+cu126 came from a find-links folder",) if found == "in find-links" else ())
    assert told.phases[-1] == "2 GPU packages from the default index"
