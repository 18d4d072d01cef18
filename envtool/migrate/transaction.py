"""One migration as a transaction: what was there is saved before it changes, and all of it can be put back.

Written down first, changed afterwards: at any moment, also that of a kill, the journal says at least what has changed.
``journal.json`` is there while the migration is under way; its rename to ``committed.json`` is the commit.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from envtool.adapters import files, platform
from envtool.env.recovery import recover
from envtool.env.standing import stand_again, standing
from envtool.errors import InstallError, RollbackError
from envtool.migrate.journal import Journal, Placed, Saved, journal_text, parse_journal
from envtool.migrate.saved import digest, put_back, save
from envtool.models import Layout

COMMITTED = "committed.json"
STAGING = "dist"
"""Where what will be placed at the end is built, in the folder of the migration."""


class Transaction:
    """A migration under way. Call everything with the project's lock held."""

    def __init__(self, layout: Layout, journal: Journal) -> None:
        self.layout = layout
        self.journal = journal

    @property
    def stores(self) -> Path:
        """The folder of saved bytes."""
        return self.layout.migration / "saved"

    @property
    def staging(self) -> Path:
        """The folder of :data:`STAGING`."""
        return self.layout.migration / STAGING

    def expect(self, path: Path, content: bytes | None) -> None:
        """Save what is at ``path``, because it is about to become ``content`` (None: nothing). Before the change.

        Raises InstallError (``migrate.save``); then nothing was changed.
        """
        name = path.relative_to(self.layout.root).as_posix()
        state = "absent" if content is None else digest(content)
        known = {row.path: row for row in self.journal.files}
        try:
            if name not in known:
                known[name] = save(path, name, self.stores / str(len(known)))
            known[name] = replace(known[name], written=tuple(dict.fromkeys((*known[name].written, state))))
            self._write(replace(self.journal, files=tuple(known.values()), folders=self._folders(path)))
        except OSError as error:
            raise _not_saved(name, error) from error

    def check_reach(self, path: Path) -> None:
        """Raises InstallError (``migrate.outside``) for a path that a link takes out of the project."""
        if not _reaches(self.layout, path):
            name = path.relative_to(self.layout.root).as_posix()
            message = f"{name} leads out of the project: it could not be put back from here"
            hint = "Make its folder one of the project, or leave that phase out."
            raise InstallError("migrate.outside", message, hint)

    def place(self, built: Path, final: Path) -> None:
        """Put what was built at its final place; what was there waits beside it until the commit. Safe to repeat.

        Raises InstallError (``migrate.place``, ``migrate.outside``).
        """
        aside = final.with_name(f".{final.name}.envtool-old")
        self.check_reach(final)
        names = [path.relative_to(self.layout.root).as_posix() for path in (built, final, aside)]
        placed = next((row for row in self.journal.placed if row.final == names[1]), None)
        try:
            if placed is None:
                files.remove(aside)  # of a migration that is over
                placed = Placed(built=names[0], final=names[1], aside=names[2], had=platform.exists(final))
                folders = self._folders(final)
                self._write(replace(self.journal, placed=(*self.journal.placed, placed), folders=folders))
            files.make_folder(final.parent)
            if placed.had and not platform.exists(aside):
                platform.rename(final, aside)
            if platform.exists(built):
                platform.rename(built, final)
        except OSError as error:
            message = f"cannot write {names[1]}: {error.strerror or error}"
            raise InstallError("migrate.place", message, "Is the app still running?") from error

    def commit(self) -> None:
        """All of it holds. What was saved goes; a kill from here on changes nothing but leaves work to ``tidy``."""
        committed = self.layout.migration / COMMITTED
        try:
            self.layout.migration_journal.replace(committed)
            platform.sync_folder(self.layout.migration)
        except OSError as error:
            raise _not_saved("the end of the migration", error) from error
        tidy(self.layout)

    def restore(self) -> tuple[str, ...]:
        """Put everything back, in the opposite order. Safe to repeat after a kill.

        Returns a sentence for each thing that was left alone because somebody else has changed it since. Raises
        RollbackError (``env.recover``, ``env.restore``, ``migrate.restore``, ``migrate.outside``) when something cannot
        be put back now.
        """
        try:
            _check_journal(self.layout, self.journal)
        except ValueError as error:
            message = f"nothing was put back: {error}"
            raise RollbackError("migrate.outside", message, _hint_by_hand(self.layout)) from error
        try:
            recover(self.layout)
        except InstallError as error:
            raise RollbackError(error.code, error.message, error.hint) from error
        left: list[str] = []
        try:
            for placed in reversed(self.journal.placed):
                self._take_back(placed)
            reason = stand_again(self.layout, self.journal.environment)
            left += [f"{self.layout.venv.name}: {reason}"] if reason else []
            for saved in reversed(self.journal.files):
                reason = put_back(saved, self.layout.root / saved.path, self.stores)
                if reason:
                    left.append(f"{saved.path}: {reason}{self._keep(saved)}")
            for name in reversed(self.journal.folders):
                folder = self.layout.root / name
                if platform.is_folder(folder) and not any(folder.iterdir()):
                    folder.rmdir()
            files.remove_file(self.layout.migration_journal)
            files.remove_tree(self.layout.migration)
        except OSError as error:
            message = f"not everything could be put back: {error.strerror or error}: {error.filename}"
            hint = "Mend that and run: envtool migrate --undo. What was saved is kept until then."
            raise RollbackError("migrate.restore", message, hint) from error
        return tuple(left)

    def _keep(self, saved: Saved) -> str:
        """What was saved of a file that is left alone stays, outside of what is about to be removed."""
        if not saved.store:
            return ""
        content = (self.stores / saved.store).read_bytes()
        kept = _free_name(self.layout.kept / saved.path, content)
        files.make_folder(kept.parent)
        files.write_bytes(kept, content)
        return f"; what it was is in {kept.relative_to(self.layout.root).as_posix()}"

    def _take_back(self, placed: Placed) -> None:
        built, final, aside = (self.layout.root / name for name in (placed.built, placed.final, placed.aside))
        ours = not platform.exists(built)
        if placed.had and not platform.exists(aside):
            return  # it never left
        if ours:
            files.remove(final)
        if placed.had and not platform.exists(final):
            platform.rename(aside, final)

    def _folders(self, path: Path) -> tuple[str, ...]:
        """The folders that are about to be made for ``path``, after those that are known."""
        missing = []
        for folder in path.parents:
            if folder == self.layout.root or platform.exists(folder):
                break
            missing.append(folder.relative_to(self.layout.root).as_posix())
        return tuple(dict.fromkeys((*self.journal.folders, *reversed(missing))))

    def _write(self, journal: Journal) -> None:
        files.write_text(self.layout.migration_journal, journal_text(journal))
        self.journal = journal


def begin(layout: Layout) -> Transaction:
    """Begin: note what stands at ``.venv``. Raises InstallError (``migrate.save``)."""
    try:
        tidy(layout)
        transaction = Transaction(layout, Journal(environment=standing(layout)))
        files.make_folder(layout.migration)
        transaction._write(replace(transaction.journal, folders=transaction._folders(layout.venv)))
    except OSError as error:
        raise _not_saved("the state of the environment", error) from error
    return transaction


def unfinished(layout: Layout) -> Transaction | None:
    """The migration that was interrupted here, if there is one. Raises InstallError (``migrate.journal``)."""
    path = layout.migration_journal
    try:
        return Transaction(layout, _read_journal(layout, path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InstallError("migrate.journal", f"{path} cannot be used: {error}", _hint_by_hand(layout)) from error


def _hint_by_hand(layout: Layout) -> str:
    return f"Its saved files are in {layout.migration}: put them back by hand, then delete that folder."


def _read_journal(layout: Layout, path: Path) -> Journal:
    journal = parse_journal(path.read_text(encoding="utf-8"))
    _check_journal(layout, journal)
    return journal


def _check_journal(layout: Layout, journal: Journal) -> None:
    """A path without ``..`` may still lead out of the project: through a link, which a repository may hold too.

    Raises ValueError for a journal with such a path.
    """
    names = [*journal.folders, *(row.path for row in journal.files)]
    names += [name for row in journal.placed for name in (row.built, row.final, row.aside)]
    kept = [layout.kept / row.path for row in journal.files]
    for path in (*(layout.root / name for name in names), *kept, layout.migration / "saved" / "0"):
        if not _reaches(layout, path):
            name = path.relative_to(layout.root).as_posix()
            raise ValueError(f"{name} leads out of the project, through a link")


def _reaches(layout: Layout, path: Path) -> bool:
    """Whether a path, itself not followed, lies in the project. ``.envtool`` as a whole may be a link to elsewhere."""
    parent = platform.real_path(path.parent)
    return any(parent.is_relative_to(platform.real_path(folder)) for folder in (layout.root, layout.state))


def _free_name(path: Path, content: bytes) -> Path:
    """The name for what is kept: that of an earlier migration stays, unless it is the same."""
    for number in itertools.count(1):
        name = path if number == 1 else path.with_name(f"{path.name}.{number}")
        if not platform.exists(name) or (name.is_file() and name.read_bytes() == content):
            return name
    raise AssertionError("numbers do not end")


def tidy(layout: Layout) -> None:
    """Remove what a migration that is over has left: what it saved, and what it replaced. What resists is the next
    one's to remove."""
    if layout.migration_journal.exists():
        return
    committed = layout.migration / COMMITTED
    try:
        if committed.exists():
            for placed in _read_journal(layout, committed).placed:
                files.remove(layout.root / placed.aside)
            files.remove_file(committed)
        files.remove_tree(layout.migration)
    except (OSError, ValueError):
        return


def _not_saved(what: str, error: OSError) -> InstallError:
    message = f"cannot write down {what}: {error.strerror or error}"
    return InstallError("migrate.save", message, "Free some disk space, or make .envtool writable.")
