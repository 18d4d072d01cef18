"""The rollback plan and the sizes before and after: measured numbers, or how to get them. Nothing is estimated here."""

from __future__ import annotations

from envtool.audit.risk.evidence import EnvironmentFacts, Evidence
from envtool.audit.risk.model import Bar, Code, Sizes, WayBack, Words, words


def way_back(evidence: Evidence) -> WayBack:
    """Steps in order, for what this project has."""
    back = next((one for one in evidence.environments if one.number == evidence.way_back), None)
    steps: list[Words] = [words("Stop what runs from `.venv`; on Windows nothing may hold its files open.")]
    if back is not None:
        flip = f": it makes generation {back.number} (torch {back.torch}) current again, by one rename."
        steps.append((Code("envtool rollback"), flip))
    elif evidence.lock is not None and "full" in dict(evidence.lock.torch):
        version = dict(evidence.lock.torch)["full"]
        text = f": no generation has full torch, so it builds one from the lock (torch {version}) and then switches."
        steps.append((Code("envtool rollback"), text))
    else:
        steps.append(
            words(
                "`envtool rollback` has nothing to go back to yet: `envtool setup --cpu` keeps the present `.venv` as "
                "a generation, and `envtool lock` writes the lock that full torch can be built from."
            )
        )
    steps.append(words("Take back the changes to the sources: `git revert` the commit of `envtool audit --fix`."))
    steps.append(words("See what is current: `envtool status`. Forward again: `envtool rollback --to previous`."))
    return WayBack(steps=tuple(steps), time=_time(evidence, back))


def _time(evidence: Evidence, back: EnvironmentFacts | None) -> Words:
    flip = evidence.flip
    if flip is not None:
        before = "the environment before" if flip.before is None else f"generation {flip.before}"
        return (f"Measured here on {flip.day}: {flip.seconds:.2f} s from {before} to generation {flip.after}.",)
    if back is not None:
        return words(
            "Not measured in this project yet: run `envtool rollback` and `envtool rollback --to previous` once, and "
            "write this report again."
        )
    return words("Not measured: envtool has not set this project up yet.")


def sizes(evidence: Evidence) -> Sizes:
    """Before and after, from the environments that exist; else the downloads of the lock; else how to learn them."""
    bars: list[Bar] = []
    full = max((one for one in evidence.environments if one.is_full), key=_newest, default=None)
    cpu = max((one for one in evidence.environments if one.backend == "cpu"), key=_newest, default=None)
    for name, one in (("before: full torch", full), ("after: CPU-only", cpu)):
        if one is not None and one.size:
            bars.append(Bar(name=name, size=one.size, source=(f"on disk, generation {one.number}, torch {one.torch}",)))
    missing: Words = ()
    if len(bars) < 2 and evidence.plan is not None:
        source = words("to download, from the lock's files")
        bars += [
            Bar(name="before: full torch", size=evidence.plan.full, source=source),
            Bar(name="after: CPU-only", size=evidence.plan.cpu, source=source),
        ]
    elif not bars:
        missing = words("Not known yet: `envtool setup --cpu --dry-run` says both, without changing anything.")
    elif len(bars) < 2:
        missing = words("The other one is not known: `envtool setup --cpu --dry-run` says what both would take.")
    bundle = evidence.bundle
    if bundle is not None:
        if bundle.default_size:
            source = ("PyInstaller's own hook, same app",)
            bars.append(Bar(name="bundle before", size=bundle.default_size, source=source))
        bars.append(Bar(name="bundle after", size=bundle.size, source=("on disk: ", Code(bundle.path))))
    return Sizes(bars=tuple(bars), missing=missing)


def _newest(one: EnvironmentFacts) -> tuple[bool, int]:
    return one.current, one.number
