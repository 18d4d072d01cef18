"""Which target a machine is."""

from __future__ import annotations

import platform
import sys

import pytest

from envtool.torch.targets import host_target


@pytest.mark.parametrize(
    ("system", "machine", "libc", "bits", "name"),
    [
        ("linux", "x86_64", ("glibc", "2.36"), 64, "linux-x86_64"),
        ("linux", "aarch64", ("glibc", "2.36"), 64, "linux-aarch64"),
        ("linux", "x86_64", ("", ""), 64, None),
        ("linux", "x86_64", ("musl", "1.2"), 64, None),
        ("linux", "x86_64", ("glibc", "2.36"), 32, None),
        ("linux", "s390x", ("glibc", "2.36"), 64, None),
        ("win32", "AMD64", ("", ""), 64, "windows-amd64"),
        ("win32", "AMD64", ("", ""), 32, None),
        ("darwin", "arm64", ("", ""), 64, "macos-arm64"),
        ("darwin", "x86_64", ("", ""), 64, None),
    ],
)
def test_the_target_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: tuple[str, str], bits: int, name: str | None
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "maxsize", 2 ** (bits - 1) - 1)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    found = host_target()
    assert (found.name if found is not None else None) == name
