"""From what is in a file to what a CPU-only torch does with it. Pure; measured with torch 2.13.0+cpu."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from envtool.reports.tables import plural
from envtool.torch.archive.facts import DeviceUse, Kind, Verdict
from envtool.torch.archive.symbols import is_cpu


def judge(
    kind: Kind,
    devices: Mapping[str, int],
    *,
    attributes: Iterable[DeviceUse] = (),
    constants: Iterable[DeviceUse] = (),
    attributes_used: bool = False,
    made: str = "",
) -> tuple[Verdict, str]:
    """The verdict and its reason. ``attributes_used``: TorchScript code reads an attribute of type Device;
    ``made``: the string that it makes a device of."""
    foreign = {device: count for device, count in devices.items() if not is_cpu(device)}
    fixed = [use for use in constants if not is_cpu(use.device)]
    held = [use for use in attributes if not is_cpu(use.device)]
    if kind == "pt2":
        return _exported(foreign, fixed)
    if kind == "torchscript" and fixed:
        first = fixed[0]
        return "never", (
            f"its code fixes the device {first.device} ({_places(fixed)}), which map_location does not reach: "
            "export it again from a model on the CPU"
        )
    if kind == "torchscript" and held and attributes_used:
        return "never", (
            f"its code uses a device attribute that is {held[0].device}, which map_location does not reach: "
            "export it again from a model on the CPU"
        )
    if kind == "torchscript" and made:
        return "never", (
            f"its code makes a device of the string {made!r}, which map_location does not reach: "
            "export it again from a model on the CPU"
        )
    if kind == "pickle" and foreign:
        return "never", (
            f"it holds {_count(foreign)} inside a plain pickle, where no map_location can be given: "
            "load it where there is a GPU and save it with torch.save"
        )
    if foreign:
        remark = "" if not held else f"; a stored torch.device({held[0].device!r}) stays as it is"
        return "map-location", f'{_count(foreign)}: pass map_location="cpu"{remark}'
    return "cpu", _clean(kind, devices, held, fixed)


def _clean(kind: Kind, devices: Mapping[str, int], held: list[DeviceUse], fixed: list[DeviceUse]) -> str:
    if kind == "safetensors":
        return "safetensors files hold no device"
    if not devices and kind == "pickle":
        return "it holds no torch storage"
    reason = "it holds no storage" if not devices else "all storages are on the CPU"
    if held:
        reason += f"; it stores torch.device({held[0].device!r}) as a value, which fails only if it is used"
    if fixed:
        reason += f"; its Python source names {fixed[0].device} ({_places(fixed)}), which may fail when it runs"
    return reason


def _exported(foreign: Mapping[str, int], fixed: list[DeviceUse]) -> tuple[Verdict, str]:
    if foreign or fixed:
        names = sorted(set(foreign) | {use.device for use in fixed})
        return "never", (
            f"it was exported for {', '.join(names)} and torch.export.load has no map_location: "
            "export it again from a model on the CPU"
        )
    return "cpu", "it was exported on the CPU"


def _count(foreign: Mapping[str, int]) -> str:
    total = sum(foreign.values())
    return f"{plural(total, 'storage')} on {', '.join(sorted(foreign))}"


def _places(uses: list[DeviceUse]) -> str:
    first = f"{uses[0].entry}:{uses[0].line}" if uses[0].line else uses[0].entry
    return first if len(uses) == 1 else f"{first} and {len(uses) - 1} more"
