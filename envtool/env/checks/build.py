"""Which build of torch is installed, and is there GPU code besides. Read from files; no check here runs anything.

``torch.cuda.is_available()`` alone proves nothing: it is False for a CUDA build on a machine without a GPU too.
"""

from __future__ import annotations

import re

from packaging.markers import InvalidMarker, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envtool.env.checks.case import Case, listing
from envtool.env.evidence import Build, parse_version
from envtool.models import CheckResult
from envtool.reports.tables import plural
from envtool.torch.backends import is_gpu_local
from envtool.torch.family import is_family, is_gpu_payload

_NO_TORCH = "torch is not installed"


def torch_present(case: Case) -> CheckResult:
    """torch is installed: one distribution, and its package."""
    check = "torch-present"
    found = [item for item in case.evidence.distributions if item.name == "torch"]
    build = case.evidence.torch
    why = "Without torch there is nothing to run a model with."
    if not found and (build is None or not build.init):
        rest = "" if build is None else f"; a folder without __init__.py is left at {build.path}"
        return case.failed(check, _NO_TORCH + rest, why=why)
    if not found:
        why = "Without metadata no installer knows which torch this is, nor can it replace or remove it."
        return case.failed(check, "a torch package is there, but no distribution of that name", why=why)
    if build is None or not build.init:
        return case.failed(check, f"metadata of {found[0]} is there, but its package is not", why=why)
    if [item.folder for item in found].count(found[0].folder) > 1:
        both = " and ".join(item.place for item in found if item.folder == found[0].folder)
        why = "Two installs were mixed: their files overwrote each other, and which ones won is chance."
        return case.failed(check, f"torch is installed twice in one folder: {both}", why=why)
    return case.passed(check, str(found[0]))


def build_identity(case: Case) -> CheckResult:
    """torch/version.py names the expected build, and agrees with the metadata.

    The file is the truth: the default index's wheel for Windows says 2.15.0 in its metadata and 2.15.0+cpu here.
    """
    check = "build-identity"
    build, item = case.evidence.torch, case.evidence.find("torch")
    if build is None or item is None:
        return case.skipped(check, _NO_TORCH)
    version = parse_version(build.version or "")
    if build.error or version is None:
        found = f"torch/version.py cannot be read ({build.error or 'no version in it'})"
        return case.failed(check, found, why="That file is what says which build of torch this is.")
    if item.version is None or item.version.public != version.public:
        found = f"metadata says {item.distribution.version}, torch/version.py says {build.version}"
        return case.failed(check, found, why="Two installs were mixed; neither of them is whole.")
    found = f"torch {build.version} is a build for {_words(build)}"
    reason = _cpu_mismatch(build, item.version.local) if case.expected.is_cpu else _gpu_mismatch(case, build)
    if reason:
        return case.failed(check, found, why=reason)
    return case.passed(check, found)


def _words(build: Build) -> str:
    if build.cuda is not None:
        return f"CUDA {build.cuda}"
    if build.hip is not None:
        return f"ROCm {build.hip}"
    return f"XPU {build.xpu}" if build.xpu is not None else "CPU"


def _cpu_mismatch(build: Build, metadata_local: str | None) -> str:
    if build.identity == "cpu" and not is_gpu_local(build.local) and not is_gpu_local(metadata_local):
        return ""
    if build.identity == "cpu":
        local = build.local if is_gpu_local(build.local) else metadata_local
        return f"Its version claims a GPU build (+{local}) and its build settings a CPU one: two installs were mixed."
    return "A GPU build brings gigabytes of libraries that a machine without a GPU loads and never uses."


def _gpu_mismatch(case: Case, build: Build) -> str:
    expected, item = case.expected, case.evidence.find("torch")
    if expected.name != "full":
        return "" if build.identity == expected.name else f"The build for {expected.name} was expected."
    if item is not None and item.version is not None and item.version.local == "cpu":
        return "Full torch was expected, the default index's build; +cpu is the PyTorch CPU index's."
    # The default index has a CUDA build for Linux only, and on aarch64 since some version: its own requirements tell.
    on_linux = case.environment["sys_platform"] == "linux"
    if build.identity == "cpu" and on_linux and (case.environment["platform_machine"] == "x86_64" or _gpu_needs(case)):
        return "Full torch was expected; on this platform that is a build for CUDA."
    return ""


def _gpu_needs(case: Case) -> list[str]:
    """The GPU distributions that torch's own metadata asks for on the target, normalised."""
    item = case.evidence.find("torch")
    needs = []
    for text in item.requires if item is not None else ():
        try:
            requirement = Requirement(text)
            holds = requirement.marker is None or requirement.marker.evaluate(dict(case.environment))
        except (InvalidRequirement, InvalidMarker, UndefinedEnvironmentName):
            continue
        if holds and is_gpu_payload(requirement.name):
            needs.append(str(canonicalize_name(requirement.name)))
    return sorted(set(needs))


def cuda_none(case: Case) -> CheckResult:
    """torch.version.cuda and .hip are None, in the file and at run time."""
    check = "cuda-none"
    build = case.evidence.torch
    if build is None:
        return case.skipped(check, _NO_TORCH)
    if build.error:
        return case.skipped(check, "torch/version.py cannot be read")
    values = {"cuda": build.cuda, "hip": build.hip}
    step = (case.evidence.steps or {}).get("cuda")
    if step is not None and step.ok:
        values = {name: values[name] or step.values.get(name) for name in values}
    set_ = [f"torch.version.{name} is {value}" for name, value in values.items() if value is not None]
    if set_:
        why = "None is what code tests to choose the CPU path; a version here means a GPU build."
        return case.failed(check, " and ".join(set_), why=why)
    return case.passed(check, "torch.version.cuda and torch.version.hip are None")


def no_cuda_libraries(case: Case) -> CheckResult:
    """No CUDA, ROCm or XPU library lies in the packages of torch and its companions, recorded or not."""
    check = "no-cuda-libraries"
    if case.evidence.torch is None:
        return case.skipped(check, _NO_TORCH)
    found = [f"{name}/{path}" for name, build in case.evidence.builds.items() for path in build.gpu_libraries]
    if found:
        why = "A CPU build has none: a GPU build is installed, or one was here and left files behind."
        return case.failed(check, f"{plural(len(found), 'GPU library')}: {listing(found)}", why=why)
    return case.passed(check, "no GPU library in torch")


def no_gpu_distributions(case: Case) -> CheckResult:
    """No distribution carries GPU code: by name, by the libraries in its RECORD, by the full lock.

    What the CPU lock itself names was decided by the project (``gpu-packages = "keep"``, or a package such as
    ctranslate2 that has one build for all) and is reported, not refused.
    """
    check = "no-gpu-distributions"
    # torch and its companions carry the build in their own version: build-identity and family-builds judge them.
    full = case.lock.torch.get("full") if case.lock is not None else None
    full_names = [canonicalize_name(pin.name) for pin in full.pins] if full is not None else []
    full_only = {name for name in full_names if not is_family(name)}
    found: list[str] = []
    kept: list[str] = []
    for item in case.evidence.distributions:
        reason = ""
        if is_gpu_payload(item.name):
            reason = str(item)
        elif item.gpu_libraries and item.name not in case.evidence.builds:
            reason = f"{item} (with {item.gpu_libraries[0].rsplit('/', 1)[-1]})"
        elif item.name in full_only and item.name not in case.locked:
            reason = f"{item} (locked for full torch only)"
        if reason:
            # By version, not by name: a CPU build in the lock excuses no CUDA build that took its place.
            pin = case.locked.get(item.name)
            (kept if pin is not None and pin.version == item.version else found).append(reason)
    if found:
        found.sort()
        names = " ".join(item.split(" ", 1)[0] for item in found)
        why = "It takes disk and download for code that cannot run here, and can shadow the CPU build at import."
        # A name from metadata goes into a command line only if it is a name (PEP 508).
        simple = len(found) <= 8 and all(re.fullmatch(r"[a-z0-9-]+", name) for name in names.split(" "))
        fix = f"Remove it: `uv pip uninstall {names}`. Or: {case.rebuild}" if simple else case.rebuild
        return case.failed(check, f"{plural(len(found), 'GPU distribution')}: {listing(found)}", why=why, fix=fix)
    note = f"; the lock keeps {listing(kept)}" if kept else ""
    return case.passed(check, f"none of {plural(len(case.evidence.distributions), 'distribution')}{note}")


def gpu_distributions(case: Case) -> CheckResult:
    """For full torch: the GPU distributions that torch's metadata asks for on this platform are installed."""
    check = "gpu-distributions"
    if case.evidence.find("torch") is None:
        return case.skipped(check, _NO_TORCH)
    needs = _gpu_needs(case)
    missing = [name for name in needs if case.evidence.find(name) is None]
    if missing:
        why = "torch loads its CUDA libraries from these packages: without them a GPU cannot be used."
        return case.failed(check, f"{plural(len(missing), 'GPU package')} missing: {listing(missing)}", why=why)
    if not needs:
        return case.passed(check, "this build asks for none")
    return case.passed(check, f"all {len(needs)} that torch asks for")
