"""An environment that is there already: built from this very lock, healthy, and still what its record says."""

from __future__ import annotations

from envtool.env import generations as chain
from envtool.env.by_hand import changed_by_hand
from envtool.env.verify import VerifyOptions, locate_site_packages, verify_environment
from envtool.errors import EnvtoolError
from envtool.models import Generation, Layout, Reporter
from envtool.torch.backends import Backend


def find_ready(layout: Layout, digest: str, backend: Backend, reporter: Reporter, *, plain: bool) -> Generation | None:
    """A healthy generation that was built from the lock of this digest and still stands; the current one first."""
    now = chain.current(layout)
    if plain:
        fits = now is not None and now.kind == "plain" and now.lock_digest == digest
        return now if now is not None and fits and _stands(layout, now, backend, reporter) else None
    found = [
        generation
        for generation in chain.list_generations(layout)
        if generation.lock_digest == digest and _stands(layout, generation, backend, reporter)
    ]
    if now is not None and any(generation.id == now.id for generation in found):
        return now
    return max(found, key=lambda generation: generation.id, default=None)


def _stands(layout: Layout, generation: Generation, backend: Backend, reporter: Reporter) -> bool:
    """Whether a generation is still what its record says: what is installed, and every recorded file."""
    folder = layout.venv if generation.kind == "plain" else layout.generation(generation.id)
    if not chain.is_sound(layout, generation, folder):
        return False
    try:
        site = locate_site_packages(folder)
        if changed_by_hand(generation, folder):
            return False
        options = VerifyOptions(expected=backend, static=True)
        report = verify_environment(python=None, site_packages=site, options=options)
    except EnvtoolError:
        return False
    if not report.ok:
        first = report.failures[0]
        reporter.warn(f"generation {generation.id} is passed over: {first.found}")
    return report.ok
