"""Which targets of a lock full torch covers, and what follows from it on one of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.version import Version

from envtool.lock import coverage
from envtool.models import Lock, LockFile, Pin
from envtool.torch.backends import CPU, FULL, parse_backend
from envtool.torch.targets import TARGETS

X86 = "sys_platform == 'linux' and platform_machine == 'x86_64'"


def lock(markers: Mapping[str, str | None]) -> Lock:
    """A lock for all targets, with a torch that has this marker in each backend's file."""
    files = {
        backend: LockFile(
            filename=f"torch-{backend}.txt",
            backend=backend,
            pins=(Pin(name="torch", version=Version("2.13.0"), marker=marker), Pin(name="other", version=Version("1"))),
        )
        for backend, marker in markers.items()
    }
    return Lock(
        torch=files,
        rest=LockFile(filename="requirements.txt", backend=None, pins=()),
        inputs="",
        requirements=(),
        constraints=(),
        gpu_packages="default",
        python="",
        pythons=("3.11", "3.12"),
        targets=tuple(TARGETS),
    )


@pytest.mark.parametrize(
    ("markers", "uncovered"),
    [
        ({"cpu": None, "full": None}, []),
        ({"cpu": None, "full": X86}, ["linux-aarch64", "windows-amd64", "macos-arm64"]),
        ({"cpu": "sys_platform != 'darwin'", "full": X86}, ["linux-aarch64", "windows-amd64"]),
        ({"cpu": X86, "full": X86}, []),  # the project asks for torch there alone
        ({"cpu": None, "full": "python_version < '3.12'"}, []),  # a Python is no target
        ({"cpu": None}, []),
        ({"full": X86}, []),
    ],
)
def test_targets_of_another_backend_alone(markers: Mapping[str, str | None], uncovered: list[str]) -> None:
    assert list(coverage.uncovered(lock(markers), "full")) == uncovered
    assert list(coverage.full_left_out(lock(markers), (CPU, FULL))) == uncovered
    assert coverage.full_left_out(lock(markers), (CPU,)) == ()


def test_an_index_without_builds_for_a_target_makes_no_lock_stale() -> None:
    cuda = parse_backend("cu126")
    assert coverage.uncovered(lock({"cpu": None, "cu126": X86}), "cu126") != ()
    assert coverage.full_left_out(lock({"cpu": None, "cu126": X86}), (CPU, cuda)) == ()


@pytest.mark.parametrize(
    ("host", "markers", "there"),
    [
        ("linux-x86_64", {"cpu": None, "full": X86}, True),
        ("linux-aarch64", {"cpu": None, "full": X86}, False),
        ("linux-aarch64", {"cpu": None, "full": None}, True),
        ("linux-x86_64", {"cpu": None}, False),
        (None, {"cpu": None, "full": None}, False),
    ],
)
def test_the_way_back_is_there_where_full_torch_is(
    monkeypatch: pytest.MonkeyPatch, host: str | None, markers: Mapping[str, str | None], there: bool
) -> None:
    monkeypatch.setattr(coverage, "host_target", lambda: TARGETS[host] if host else None)
    assert coverage.has_way_back(lock(markers)) is there


def test_the_command_names_what_the_lock_has_besides() -> None:
    both = lock({"cpu": None, "cu126": None})
    assert coverage.lock_command(both, ()) == "envtool lock"
    assert coverage.lock_command(both, (FULL, CPU)) == "envtool lock --backend cpu --backend cu126 --backend full"
