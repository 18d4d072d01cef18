"""What to mind after a switch: what other tools will do with the new ``.venv``."""

from __future__ import annotations

from collections.abc import Iterator

from envtool.adapters import git
from envtool.env.occupant import Occupant
from envtool.lock.workspace import Project
from envtool.models import Layout, Note

UV_SYNC = Note(
    code="env.uv-sync",
    message="uv run and uv sync bring .venv to what uv.lock says, CUDA torch included: "
    "use envtool run -- CMD, or uv run --no-sync CMD",
)
"""What uv would do to the environment of a project that is uv's, too."""


def notes_after(project: Project, layout: Layout, found: Occupant, *, plain: bool) -> Iterator[Note]:
    """Notes on a switch, told once: not where envtool's own environment stood there before (``found``)."""
    if found.kind != "generation" and not plain and git.shows(layout.venv):
        name = layout.venv.relative_to(layout.root).as_posix()
        message = f"git shows {name}, which is a link: add the line {name} to .gitignore, without a slash behind it"
        yield Note(code="git.venv", message=message)
    if found.kind not in ("generation", "plain") and uv_keeps(project, layout):
        yield UV_SYNC


def uv_keeps(project: Project, layout: Layout) -> bool:
    """Whether uv takes the same folder for its own environment of the project."""
    uses_uv = "uv" in ((project.pyproject or {}).get("tool") or {}) or (project.root / "uv.lock").is_file()
    return uses_uv and layout.venv == layout.root / ".venv"
