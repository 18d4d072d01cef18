"""What a migration puts back stays in the project, loses nothing that was kept, and says what it could not do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from envtool.env.records import layout_for
from envtool.env.standing import Standing
from envtool.errors import EnvtoolError, ExitCode, InstallError, RollbackError
from envtool.migrate import workflow
from envtool.migrate.journal import Journal, Placed, Saved, journal_text
from envtool.migrate.models import Migration, Options, Phase
from envtool.migrate.saved import digest, state_of
from envtool.migrate.transaction import begin, tidy, unfinished
from envtool.models import Layout

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs symlinks and named pipes")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = layout_for(tmp_path / "project")
    found.state.mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "notes").write_text("mine\n", encoding="utf-8")
    return found


@pytest.fixture
def _no_waiting() -> Iterator[None]:
    """A read of a pipe that nobody writes to ends the test instead of waiting for ever."""

    def stop(*_: object) -> None:
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def hostile(layout: Layout, name: str, journal: Journal) -> None:
    layout.migration.mkdir(exist_ok=True)
    (layout.migration / name).write_text(journal_text(journal), encoding="utf-8")


def out(layout: Layout, name: str) -> None:
    path = layout.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(layout.root.parent / "home")


NOTES = Saved(path="docs/notes", kind="absent", state="absent", written=(digest(b"mine\n"),))


@pytest.mark.parametrize(
    ("link", "rows", "named"),
    [
        ("docs", {"files": (NOTES,)}, "docs/notes"),
        ("docs", {"folders": ("docs/empty",)}, "docs/empty"),
        ("dist", {"placed": (Placed(built="built", final="dist/notes", aside=".app", had=False),)}, "dist/notes"),
        ("dist", {"placed": (Placed(built="built", final="app", aside="dist/notes", had=True),)}, "dist/notes"),
        ("dist", {"placed": (Placed(built="dist/notes", final="app", aside=".app", had=False),)}, "dist/notes"),
        (".envtool/kept", {"files": (Saved(path="a", kind="file", state="x", store="0"),)}, ".envtool/kept/a"),
        (".envtool/migration/saved", {}, ".envtool/migration/saved/0"),
    ],
)
def test_a_journal_that_leads_out_through_a_link_is_refused(
    layout: Layout, link: str, rows: dict[str, object], named: str
) -> None:
    out(layout, link)
    hostile(layout, "journal.json", Journal(environment=Standing(kind="absent"), **rows))  # type: ignore[arg-type]
    with pytest.raises(InstallError) as caught:
        unfinished(layout)
    path = layout.migration_journal
    assert (caught.value.code, caught.value.exit_code) == ("migrate.journal", ExitCode.INSTALL)
    assert caught.value.message == f"{path} cannot be used: {named} leads out of the project, through a link"
    assert caught.value.hint == (
        f"Its saved files are in {layout.migration}: put them back by hand, then delete that folder."
    )
    assert [path.name for path in (layout.root.parent / "home").iterdir()] == ["notes"]


def test_links_in_a_circle_are_an_error_and_no_bug(layout: Layout) -> None:
    (layout.root / "docs").symlink_to("docs")
    hostile(layout, "journal.json", Journal(environment=Standing(kind="absent"), files=(NOTES,)))
    again = unfinished(layout)
    assert again is not None
    with pytest.raises(RollbackError) as caught:
        again.restore()
    assert caught.value.code == "migrate.restore"


def test_what_waits_elsewhere_is_not_tidied_away(layout: Layout) -> None:
    out(layout, "dist")
    placed = Placed(built="built", final="app", aside="dist/notes", had=True)
    hostile(layout, "committed.json", Journal(environment=Standing(kind="absent"), placed=(placed,)))
    tidy(layout)
    assert (layout.root.parent / "home" / "notes").read_text(encoding="utf-8") == "mine\n"


def test_a_link_that_came_meanwhile(layout: Layout) -> None:
    path = layout.root / "docs" / "notes"
    path.parent.mkdir()
    transaction = begin(layout)
    transaction.expect(path, b"mine\n")
    path.parent.rmdir()
    out(layout, "docs")
    with pytest.raises(RollbackError) as caught:
        transaction.restore()
    assert (caught.value.code, caught.value.exit_code) == ("migrate.outside", ExitCode.ROLLBACK)
    assert caught.value.message == "nothing was put back: docs/notes leads out of the project, through a link"
    assert path.read_text(encoding="utf-8") == "mine\n"
    assert layout.migration_journal.exists()


def test_nothing_is_placed_through_a_link(layout: Layout) -> None:
    out(layout, "dist")
    transaction = begin(layout)
    built = transaction.staging / "notes"
    built.mkdir(parents=True)
    with pytest.raises(InstallError) as caught:
        transaction.place(built, layout.root / "dist" / "notes")
    assert (caught.value.code, caught.value.exit_code) == ("migrate.outside", ExitCode.INSTALL)
    assert transaction.journal.placed == ()
    assert transaction.restore() == ()
    assert (layout.root.parent / "home" / "notes").read_text(encoding="utf-8") == "mine\n"


def test_envtools_own_folder_may_be_elsewhere(tmp_path: Path) -> None:
    layout = layout_for(tmp_path / "project")
    layout.root.mkdir()
    (tmp_path / "disk").mkdir()
    layout.state.symlink_to(tmp_path / "disk")
    (layout.root / "a.txt").write_bytes(b"before")
    transaction = begin(layout)
    transaction.expect(layout.root / "a.txt", b"after")
    (layout.root / "a.txt").write_bytes(b"after")
    built = transaction.staging / "app"
    built.mkdir(parents=True)
    transaction.place(built, layout.root / "dist" / "app")
    again = unfinished(layout)
    assert again is not None
    assert again.restore() == ()
    assert (layout.root / "a.txt").read_bytes() == b"before"
    assert not (layout.root / "dist").exists()


def left_alone(layout: Layout, content: bytes) -> tuple[str, ...]:
    """A migration that is undone after somebody else has changed its one file, which held ``content`` before."""
    path = layout.root / "a.txt"
    path.write_bytes(content)
    transaction = begin(layout)
    transaction.expect(path, b"after")
    path.write_bytes(b"by hand")
    return transaction.restore()


def test_what_was_kept_is_kept_beside_what_is_kept_now(layout: Layout) -> None:
    said = "a.txt: somebody changed it since; what it was is in .envtool/kept/a.txt"
    assert left_alone(layout, b"first") == (said,)
    assert left_alone(layout, b"second") == (f"{said}.2",)
    assert left_alone(layout, b"third") == (f"{said}.3",)
    assert left_alone(layout, b"second") == (f"{said}.2",)
    kept = {path.name: path.read_bytes() for path in (layout.state / "kept").iterdir()}
    assert kept == {"a.txt": b"first", "a.txt.2": b"second", "a.txt.3": b"third"}


@pytest.mark.usefixtures("_no_waiting")
def test_a_pipe_is_never_read(layout: Layout) -> None:
    path = layout.root / "a.txt"
    path.write_bytes(b"before")
    transaction = begin(layout)
    transaction.expect(path, b"after")
    path.unlink()
    os.mkfifo(path)
    assert state_of(path) == "special"
    os.mkfifo(layout.root / "pipe")
    with pytest.raises(InstallError) as caught:
        transaction.expect(layout.root / "pipe", b"other")
    assert caught.value.message == "cannot write down pipe: it is a pipe, a socket or a device"
    again = unfinished(layout)
    assert again is not None
    assert again.restore() == ("a.txt: it is a pipe, a socket or a device now; what it was is in .envtool/kept/a.txt",)
    assert path.is_fifo()
    assert (layout.state / "kept" / "a.txt").read_bytes() == b"before"


class Said:
    """A reporter that remembers."""

    passthrough = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        pass

    def note(self, message: str) -> None:
        pass

    def warn(self, message: str) -> None:
        self.lines.append(message)


@pytest.mark.parametrize("fate", ["back", "left", "lost", "recovery"])
def test_what_is_said_after_an_interruption_is_true(layout: Layout, monkeypatch: pytest.MonkeyPatch, fate: str) -> None:
    path = layout.root / "a.txt"
    path.write_bytes(b"before")

    def phase(migration: Migration) -> None:
        migration.expect(path, b"after")
        path.write_bytes(b"by hand" if fate == "left" else b"after")
        if fate == "lost":
            (layout.migration / "saved" / "0").unlink()
        raise KeyboardInterrupt

    def refuse(_: Layout) -> tuple[str, ...]:
        raise InstallError("env.recover", "cannot clean up", "Mend it.")

    monkeypatch.setattr(workflow, "STEPS", (Phase(name="audit", promise="", run=phase, plan=phase),))  # type: ignore[arg-type]
    if fate == "recovery":
        monkeypatch.setattr("envtool.migrate.transaction.recover", refuse)
    said = Said()
    wanted = workflow.Wanted(options=Options())
    if fate in ("back", "left"):
        ended = workflow.migrate(layout, wanted, said)
        but = " but for what is left alone" if fate == "left" else ""
        told = ("interrupted", f"gate audit: interrupted; all is as it was{but}", "Go on: envtool migrate --resume")
        assert (ended.exit_code, ended.error, said.lines) == (130, told, [])
        return
    with pytest.raises(EnvtoolError) as caught:
        workflow.migrate(layout, wanted, said)
    assert said.lines == ["gate audit: interrupted"]
    assert caught.value.exit_code == ExitCode.ROLLBACK
    if fate == "recovery":
        assert (caught.value.code, caught.value.message) == ("env.recover", "cannot clean up")
        return
    assert caught.value.message.startswith("not everything could be put back: No such file or directory: ")
    assert caught.value.hint == ("Mend that and run: envtool migrate --undo. What was saved is kept until then.")
