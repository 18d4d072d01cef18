"""Which targets of a lock a backend covers: full torch may cover fewer than the cpu build."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.lock.markers import cells_of
from envtool.models import Lock, LockFile
from envtool.torch.backends import FULL, Backend
from envtool.torch.select import Cell
from envtool.torch.targets import host_target


def uncovered(lock: Lock, backend: str) -> tuple[str, ...]:
    """The targets for which a lock has torch of another backend, and none of this one; none if it has no such file."""
    if backend not in lock.torch:
        return ()
    cells = [(target, python) for target in lock.targets for python in lock.pythons]
    own = _targets(lock.torch[backend], cells)
    others = {target for file in lock.torch.values() for target in _targets(file, cells)}
    return tuple(target for target in lock.targets if target in others - own)


def full_left_out(lock: Lock, backends: Iterable[Backend]) -> tuple[str, ...]:
    """Where full torch is among ``backends``: the targets for which it is not locked, though others are.

    A backend with an index of its own lacks targets for want of builds. Those who name it know; locking again would
    not help.
    """
    return uncovered(lock, FULL.name) if FULL in tuple(backends) else ()


def has_way_back(lock: Lock) -> bool:
    """Whether full torch can be built from a lock on this machine."""
    host = host_target()
    if host is None or host.name not in lock.targets:
        return False
    return FULL.name in lock.torch and host.name not in uncovered(lock, FULL.name)


def lock_command(lock: Lock, backends: Iterable[Backend]) -> str:
    """The command that locks for all of ``backends``, and for what the lock has besides; named, none is left out."""
    names = [backend.name for backend in backends]
    both = dict.fromkeys((*sorted(lock.torch), *names)) if names else ()
    return "".join(("envtool lock", *(f" --backend {name}" for name in both)))


def _targets(file: LockFile, cells: Sequence[Cell]) -> set[str]:
    return {target for pin in file.pins if pin.name == "torch" for target, _ in cells_of(pin.marker, cells)[0]}
