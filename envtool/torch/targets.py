"""Targets: the platforms that a lock covers, as markers, wheel tags and marker environments."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from packaging.tags import Tag, compatible_tags, cpython_tags

from envtool.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One platform. ``wheel_platform`` is a pattern over the platform part of a wheel tag."""

    name: str
    sys_platform: str
    platform_machine: str
    platform_system: str
    os_name: str
    wheel_platform: str

    @property
    def marker(self) -> str:
        """The PEP 508 marker that is true on this target and on no other one."""
        return f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.platform_machine}'"

    def environment(self, python: str, patch: int = 0) -> dict[str, str]:
        """The marker environment (PEP 508) of CPython ``python`` (``3.11``) on this target."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.{patch}",
            "os_name": self.os_name,
            "platform_machine": self.platform_machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.platform_system,
            "platform_version": "",
            "python_full_version": f"{python}.{patch}",
            "python_version": python,
            "sys_platform": self.sys_platform,
            "extra": "",
        }

    def accepts(self, tags: Iterable[Tag], python: str) -> bool:
        """Whether a wheel with these tags installs on CPython ``python`` (``3.11``) of this target."""
        pairs = _interpreter_abis(python)
        return any(
            (tag.interpreter, tag.abi) in pairs
            and (tag.platform == "any" or re.fullmatch(self.wheel_platform, tag.platform) is not None)
            for tag in tags
        )


@lru_cache
def _interpreter_abis(python: str) -> frozenset[tuple[str, str]]:
    major, minor = (int(part) for part in python.split("."))
    abi = f"cp{major}{minor}"
    tags = [
        *cpython_tags((major, minor), abis=[abi], platforms=["any"]),
        *compatible_tags((major, minor), abi, ["any"]),
    ]
    return frozenset((tag.interpreter, tag.abi) for tag in tags)


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="linux-x86_64",
            sys_platform="linux",
            platform_machine="x86_64",
            platform_system="Linux",
            os_name="posix",
            wheel_platform=r"(manylinux.*|linux)_x86_64",
        ),
        Target(
            name="linux-aarch64",
            sys_platform="linux",
            platform_machine="aarch64",
            platform_system="Linux",
            os_name="posix",
            wheel_platform=r"(manylinux.*|linux)_aarch64",
        ),
        Target(
            name="windows-amd64",
            sys_platform="win32",
            platform_machine="AMD64",
            platform_system="Windows",
            os_name="nt",
            wheel_platform=r"win_amd64",
        ),
        Target(
            name="macos-arm64",
            sys_platform="darwin",
            platform_machine="arm64",
            platform_system="Darwin",
            os_name="posix",
            wheel_platform=r"macosx_\d+_\d+_(arm64|universal2)",
        ),
    )
}


def parse_target(name: str) -> Target:
    """The target of this name. Raises UsageError (``settings.target``) that lists the names."""
    try:
        return TARGETS[name]
    except KeyError:
        known = ", ".join(TARGETS)
        raise UsageError("settings.target", f"unknown target {name!r}", f"Targets are: {known}.") from None


def host_target() -> Target | None:
    """The target of the machine that runs envtool, or None if it is none of them (macOS on Intel, musl, s390x, …).

    A 32-bit Python calls its machine x86_64 too, and Alpine is a Linux: the wheels of torch are for 64 bits and glibc.
    """
    machine = platform.machine().lower()
    if sys.maxsize < 2**32 or (sys.platform == "linux" and platform.libc_ver()[0] != "glibc"):
        return None
    for target in TARGETS.values():
        if sys.platform == target.sys_platform and machine == target.platform_machine.lower():
            return target
    return None
