"""The phase docs: a section of the README between two markers, and .venv in .gitignore."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import pathspec

from envtool.adapters import files, git, platform
from envtool.env import generations as chain
from envtool.errors import InstallError, UsageError
from envtool.migrate.bundle import app_source
from envtool.migrate.models import Gate, Migration, Status
from envtool.models import SUPPORTED_PYTHONS
from envtool.reports.migration import GET

README = "README.md"
IGNORE = ".gitignore"
BEGIN = b"<!-- envtool:begin -->"
END = b"<!-- envtool:end -->"


def docs(migration: Migration) -> Gate:
    """The gate: the README says how to set the environment up and how to go back, and git does not see ``.venv``.

    Raises UsageError (``migrate.markers``), InstallError (``migrate.docs``).
    """
    changes, evidence = _changes(migration)
    for path, content in changes.items():
        migration.expect(path, content)
        _write(path, content)
    return Gate(evidence=tuple(evidence), status=_status(migration, changes))


def plan_docs(migration: Migration) -> Gate:
    """What would be written. Raises UsageError (``migrate.markers``)."""
    changes, evidence = _changes(migration)
    names = [migration.name(path) for path in changes]
    if not names:
        return Gate(evidence=tuple(evidence), status=_status(migration, changes))
    return Gate(evidence=(f"would change {', '.join(names)}",), status="todo")


def _status(migration: Migration, changes: Mapping[Path, bytes]) -> Status:
    return "pass" if changes or (migration.root / README).is_file() else "skip"


def section(facts: dict[str, str], eol: bytes) -> bytes:
    """The section with its markers. ``facts``: ``torch``, ``python`` (to name, or empty), ``spec`` (or empty). Pure."""
    setup = "envtool setup --cpu" + (f" --python {facts['python']}" if facts["python"] else "")
    lines = [
        "## CPU-only environment",
        "",
        "Kept by `envtool migrate`: what stands between these markers is replaced when it runs again.",
        "",
        GET,
        f"- Set up: `{setup}` (torch {facts['torch']}, from `lockfiles/`)"
        if facts["torch"]
        else f"- Set up: `{setup}`",
        "- Back to full torch: `envtool rollback`; forward again: the line above",
        "- Is it CPU-only: `envtool verify`; will new code run on it: `envtool audit`",
        *([f"- Build the app: `envtool bundle {shlex.quote(facts['spec'])}`"] if facts["spec"] else []),
        "- Newer versions: `envtool lock --upgrade`, then set up again",
        "",
        "Commit `lockfiles/`, but not `.venv` and `.envtool/`: envtool makes them.",
    ]
    return BEGIN + eol + eol.join(line.encode() for line in lines) + eol + END


def with_section(text: bytes, facts: dict[str, str]) -> bytes:
    """A README with the section, in its own line ends: replaced where the markers are, else at the end. Pure.

    Raises UsageError (``migrate.markers``) where the markers are not one pair.
    """
    eol = b"\r\n" if b"\r\n" in text else b"\n"
    new = section(facts, eol)
    begins, ends = text.count(BEGIN), text.count(END)
    if (begins, ends) == (0, 0):
        gap = b"" if not text else eol if text.endswith(eol) else eol + eol
        return text + gap + new + eol
    start, end = text.find(BEGIN), text.find(END)
    if (begins, ends) != (1, 1) or end < start:
        message = f"{README} does not have one {BEGIN.decode()} and one {END.decode()} after it"
        raise UsageError("migrate.markers", message, "Mend the markers, or remove both; --skip docs leaves it alone.")
    return text[:start] + new + text[end + len(END) :]


def with_ignored(text: bytes, venv: str) -> bytes:
    """A .gitignore in which ``venv`` is ignored as a link too: ``.venv/`` speaks of folders only. Pure."""
    lines = text.decode("utf-8", errors="replace").splitlines()
    if pathspec.GitIgnoreSpec.from_lines(lines).match_file(venv):
        return text
    eol = b"\r\n" if b"\r\n" in text else b"\n"
    gap = b"" if not text or text.endswith(eol) else eol
    return text + gap + f"/{venv}".encode() + eol


def _changes(migration: Migration) -> tuple[dict[Path, bytes], list[str]]:
    changes: dict[Path, bytes] = {}
    evidence: list[str] = []
    readme, reason = _target(migration, README)
    if readme is None:
        evidence.append(f"{README}: {reason}")
    else:
        facts = _facts(migration)
        before = readme.read_bytes()
        after = with_section(before, facts)
        evidence.append(f"{README}: the section is {'up to date' if after == before else 'written'}")
        if after != before:
            changes[readme] = after
    venv = migration.layout.venv.relative_to(migration.root).as_posix()
    ignore, _ = _target(migration, IGNORE)
    if ignore is not None:
        before = ignore.read_bytes()
        after = with_ignored(before, venv)
        if after != before:
            changes[ignore] = after
            evidence.append(f"{IGNORE}: /{venv} added")
    elif not platform.exists(migration.root / IGNORE) and git.shows(migration.root / venv):
        changes[migration.root / IGNORE] = with_ignored(b"", venv)
        evidence.append(f"{IGNORE}: made, with /{venv}")
    return changes, evidence


def _facts(migration: Migration) -> dict[str, str]:
    """What the section names: found by the phases before, or as it stands where those were left out."""
    live = chain.current(migration.layout)
    torch = migration.facts.get("torch") or (live.torch if live is not None and live.backend == "cpu" else None)
    spec = migration.facts.get("spec")
    if spec is None:
        source = app_source(migration)
        spec = migration.name(source.with_suffix(".spec")) if source is not None else None
    if spec is not None and not _is_text(spec):
        spec = None  # no README can name it
    python = migration.options.python or migration.facts.get("python") or ""
    # A path to an interpreter is of this machine alone.
    return {"torch": torch or "", "python": python if python in SUPPORTED_PYTHONS else "", "spec": spec or ""}


def _is_text(name: str) -> bool:
    """Whether a file name can be written as UTF-8: on Linux it is bytes, and some are no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _target(migration: Migration, name: str) -> tuple[Path | None, str]:
    """The file to write, through a link inside the project; None with the reason where it is not to be touched."""
    path = migration.root / name
    if not path.is_file():
        return None, "there is none, and none is made"
    real = path.resolve()
    if not real.is_relative_to(migration.root.resolve()):
        return None, "it is a link out of the project"
    if b"\0" in real.read_bytes():
        return None, "it is not UTF-8"
    return migration.root / real.relative_to(migration.root.resolve()), ""


def _write(path: Path, content: bytes) -> None:
    try:
        mode = path.stat().st_mode & 0o7777 if path.exists() else None
        files.write_bytes(path, content, mode=mode)
    except OSError as error:
        message = f"{path.name} cannot be written: {error.strerror or error}"
        raise InstallError("migrate.docs", message, "Make it writable; --skip docs leaves it alone.") from error
