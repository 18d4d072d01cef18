"""An environment that is there already: built from this very lock, healthy, and still what its record says."""

from __future__ import annotations

from collections.abc import Callable

from envtool.env import generations as chain
from envtool.env.by_hand import changed_by_hand
from envtool.env.verify import VerifyOptions, locate_site_packages, verify_environment
from envtool.errors import EnvtoolError
from envtool.models import Generation, Layout, Reporter
from envtool.torch.backends import Backend


def find_ready(
    layout: Layout, backend: Backend, reporter: Reporter, *, plain: bool, fits: Callable[[Generation], bool]
) -> Generation | None:
    """A healthy generation that ``fits``, by what it was built from, and still stands; the current one first."""
    now = chain.current(layout)
    if plain:
        here = now is not None and now.kind == "plain" and fits(now)
        return now if now is not None and here and _stands(layout, now, backend, reporter) else None
    found = [
        generation
        for generation in chain.list_generations(layout)
        if fits(generation) and _stands(layout, generation, backend, reporter)
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
