"""The pure parts of a migration: what stops it, its options, its journal, its texts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from envtool.audit.models import Finding, Fix, Location
from envtool.audit.report import AuditReport
from envtool.audit.rules import RULES
from envtool.env.records import layout_for
from envtool.env.standing import Standing
from envtool.errors import ExitCode, InstallError, RollbackError, UsageError
from envtool.migrate.audit import SETTLED, triage
from envtool.migrate.journal import Journal, Placed, Saved, journal_text, parse_journal
from envtool.migrate.models import PHASES, Before, Options, Row
from envtool.migrate.record import check_names, fresh, read_record, write_record
from envtool.migrate.transaction import begin, tidy, unfinished
from envtool.migrate.weights import LOADS
from envtool.migrate.workflow import STEPS
from envtool.reports.migration import GET, render_checklist, render_result, render_summary


def finding(code: str, severity: Any = "error", *, fix: Fix | None = None) -> Finding:
    place = Location(line=3, column=1, end_line=3, end_column=2)
    return Finding(
        code=code, severity=severity, confidence="high", path="a.py", location=place, message="it breaks", fix=fix
    )


SAFE = Fix(message="mend", edits=())
UNSAFE = Fix(message="mend", edits=(), safe=False)


def sorted_out(findings: list[Finding], fail_on: str, phases: list[str]) -> tuple[list[str], list[str], list[str], int]:
    report = AuditReport(root=Path(), findings=tuple(findings), safe=(), skipped=(), rules={}, files=1)
    after = dataclasses.replace(report, findings=tuple(row for row in findings if row.fix is not SAFE))
    found = triage(report, after, fail_on, phases)
    codes = [[row.code for row in rows] for rows in (found.fixable, found.settled, found.left)]
    return (*codes, found.other)  # type: ignore[return-value]


def test_what_stops_a_move() -> None:
    findings = [
        finding("CPU304", fix=SAFE),
        finding("CPU301"),
        finding("CPU201", fix=UNSAFE),
        finding("CPU101"),
        finding("CPU204", "warning"),
    ]
    assert sorted_out(findings, "error", ["lock", "bundle"]) == (["CPU304"], ["CPU301", "CPU201"], ["CPU101"], 1)
    assert sorted_out(findings, "error", ["lock"]) == (["CPU304"], ["CPU301"], ["CPU201", "CPU101"], 1)
    assert sorted_out(findings, "warning", []) == (["CPU304"], [], ["CPU301", "CPU201", "CPU101", "CPU204"], 0)
    assert sorted_out(findings, "never", []) == ([], [], [], 5)


def test_the_tables_speak_of_rules_and_phases_that_there_are() -> None:
    assert tuple(step.name for step in STEPS) == PHASES
    codes = {rule.code for rule in RULES}
    assert {*SETTLED, *LOADS} <= codes
    assert {*SETTLED.values()} <= {*PHASES}


def test_options_of_before_with_those_of_now() -> None:
    before = Options(fix=True, checks=("a",), spec="app.spec")
    assert before.with_given(Options()) == before
    assert before.with_given(Options(checks=("b",), upgrade_torch=True)) == Options(
        fix=True, checks=("b",), spec="app.spec", upgrade_torch=True
    )


def test_names_of_phases() -> None:
    assert check_names(["audit, lock", "docs"], "--only") == ("audit", "lock", "docs")
    with pytest.raises(UsageError) as caught:
        check_names(["bundles"], "--skip")
    assert "--skip bundles: no such phase" in caught.value.message


def test_the_journal_comes_back_as_it_was_written() -> None:
    journal = Journal(
        environment=Standing(kind="directory", inode=7, mode=0o755),
        files=(Saved(path="a", kind="file", state="sha256:1", store="0", mode=0o640, modified=3, written=("absent",)),),
        folders=("lockfiles",),
        placed=(Placed(built="b", final="dist/b", aside="dist/.b", had=True),),
    )
    assert parse_journal(journal_text(journal)) == journal


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/a", "", "."])
@pytest.mark.parametrize("where", ["path", "store", "folder", "built", "final", "aside"])
def test_a_journal_that_leads_out_of_the_project_is_none(name: str, where: str) -> None:
    if where == "store" and not name:
        return  # a link, or nothing, has none
    saved = Saved(path="a", kind="file", state="sha256:1", store="0")
    placed = Placed(built="b", final="dist/b", aside="dist/.b", had=True)
    journal = Journal(
        environment=Standing(kind="absent"),
        files=(dataclasses.replace(saved, **{where: name}),) if where in ("path", "store") else (saved,),
        folders=(name,) if where == "folder" else (),
        placed=(dataclasses.replace(placed, **{where: name}),) if where in ("built", "final", "aside") else (placed,),
    )
    with pytest.raises(ValueError, match="not in the project"):
        parse_journal(journal_text(journal))


def test_what_a_journal_names_outside_stays(tmp_path: Path) -> None:
    layout = layout_for(tmp_path / "project")
    layout.migration.mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    placed = Placed(built="b", final="dist/b", aside="../precious", had=True)
    text = journal_text(Journal(environment=Standing(kind="absent"), placed=(placed,)))
    (layout.migration / "committed.json").write_text(text, encoding="utf-8")
    tidy(layout)
    assert (tmp_path / "precious").is_dir()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "environment": 5}'])
def test_what_is_no_journal(text: str, tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    layout.migration.mkdir(parents=True)
    (layout.migration / "journal.json").write_text(text, encoding="utf-8")
    with pytest.raises(InstallError) as caught:
        unfinished(layout)
    assert caught.value.code == "migrate.journal"


def test_what_cannot_be_put_back_is_a_rollback_that_failed(tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    layout.state.mkdir()
    (tmp_path / "a.txt").write_bytes(b"before")
    transaction = begin(layout)
    transaction.expect(tmp_path / "a.txt", b"after")
    (tmp_path / "a.txt").write_bytes(b"after")
    saved = transaction.stores / "0"
    saved.rename(tmp_path / "elsewhere")
    with pytest.raises(RollbackError) as caught:
        transaction.restore()
    assert (caught.value.code, caught.value.exit_code) == ("migrate.restore", ExitCode.ROLLBACK)
    (tmp_path / "elsewhere").rename(saved)
    again = unfinished(layout)
    assert again is not None
    assert again.restore() == ()
    assert (tmp_path / "a.txt").read_bytes() == b"before"
    assert not layout.migration.exists()


def test_the_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    layout = layout_for(tmp_path)
    layout.state.mkdir()
    record = fresh(Options(skip=("docs",), checks=("a b",)), Before(torch="2.13.0", installed={"leaf": "1.0"}))
    record = record.with_row(Row(name="audit", status="pass", evidence=("read",), seconds=1.5), {"generation": 3})
    record = record.ended("failed", error=("check.failed", "no", "mend it"), restored=True, left=("a: changed",))
    assert read_record(layout) is None
    write_record(layout, record)
    assert read_record(layout) == record
    assert [row.status for row in record.rows] == ["pass", *["todo"] * 5, "skip"]
    table = json.loads((tmp_path / ".envtool/migration.json").read_text(encoding="utf-8"))
    assert table["error"] == {"code": "check.failed", "message": "no", "hint": "mend it"}
    (tmp_path / ".envtool/migration.json").write_text("{}", encoding="utf-8")
    assert read_record(layout) is None


ROWS = [
    {"name": "audit", "status": "pass", "evidence": ["8 files read", "settled by the lock: CPU301 in a.txt"]},
    {"name": "setup", "status": "fail", "evidence": ["check `x` failed", "  \x1b[31mlast *words*\x1b[0m"]},
    {"name": "docs", "status": "todo", "evidence": []},
]


def test_the_checklist() -> None:
    assert render_checklist(ROWS).splitlines() == [
        "  ok  audit   8 files read",
        "              settled by the lock: CPU301 in a.txt",
        "FAIL  setup   check `x` failed",
        "                \\x1b[31mlast *words*\\x1b[0m",
        "todo  docs",
    ]


def test_long_evidence_stays_in_80_columns_and_keeps_paths_whole() -> None:
    path = "lockfiles/" + "long-name-" * 6 + ".txt"
    row = {
        "name": "lock",
        "status": "pass",
        "evidence": [f"wrote {path}, lockfiles/torch-cpu.txt, lockfiles/lock.toml"],
    }
    lines = render_checklist([row]).splitlines()
    assert any(path in line for line in lines)
    assert all(len(line) <= 80 for line in lines if path not in line)


def record_table(state: str) -> dict[str, Any]:
    record = fresh(Options(), Before(torch="2.13.0+cu130", size=4_800_000_000)).ended(state)  # type: ignore[arg-type]
    facts = {
        "torch": "2.13.0+cpu",
        "spec": "my app.spec",
        "environment_size": 936_600_000,
        "way_back": {"generation": 2, "torch": "2.13.0+cu130", "seconds": 0.5},
        "remaining": [
            {"path": "a*b.py", "line": 4, "code": "CPU204", "message": "it hides its cause", "fixable": False},
            *(
                {"path": "c.txt", "line": line, "code": "CPU304", "message": "word " * 20, "fixable": True}
                for line in range(1, 6)
            ),
        ],
    }
    record = dataclasses.replace(record, facts=facts)
    return {
        **record.as_dict(),
        "envtool": "1",
        "error": None,
        "facts": facts,
        "phases": [{**row, "seconds": 1} for row in ROWS],
    }


def test_the_end_and_the_summary() -> None:
    done = record_table("done")
    lines = render_result(done).splitlines()
    first = lines.index("by hand  a*b.py:4 CPU204 it hides its cause")
    assert lines[first - 4 : first] == [
        "torch    2.13.0+cu130 before, 2.13.0+cpu now",
        "size     environment: 4.8 GB before, 936.6 MB now",
        "back     envtool rollback (0.50 s, measured)",
        "record   .envtool/migration.json, for the team .envtool/migration.md",
    ]
    assert lines[first + 1 : first + 3] == [
        "         c.txt:1 CPU304 word word word word word word word word word word word",
        "           word word word word word word word word word",
    ]
    assert lines[-2:] == [
        "         envtool audit --fix mends some of it",
        "         and 1 more, in the summary",
    ]
    assert max(map(len, lines)) <= 80
    summary = render_summary(done)
    assert "- [ ] a\\*b.py:4 CPU204 it hides its cause\n" in summary
    assert summary.count("(`envtool audit --fix` mends it)") == 5
    assert "- [ ] **failed** setup: check \\`x\\` failed (1.0 s)" in summary
    assert "\x1b" not in summary
    assert "| environment | 4.8 GB | 936.6 MB |" in summary
    assert "Tried during the move: 0.50 s." in summary
    assert "- The app: `envtool bundle 'my app.spec'`." in summary
    assert f"## For the team\n\n{GET}\n- After pulling: `envtool setup --cpu`" in summary
    noted = {**done, "notes": ["uv run and uv sync bring .venv to what uv.lock says, CUDA torch included: mind it"]}
    assert "\nnote     uv run and uv sync bring .venv to what uv.lock says, CUDA torch" in render_result(noted)
    assert "- uv run and uv sync bring" in render_summary(noted)
    again = {**record_table("failed"), "restored": True, "stands": "2026-01-01"}
    assert render_result(again).splitlines()[-2:] == [
        "stands   the move of 2026-01-01, with its fixes",
        "undone   the environment and all files are as they were before this run",
    ]
    failed = render_summary(record_table("failed"))
    assert "**Stopped by a gate.**" in failed
    assert "For the team" not in failed
    assert "By hand" not in failed
    left = render_summary({**record_table("undone"), "left": ["a.txt: somebody changed it since"]})
    assert "**Undone.** The environment and all files are as they were (but for what is left alone)." in left
