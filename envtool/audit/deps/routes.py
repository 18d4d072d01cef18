"""Where a URL leads: to CPU builds, to GPU builds, to the default index, or to somewhere that is not known."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from envtool.torch.gpu_index import is_gpu_index

Route = Literal["cpu", "gpu", "pytorch", "nvidia", "extension", "default", "other"]
"""``pytorch``: a page of the PyTorch index that holds builds for CPU and GPU alike (``torch_stable.html``);
``nvidia``: an index of GPU packages, as NVIDIA's own, which holds no torch; ``extension``: a page of GPU builds of an
extension for one torch (mmcv, torch-scatter), which holds no torch either."""

_CPU = re.compile(r"(^|/)cpu(/|$)")
# A variable after "cu" is a number that only the run knows.
_BUILD = r"(cu(\d{2,3}|[$%][^/]*)|rocm[\d.]+|xpu)"
_GPU = re.compile(rf"(^|/){_BUILD}(/|$)")
# "/cu117/torch2.0/", "/torch1.6.0/cu101/", "/torch-2.1.0+cu118.html", "/torch-2.1.0_cu118.html"; a wheel is no page.
_ONE_TORCH = r"/torch-?([\d.]+|[$%][^/]*?)"
_EXTENSIONS, _CPU_EXTENSIONS = (
    re.compile(rf"/{build}{_ONE_TORCH}(/|$)|{_ONE_TORCH}/{build}(/|$)|{_ONE_TORCH}(\+|%2b|_){build}(\.html)?$")
    for build in (_BUILD, "cpu")
)
_UNKNOWN = re.compile(r"\$|\{\{|%\w+%")


@lru_cache(maxsize=1024)
def route_of(url: str) -> Route:
    """The route of an index or find-links URL (any host: a mirror keeps the end of the path)."""
    try:
        parts = urlsplit(url.strip("\"'"))
        host = (parts.hostname or "").lower()
    except ValueError:
        return "other"
    path = parts.path.lower().rstrip("/")
    if _EXTENSIONS.search(path):
        return "extension"
    if _CPU_EXTENSIONS.search(path):
        return "default"
    if _GPU.search(path):
        return "gpu"
    if host.startswith("pypi.nvidia.") or is_gpu_index(url.strip("\"'")):
        return "nvidia"
    if _CPU.search(path):
        return "cpu"
    if _UNKNOWN.search(url):
        return "other"
    if host.endswith("pytorch.org"):
        return "pytorch"
    # The default index by the first label of its host, and its well-known mirrors by their path. The path of an index
    # in a repository manager ("/api/pypi/NAME/simple") says nothing: CPU builds may well be in it.
    if (host.split(".")[0] == "pypi" and path.endswith("/simple")) or path in ("/pypi/simple", "/pypi/web/simple"):
        return "default"
    return "other"


@lru_cache(maxsize=1024)
def wheel_of(url: str) -> tuple[str, Version] | None:
    """Name and version of the wheel that a URL points at, or None."""
    path = url.split("#", maxsplit=1)[0].split("?", maxsplit=1)[0].replace("\\", "/")
    name = unquote(path).rsplit("/", 1)[-1]
    try:
        distribution, version, _, _ = parse_wheel_filename(name)
    except (InvalidWheelFilename, ValueError):
        return None
    return distribution, version


_RANGE = re.compile(r"(?:>=|~=|<=|>|<)\s*(v?\d[\w.]*\+[A-Za-z][\w.]*)")


@lru_cache(maxsize=4096)
def parse_requirement(text: str) -> tuple[str, Requirement] | None:
    """The normalised name and the requirement, also of a bare URL (``git+…#egg=name``, a wheel); None if it is none."""
    text = text.strip()
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        pass
    else:
        return canonicalize_name(requirement.name), requirement
    if _RANGE.search(text):
        # ">=2.2+cu121" is no version specifier; whoever writes it means that build.
        return parse_requirement(_RANGE.sub(r"==\1", text))
    if "://" not in text:
        return _local_wheel(text)
    # After a bare URL pip takes a marker without the blank that PEP 508 asks for.
    url, marker = (*re.split(r"\s;|;\s", text, maxsplit=1), "")[:2]
    found = wheel_of(url)
    egg = re.search(r"[#&]egg=([\w.-]+)", url)
    name = found[0] if found else egg.group(1) if egg else _repository(url)
    try:
        requirement = Requirement(f"{name} @ {url.strip()}" + (f" ; {marker}" if marker.strip() else ""))
    except InvalidRequirement:
        return None
    return canonicalize_name(requirement.name), requirement


_WHEEL_FILE = re.compile(r"(?P<path>[^\s;\[\]$]+\.whl)(?P<extras>\[[\w,\s.-]*\])?\s*(?P<rest>;.*)?")


def _local_wheel(text: str) -> tuple[str, Requirement] | None:
    """A wheel named by its path (``./torch-2.5.0+cu121-….whl``), which may have extras and a marker behind it."""
    match = _WHEEL_FILE.fullmatch(text)
    found = wheel_of(match.group("path")) if match else None
    if match is None or found is None:
        return None
    try:
        rest = f" {match.group('rest')}" if match.group("rest") else ""
        requirement = Requirement(f"{found[0]}{match.group('extras') or ''} @ {match.group('path')}{rest}")
    except InvalidRequirement:
        return None
    return canonicalize_name(requirement.name), requirement


def _repository(url: str) -> str:
    """The last part of a repository's path: its project, as far as one can tell."""
    try:
        path = urlsplit(url).path if url.startswith("git+") else ""
    except ValueError:  # brackets around what is no address
        path = ""
    return re.sub(r"(\.git)?(@[^/]*)?$", "", path).rsplit("/", 1)[-1] or "unknown"
