"""What an environment is identified by: the lock it was built from, its Python, and the local projects in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from envtool.env.installed import metadata_folders
from envtool.env.satisfied import fingerprint, marks, source_state
from envtool.lock.project import Interpreter
from envtool.lock.text import REST, lock_digest
from envtool.models import Generation, LocalProject


def lock_identity(
    texts: Mapping[str, str], backend: str, interpreter: Interpreter, root: Path, projects: Iterable[LocalProject]
) -> str:
    """A digest over all that an environment of ``backend`` is built from: where it is the same, one need not be built.

    ``texts`` are the lock's, by file name. A local project counts with its state: an editable one with what its
    metadata comes from, any other with all its files, as pip and uv install it again when these have changed.
    """
    own = [
        [project.path, project.editable, list(project.extras), source_state(root / project.path, project.editable)]
        for project in projects
    ]
    return lock_digest((texts.get(f"torch-{backend}.txt", ""), texts[REST], interpreter.minor, json.dumps(own)))


def has_python(generation: Generation, wanted: str | None, interpreter: Interpreter) -> bool:
    """Whether a generation has the Python that somebody asked for: that interpreter, where it was named by its path,
    that patch release, where one was named. A minor version alone is part of the identity.
    """
    if wanted is None:
        return True
    if Path(wanted).name != wanted:
        return os.path.realpath(generation.python_path) == os.path.realpath(interpreter.path)
    return wanted.count(".") < 2 or generation.python == interpreter.version


def quick_marks(
    root: Path,
    words: Sequence[str],
    files: Sequence[str],
    projects: Iterable[LocalProject],
    site: Path,
    environment: Path,
) -> dict[str, str]:
    """What a later setup compares with, to see without any import that nothing is to do."""
    sources = [[project.path, project.editable] for project in projects]
    try:
        torch = (site / "torch" / "version.py").read_bytes()
    except OSError:
        torch = b""
    return {
        "fingerprint": fingerprint(root, words, files, os.environ, sources),
        "files": json.dumps(list(files)),
        "sources": json.dumps(sources),
        "site": site.relative_to(environment).as_posix(),
        "marks": marks(metadata_folders(site), torch),
    }
