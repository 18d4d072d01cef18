"""The fix of an install command: the CPU index for torch, and for what is built for it and comes later."""

from __future__ import annotations

import re
from itertools import takewhile

from envtool.audit.deps.brings_torch import TORCH
from envtool.audit.install.commands import Install
from envtool.audit.install.images import needs_gpu
from envtool.audit.install.steps import Runs, scopes_of
from envtool.audit.install.torch_steps import TorchStep, torch_steps
from envtool.audit.models import Edit, Fix, Project, Source
from envtool.torch.backends import is_gpu_local

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def fix_of(step: TorchStep, source: Source, project: Project) -> Fix | None:
    """``--index-url`` of the CPU index for a command that installs the torch family and nothing else; where the command
    names a GPU index, that one's CPU sibling.

    Anything else in the command would then come from that index too, where it is missing or old: not mechanical. Nor is
    it when torchvision or torchaudio comes later in a way that cannot be routed: the two would not fit any more.
    """
    swap = _swapped(step.install, source) if step.origin == "gpu" else None
    if step.how != "named" or not (swap or (step.origin == "default" and _routable(step.install, source))):
        return None
    if step.install.command.repeated:
        return None  # an edit would be one for every turn of the loop
    if step.again and not step.install.renew:
        return None  # pip would leave what is there
    installs = [step.install]
    names = {requirement.name for requirement in step.install.requirements}
    for later in torch_steps(source, project):
        companion = later.requirement.name in ("torchvision", "torchaudio") and later.requirement.name not in names
        if not companion or not later.settled or later.origin != "default" or later.start < step.start:
            continue  # what is not settled has a finding and a fix of its own
        if not _goes_on(later.scope, step.scope, source, project):
            continue
        if later.how != "named" or not _routable(later.install, source):
            return None
        if later.install not in installs:
            installs.append(later.install)
    edits = (*(swap or (_edit(installs[0]),)), *(_edit(install) for install in installs[1:]))
    # In an image for GPUs torch alone is not what makes it one; of a mirror nobody knows which siblings it has.
    safe = not needs_gpu(_base(step.scope, source, project)) and (swap is None or _of_pytorch(step.install))
    return Fix(message="Take torch from the CPU index", edits=edits, safe=safe)


_GPU_END = re.compile(r"(?<=/)(?:cu\d{2,3}|rocm[\d.]+|xpu)(?=/?$)")


def _swapped(install: Install, source: Source) -> tuple[Edit, ...] | None:
    """``/cpu`` in the place of ``/cu121``, and ``+cu121`` off the pins; None where the line itself does not say so."""
    names = {requirement.name for requirement in install.requirements}
    if install.tool not in ("pip", "uv pip") or not names <= TORCH or install.backend:
        return None
    if install.files or install.locals or install.find_links or any(entry.url for entry in install.requirements):
        return None
    edits: list[Edit] = []
    for word in (*install.index, *install.extra_index):
        end = _GPU_END.search(word.text)
        at = source.text.find(word.text, word.start, word.end)
        if end is not None and at < 0:
            return None  # the URL, or a part of it, is a variable's
        if end is not None:
            edits.append(Edit(start=at + end.start(), end=at + end.end(), replacement="cpu"))
    for entry in install.requirements if edits else ():
        local = f"+{entry.pin.local}" if entry.pin is not None and is_gpu_local(entry.pin.local) else ""
        at = source.text.find(local, entry.start, entry.end)
        if local and at < 0:
            return None
        edits += [Edit(start=at, end=at + len(local), replacement="")] if local else []
    return tuple(sorted(edits, key=lambda edit: edit.start)) or None


def _of_pytorch(install: Install) -> bool:
    urls = [word.text for word in (*install.index, *install.extra_index) if _GPU_END.search(word.text)]
    return all(url.startswith(CPU_INDEX.removesuffix("cpu")) for url in urls)


def _routable(install: Install, source: Source) -> bool:
    names = {requirement.name for requirement in install.requirements}
    if install.tool not in ("pip", "uv pip") or not names <= TORCH:
        return False
    if install.files or install.locals or install.index or install.extra_index or install.find_links:
        return False
    if any(requirement.url for requirement in install.requirements):
        return False
    # A JSON list of words takes no text at its end.
    return not source.text[: install.head.start].rstrip().endswith(("[", ","))


def _edit(install: Install) -> Edit:
    # Before a redirection: "2>&1" is not one word here.
    words = list(takewhile(lambda word: not re.match(r"\d?[<>]", word.text), install.command.words))
    at = max(word.end for word in words)
    return Edit(start=at, end=at, replacement=f" --index-url {CPU_INDEX}")


def _goes_on(scope: Runs, start: Runs, source: Source, project: Project) -> bool:
    """Whether a scope is ``start`` itself or a Docker stage on top of it."""
    return scope.name == start.name or start.name in _parents(scope, source, project)


def _parents(scope: Runs, source: Source, project: Project) -> list[str]:
    """The names of the stages under a stage, the nearest first."""
    by_name = {other.name.lower(): other for other in scopes_of(source, project)}
    found: list[str] = []
    while scope.parent and scope.parent.lower() in by_name and by_name[scope.parent.lower()].name not in found:
        scope = by_name[scope.parent.lower()]
        found.append(scope.name)
    return found


def _base(scope: Runs, source: Source, project: Project) -> str:
    """The image that a scope starts from, through the stages under it."""
    parents = _parents(scope, source, project)
    return next(
        (other.base for other in scopes_of(source, project) if parents and other.name == parents[-1]), scope.base
    )
