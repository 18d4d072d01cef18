"""The rollback plan and the sizes before and after: measured numbers, or how to get them. Nothing is estimated here."""

from __future__ import annotations

from envtool.audit.risk.evidence import EnvironmentFacts, Evidence
from envtool.audit.risk.model import Bar, Code, Sizes, WayBack, Words, words
from envtool.reports.tables import size


def way_back(evidence: Evidence) -> WayBack:
    """Steps in order, for what this project has."""
    back = next((one for one in evidence.environments if one.number == evidence.way_back), None)
    steps: list[Words] = [words("Stop what runs from `.venv`; on Windows nothing may hold its files open.")]
    if back is not None:
        flip = f": it makes generation {back.number} (torch {back.torch}) current again, by one rename."
        steps.append((Code("envtool rollback"), flip))
    elif evidence.lock is not None and "full" in dict(evidence.lock.torch) and evidence.lock.way_back:
        version = dict(evidence.lock.torch)["full"]
        text = f": no generation has full torch, so it builds one from the lock (torch {version}) and then switches."
        steps.append((Code("envtool rollback"), text))
    elif evidence.lock is not None and "full" in dict(evidence.lock.torch):
        steps.append(
            words(
                "`envtool rollback` has nothing to go back to yet, and the lock has no full torch for this machine: "
                "`envtool setup --cpu` keeps the present `.venv` as a generation."
            )
        )
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
    flip, builds = evidence.flip, back is None and evidence.lock is not None and evidence.lock.way_back
    build = ""
    if builds:
        download = f": it downloads {size(evidence.plan.full)}" if evidence.plan is not None else ""
        build = f" Full torch is built first; how long that takes was not measured{download}."
    if flip is not None:
        before = "the environment before" if flip.before is None else f"generation {flip.before}"
        way = f"from {before} to generation {flip.after}"
        return (f"The switch: {flip.seconds:.2f} s, measured here on {flip.day} {way}.{build}",)
    if back is not None or builds:
        try_it = words(
            "The switch was not measured in this project yet: run `envtool rollback` and "
            "`envtool rollback --to previous` once, and write this report again."
        )
        return (*try_it, build) if build else try_it
    return words("Not measured: envtool has not set this project up yet.")


def sizes(evidence: Evidence) -> Sizes:
    """Before and after: the environments that exist, the downloads of the lock, the bundle; or how to learn them."""
    full = max((one for one in evidence.environments if one.is_full), key=_newest, default=None)
    cpu = max((one for one in evidence.environments if one.backend == "cpu"), key=_newest, default=None)
    plan, bundle = evidence.plan, evidence.bundle
    before, after = [_on_disk("full torch", full)], [_on_disk("CPU-only", cpu)]
    if evidence.own_size is not None:
        before.append(Bar(name="the present .venv, on disk", size=evidence.own_size, source=("your own, as it is",)))
    if plan is not None:
        source = words("the files of the lock, for this machine")
        before.append(Bar(name="full torch, to download", size=plan.full, source=source))
        after.append(Bar(name="CPU-only, to download", size=plan.cpu, source=source))
    if bundle is not None:
        if bundle.default_size:
            source = ("PyInstaller's own hook, same app",)
            before.append(Bar(name="bundle before", size=bundle.default_size, source=source))
        after.append(Bar(name="bundle", size=bundle.size, source=("on disk: ", Code(bundle.path))))
    missing: Words = ()
    if plan is None and (full is None or cpu is None):
        what = "Not known yet" if full is None and cpu is None else "What the other one takes is not known yet"
        missing = (f"{what}: ", *words("`envtool setup --cpu --dry-run` says what both take."))
    return Sizes(bars=tuple(bar for bar in (*before, *after) if bar is not None), missing=missing)


def _on_disk(name: str, one: EnvironmentFacts | None) -> Bar | None:
    if one is None or not one.size:
        return None
    return Bar(name=f"{name}, on disk", size=one.size, source=(f"generation {one.number}, torch {one.torch}",))


def _newest(one: EnvironmentFacts) -> tuple[bool, int]:
    return one.current, one.number
