"""What is installed against what was meant: the lock, the RECORDs, and the versions of the family."""

from __future__ import annotations

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from envtool.env.checks.case import Case, listing
from envtool.env.evidence import Build, Installed
from envtool.models import CheckResult
from envtool.reports.tables import plural
from envtool.torch.backends import is_gpu_local

_SEEDED = frozenset({"pip", "setuptools", "wheel", "uv"})


def installed_matches_lock(case: Case) -> CheckResult:
    """Every pin of the lock that holds here is installed at exactly that version, local version included.

    ``torch==2.13.0`` as a specifier is met by ``2.13.0+cu130`` too (PEP 440), so versions are compared, not specifiers.
    """
    check = "installed-matches-lock"
    if case.lock is None:
        return case.skipped(check, "no lock to compare with")
    wrong = []
    for name, pin in sorted(case.locked.items()):
        item = case.evidence.find(name)
        if item is None:
            wrong.append(f"{name} is missing (locked: {pin.version})")
        elif item.version != pin.version:
            wrong.append(f"{name} is {item.distribution.version} (locked: {pin.version})")
    if wrong:
        why = "What was locked is what was tested; this environment is something else."
        return case.failed(check, "; ".join(wrong[:4]) + (f"; and {len(wrong) - 4} more" if wrong[4:] else ""), why=why)
    extra = sorted({item.name for item in case.evidence.distributions} - set(case.locked) - _SEEDED)
    note = f"; not in the lock: {listing(extra)}" if extra else ""
    found = f"{plural(len(case.locked), 'pin')} installed as locked{note}"
    if case.expected.name not in case.lock.torch:
        return case.skipped(check, f"the lock has no file for {case.expected.name}; {found}")
    return case.passed(check, found)


def record(case: Case) -> CheckResult:
    """Every file that a RECORD names is there, with its size (``--deep``: its hash)."""
    check = "record"
    missing, changed, lost, files, outside = [], [], [], 0, 0
    missing_count = changed_count = unchecked = 0
    for item in case.evidence.distributions:
        if item.record is None:
            # Linux distributions and some build systems have none that holds; pip and uv always write one.
            unchecked += 1
            if item.installer in ("pip", "uv"):
                lost.append(str(item))
            continue
        files += item.record.files
        outside += item.record.outside
        missing += [f"{path} ({item})" for path in item.record.missing]
        changed += [f"{entry.path} ({item}) {entry.what}" for entry in item.record.changed]
        missing_count += item.record.missing_count
        changed_count += item.record.changed_count
    unreadable = [
        f"{entry.path.replace(chr(92), '/').rsplit('/', 1)[-1]}: {entry.what}" for entry in case.evidence.unreadable
    ]
    parts = [
        f"{plural(missing_count, 'file')} missing: {listing(missing, missing_count)}" if missing else "",
        f"{plural(changed_count, 'file')} changed: {listing(changed, changed_count)}" if changed else "",
        f"no RECORD: {listing(lost)}" if lost else "",
        f"unreadable metadata: {listing(unreadable)}" if unreadable else "",
        *_twice(case),
    ]
    found = "; ".join(part for part in parts if part)
    if found:
        why = "The environment is not what its installers put there: something changed or broke it since."
        return case.failed(check, found, why=why)
    certificates = [
        path for item in case.evidence.distributions if item.record is not None for path in item.record.certificates
    ]
    how = "by hash" if case.deep else "by size"
    note = f"; {plural(outside, 'entry')} outside of the environment not looked at" if outside else ""
    note += f"; {plural(unchecked, 'distribution')} without a RECORD to compare with" if unchecked else ""
    note += f"; certificates were added to {listing(certificates)}" if certificates else ""
    return case.passed(check, f"{plural(files, 'file')} as recorded, {how}{note}")


def _twice(case: Case) -> list[str]:
    seen: dict[tuple[str, str], Installed] = {}
    twice = []
    # Debian keeps an .egg-info beside a .dist-info of the same package; two .dist-info folders are two installs.
    for item in case.evidence.distributions:
        if not item.place.endswith(".dist-info"):
            continue
        first = seen.setdefault((item.folder, item.name), item)
        if first is not item and item.name != "torch":
            twice.append(f"{item.name} is installed twice: {first.place} and {item.place}")
    return twice


def family_builds(case: Case) -> CheckResult:
    """torch's companions are builds for the same backend: only their own version.py tells, their metadata may not.

    ``torch==2.13.0+cpu`` with the default index's ``torchvision==0.28.0`` resolves and installs; the import dies.
    """
    check = "family-builds"
    torch = case.evidence.torch
    if torch is None:
        return case.skipped(check, "torch is not installed")
    others = {name: build for name, build in case.evidence.builds.items() if name != "torch" and build.version}
    wrong = [f"{name} {build.version}" for name, build in others.items() if not _fits(build, torch)]
    if wrong:
        found = f"torch {torch.version} with {' and '.join(wrong)}"
        why = "Its compiled operators do not load into this torch: `operator torchvision::nms does not exist`."
        fix = f"Install it from the same index as torch. {case.rebuild}"
        return case.failed(check, found, why=why, fix=fix)
    if not others:
        return case.skipped(check, "no companion of torch is installed")
    return case.passed(check, ", ".join(f"{name} {build.version}" for name, build in others.items()))


def _fits(build: Build, torch: Build) -> bool:
    if is_gpu_local(build.local):
        return build.local == torch.identity
    return not (build.local == "cpu" and torch.identity != "cpu")


def family_versions(case: Case) -> CheckResult:
    """The versions of torch and its companions belong together: by their metadata, else by the release table."""
    check = "family-versions"
    torch = case.evidence.find("torch")
    if torch is None or torch.version is None:
        return case.skipped(check, "torch is not installed" if torch is None else "torch's version is not a version")
    wrong, right = [], []
    for name in ("torchvision", "torchaudio"):
        item = case.evidence.find(name)
        if item is None:
            continue
        needs = _declared(item) or paired(name, torch.version)
        if item.version is None:
            wrong.append(f"{item} has no valid version")
        elif needs is None:
            right.append(f"{item} (no pairing known)")
        elif not _meets(needs, item.version, torch.version):
            wrong.append(f"{item} belongs with {needs}, not with {torch}")
        else:
            right.append(str(item))
    if wrong:
        why = "Compiled against another torch, it fails at import or, worse, at a call."
        return case.failed(check, "; ".join(wrong), why=why)
    if not right:
        return case.skipped(check, "neither torchvision nor torchaudio is installed")
    return case.passed(check, f"{', '.join(right)} with {torch}")


def _declared(item: Installed) -> Requirement | None:
    for text in item.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.name.lower() == "torch" and "extra" not in str(requirement.marker or ""):
            return requirement if requirement.specifier else None
    return None


def paired(name: str, torch: Version) -> Requirement | None:
    """What a companion's version must be beside this torch, for those whose metadata does not say.

    torchvision 0.N goes with torch 2.(N-15). torchaudio had torch's own version up to 2.11.0 and stays there.
    """
    if torch.major != 2:
        return None
    if name == "torchvision":
        return Requirement(f"torchvision==0.{torch.minor + 15}.*")
    return Requirement(f"torchaudio==2.{min(torch.minor, 11)}.*")


def _meets(needs: Requirement, own: Version, torch: Version) -> bool:
    return needs.specifier.contains(torch if needs.name.lower() == "torch" else own, prereleases=True)
