"""Find and read what the audit looks at: a walk over folders that gives a Project, and what was skipped, with reasons.

Rows for what was skipped are data of the report (pip-audit does the same): a file that nobody read must not look clean.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pathspec

from envtool.audit.changed import tracked_files
from envtool.audit.classify import classify
from envtool.audit.decode import UndecodableError, decode
from envtool.audit.models import Project, Skipped, Source, SourceKind
from envtool.audit.notebooks import notebook_source
from envtool.errors import UsageError

TEXT_CAP = 2_000_000
"""Bytes of the largest text file that is read; larger ones are data."""

NOTEBOOK_CAP = 32_000_000
"""Bytes of the largest notebook: outputs (pictures) are part of the file."""

_CACHES = frozenset(
    {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".ipynb_checkpoints", ".eggs"}
)
_FOLDERS: dict[str, str] = {
    ".git": "version control",
    ".hg": "version control",
    ".svn": "version control",
    ".envtool": "environments made by envtool",
    ".tox": "environments made by tox",
    ".nox": "environments made by nox",
    ".tools": "environments made by envtool's bootstrap",
    "site-packages": "installed packages",
    "dist-packages": "installed packages",
    "node_modules": "installed packages",
    "_vendor": "vendored code",
    "vendor": "vendored code",
    "vendored": "vendored code",
    "third_party": "vendored code",
    "third-party": "vendored code",
    "thirdparty": "vendored code",
    "3rdparty": "vendored code",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """What a walk found: the project as read, and the rows of what it did not read."""

    project: Project
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class _Ignore:
    """The patterns of one ignore file; they are relative to ``base``."""

    base: Path
    spec: pathspec.GitIgnoreSpec

    def verdict(self, path: Path, folder: bool) -> bool | None:
        """True: ignored, False: taken back in by a ``!`` pattern, None: not spoken of."""
        relative = path.relative_to(self.base).as_posix() + ("/" if folder else "")
        return self.spec.check_file(relative).include


class _Walk:
    """One walk. It collects rows while it yields files; a folder is entered once, whatever links lead to it."""

    def __init__(self, root: Path, exclude: Sequence[str], named: frozenset[Path]) -> None:
        self.root = root
        self.named = named
        self.skipped: dict[str, Skipped] = {}
        self.exclude = pathspec.GitIgnoreSpec.from_lines(exclude) if exclude else None

    @cached_property
    def tracked(self) -> frozenset[str]:
        """The files that git tracks and the folders over them, asked for when something is ignored."""
        files = tracked_files(self.root)
        folders = {parent.as_posix() for file in files for parent in PurePosixPath(file).parents}
        return files | folders

    def name(self, path: Path) -> str:
        try:
            return path.relative_to(self.root).as_posix() or "."
        except ValueError:
            return path.as_posix()

    def skip(self, path: Path, reason: str, *, amiss: bool = False) -> None:
        name = self.name(path)
        self.skipped[name] = Skipped(path=name, reason=reason, amiss=amiss or path in self.named)

    def files(self, folder: Path, ignores: tuple[_Ignore, ...]) -> Iterator[Path]:
        # An explicit stack: a tree may be deeper than Python's own.
        stack = [(folder, ignores)]
        while stack:
            current, inherited = stack.pop()
            rules = (*inherited, *_ignore_files(current))
            try:
                entries = sorted(os.scandir(current), key=lambda entry: entry.name)
            except OSError as error:
                self.skip(current, f"cannot be read: {error.strerror or error}", amiss=True)
                continue
            folders = []
            for entry in entries:
                path = Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    if self._enters(path, entry.name, rules):
                        folders.append((path, rules))
                elif entry.is_symlink():
                    self._link(path)
                elif classify(self.name(path)) is not None:
                    if reason := self._ignored(path, rules, folder=False):
                        self.skip(path, reason)
                    elif not entry.is_file(follow_symlinks=False):
                        self.skip(path, "not a regular file")
                    else:
                        yield path
            stack.extend(reversed(folders))

    def _enters(self, path: Path, name: str, rules: tuple[_Ignore, ...]) -> bool:
        if name in _CACHES or name.endswith(".egg-info"):
            return False
        reason = _FOLDERS.get(name)
        if reason is None and (path / "pyvenv.cfg").exists():
            reason = "a virtual environment"
        if reason is None and (path / "conda-meta" / "history").exists():
            reason = "a conda environment"
        # PyInstaller's one-folder app: copies of what was installed, among them all of torch's source.
        if reason is None and (path / "base_library.zip").exists():
            reason = "a bundle made by PyInstaller"
        if reason is None and ("{{" in name or "{%" in name):
            reason = "a template"
        reason = reason or self._ignored(path, rules, folder=True)
        if reason:
            self.skip(path, reason)
        return not reason

    def _ignored(self, path: Path, rules: tuple[_Ignore, ...], *, folder: bool) -> str:
        if self.exclude is not None and self.exclude.match_file(self.name(path) + ("/" if folder else "")):
            return "excluded by the settings"
        # Git: the deepest file that speaks of a path decides.
        for rule in reversed(rules):
            verdict = rule.verdict(path, folder)
            if verdict is not None:
                return "ignored by .gitignore" if verdict and self.name(path) not in self.tracked else ""
        return ""

    def _link(self, path: Path) -> None:
        """A link is never followed: inside the project its target is read at its own place."""
        if classify(self.name(path)) is None and not path.is_dir():
            return
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            self.skip(path, "a link that leads nowhere")
            return
        if not target.is_relative_to(self.root.resolve()):
            self.skip(path, "a link that leads out of the project")


def _ignore_files(folder: Path) -> list[_Ignore]:
    found = []
    for name in (".git/info/exclude", ".gitignore"):
        try:
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        try:
            found.append(_Ignore(folder, pathspec.GitIgnoreSpec.from_lines(lines)))
        except ValueError:  # a pattern that git, too, takes as matching nothing
            continue
    return found


def _outer_ignores(root: Path) -> tuple[_Ignore, ...]:
    """Ignore files above the root, up to the repository that holds it; none when that repository ignores the root."""
    parents: list[Path] = []
    if not (root / ".git").exists():
        for parent in root.parents:
            parents.append(parent)
            if (parent / ".git").exists():
                break
        else:
            return ()
    ignores = tuple(ignore for parent in reversed(parents) for ignore in _ignore_files(parent))
    for path in (root, *root.parents):
        for ignore in reversed(ignores):
            if path.is_relative_to(ignore.base) and path != ignore.base and ignore.verdict(path, folder=True):
                return ()
    return ignores


def common_root(paths: Sequence[Path], cwd: Path) -> Path:
    """The root of an audit: the folder itself if one is given, else the current folder, else what the paths share."""
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0].resolve()
    resolved = [path.resolve() for path in paths]
    if all(path.is_relative_to(cwd.resolve()) for path in resolved):
        return cwd.resolve()
    try:
        shared = Path(os.path.commonpath([path if path.is_dir() else path.parent for path in resolved]))
    except ValueError:  # two drives on Windows
        raise UsageError("audit.paths", "the paths share no folder", "Audit one drive at a time.") from None
    return shared


def discover(paths: Sequence[Path], *, cwd: Path, exclude: Sequence[str] = ()) -> Discovery:
    """Read everything under ``paths`` that some rule may look at.

    Raises UsageError (``audit.no-path``) for a path that does not exist. A path that is named is read even when an
    ignore file or a folder's name would leave it out.
    """
    for path in paths:
        if not path.exists():
            raise UsageError("audit.no-path", f"no such file or folder: {path}", "Give a folder or a file that exists.")
    root = common_root(paths, cwd)
    walk = _Walk(root, exclude, frozenset(path.resolve() for path in paths))
    outer = _outer_ignores(root)
    sources: dict[str, Source] = {}
    cache: dict[tuple[str, str], object] = {}
    for path in paths:
        start = path.resolve()
        found = walk.files(start, outer) if start.is_dir() else iter([start])
        for file in found:
            name = walk.name(file)
            if name in sources:
                continue
            kind = classify(name)
            if kind is None:
                walk.skip(file, "not a kind of file that envtool reads")
                continue
            source = _read(file, name, kind, walk, cache)
            if source is not None:
                sources[name] = source
    skipped = tuple(row for _, row in sorted(walk.skipped.items()))
    return Discovery(project=Project(root=root, sources=sources, cache=cache), skipped=skipped)


def _read(file: Path, name: str, kind: SourceKind, walk: _Walk, cache: dict[tuple[str, str], object]) -> Source | None:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            walk.skip(file, "not a regular file")
            return None
        if kind == "model":
            return Source(path=name, absolute=file, kind=kind)
        cap = NOTEBOOK_CAP if kind == "notebook" else TEXT_CAP
        if status.st_size > cap:
            walk.skip(file, f"larger than {cap // 1_000_000} MB")
            return None
        text, encoding = decode(file.read_bytes(), python=kind in ("python", "spec", "setup-py"))
        cache["encoding", name] = encoding
        if kind == "notebook":
            notebook = notebook_source(text)
            cache["cells", name] = notebook.cells
            for number, reason in notebook.dropped:
                cell = f"{name} (cell {number})"
                walk.skipped[cell] = Skipped(path=cell, reason=reason)
            text = notebook.text
    except OSError as error:
        walk.skip(file, f"cannot be read: {error.strerror or error}", amiss=True)
    except (UndecodableError, ValueError, RecursionError) as error:
        walk.skip(file, str(error) or "cannot be decoded", amiss=True)
    except Exception as error:  # one odd file must not hide what the others hold
        reason = f"reading failed with {type(error).__name__}: {error} (a bug in envtool, please report)"
        walk.skip(file, reason, amiss=True)
    else:
        return Source(path=name, absolute=file, kind=kind, text=text)
    return None
