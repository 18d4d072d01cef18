"""Setup: lock, plan, stage, probe, verify, check, activate. Whatever fails before the last step changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from envtool.adapters import files, platform
from envtool.adapters.clock import Clock, timestamp
from envtool.env import generations as chain
from envtool.env.afterwards import notes_after
from envtool.env.by_hand import told_by_hand
from envtool.env.commands import read_commands, run_checks
from envtool.env.identity import has_python, lock_identity, quick_marks
from envtool.env.install import Installation, install, make_environment, pins_here, projects_here
from envtool.env.installed import installed_versions, local_projects
from envtool.env.outcome import LASTING, SetupResult, after_new_lock, tell_changes
from envtool.env.own import describe_own
from envtool.env.plan import Plan, Size, check_space, measure
from envtool.env.proof import counted, raise_failure
from envtool.env.records import record_text
from envtool.env.reuse import find_ready
from envtool.env.verify import VerifyOptions, locate_python, locate_site_packages, verify_environment
from envtool.errors import EnvtoolError, LockError
from envtool.lock.project import Interpreter, choose_interpreter, find_links_folders, index_access, torch_index
from envtool.lock.request import RequestOptions
from envtool.lock.stage import (
    LockRequest,
    LockResult,
    lock_project,
    needed_lock,
    read_request,
    request_from_lock,
    staleness,
    write_lock,
)
from envtool.lock.text import LOCK_TOML, read_lock, read_texts
from envtool.lock.workspace import Project
from envtool.models import CheckResult, Generation, Layout, LocalProject, Lock, Note, Reporter, Request, VerifyReport
from envtool.reports.tables import changes
from envtool.torch.backends import Backend
from envtool.torch.unserved import naming_torch_index


@dataclass(frozen=True, kw_only=True)
class SetupRequest:
    """What ``envtool setup`` was asked for. ``words`` are its words, for the fingerprint.

    ``as_locked``: install the lock whatever the inputs say now; a rollback at night must not stop at a stale lock.
    """

    backend: Backend
    inputs: RequestOptions = field(default_factory=RequestOptions)
    install_project: bool = True
    frozen: bool = False
    as_locked: bool = False
    dry_run: bool = False
    plain: bool = False
    checks: tuple[str, ...] = ()
    compile_bytecode: bool = True
    probe: bool = True
    words: tuple[str, ...] = ()


def setup(project: Project, layout: Layout, wanted: SetupRequest, reporter: Reporter) -> SetupResult:
    """Bring the project's environment to the locked state of a backend.

    Raises the errors of each step with its exit code: UsageError (2), NoInputsError (3), ResolutionError (4), LockError
    (5), InstallError (6), VerifyError (7), BusyError (9). The environment is as it was in every one of these cases.
    """
    steps = Steps(project, layout, wanted, reporter)
    if wanted.dry_run:
        return steps.run()  # no lock and no recovery: both write
    chain.check_place(layout)  # before the lock is taken, which makes .envtool/
    with chain.exclusive(layout):
        for sentence in chain.recover(layout):
            reporter.note(sentence)
        return steps.run()


class Steps:
    """The steps of one setup, in order; in-place setup takes some of them."""

    def __init__(self, project: Project, layout: Layout, wanted: SetupRequest, reporter: Reporter) -> None:
        self.project = project
        self.layout = layout
        self.wanted = wanted
        self.reporter = reporter
        self.clock = Clock()
        self.notes: list[Note] = []
        self.commands = read_commands((*project.settings.checks, *wanted.checks))

    def run(self) -> SetupResult:
        """Do all of it."""
        chain.check_replaceable(self.layout)
        with self.clock.phase("lock"):
            result, request, interpreter = self.locked()
        self.notes += result.notes
        what = self.installation(result.lock, request)
        digest = self.identity(result.texts, interpreter, request)
        with self.clock.phase("plan"):
            plan = self.plan(what, interpreter)
        if self.wanted.dry_run:
            self.look_ahead()
            ready = None if result.changed else self.ready(digest, interpreter)
            return self.rehearsed(ready, plan, lock_changed=result.changed)
        with self.written(result):
            ready = self.ready(digest, interpreter)
            if ready is not None:
                return self.switch(ready, request, plan, lock_changed=result.changed)
            check_space(plan)
            return self.build(what, interpreter, digest, request, plan, lock_changed=result.changed)

    def look_ahead(self) -> None:
        """For a dry run: a note where the real one would fail for want of rights."""
        layout = self.layout
        places = (layout.root, self.project.lockfiles, layout.state, layout.generations)
        refused = [place for place in places if place.is_dir() and not files.may_write(place)]
        if refused:
            where = "this folder" if refused[0] == layout.root else f"{refused[0].relative_to(layout.root).as_posix()}/"
            message = f"{where} cannot be written by this user: envtool setup will fail"
            self.notes.append(Note(code="env.read-only", message=message))

    # --- lock and plan ---

    def locked(self) -> tuple[LockResult, Request, Interpreter]:
        """The lock to install, made now if it is missing or stale and that is allowed."""
        if self.wanted.as_locked:
            lock = read_lock(self.project.lockfiles)
            interpreter = choose_interpreter(self.project)
            return LockResult(lock=lock, changed=False, texts=self.texts()), request_from_lock(lock), interpreter
        request, interpreter = read_request(self.project, self.wanted.inputs)
        wanted = LockRequest(
            inputs=self.wanted.inputs,
            needed=(self.wanted.backend,),
            writes=not self.wanted.dry_run,
            said_later=LASTING,
        )
        if not self.wanted.frozen:
            source = "torch alone" if request.source == "default" else request.source
            there = (self.project.lockfiles / LOCK_TOML).is_file()
            self.reporter.phase(
                "lock", f"check lockfiles/ against {source}" if there else f"no lock yet: lock {source}"
            )
            return lock_project(self.project, wanted, self.reporter), request, interpreter
        lock = needed_lock(self.project)
        reasons = staleness(lock, request, self.project, (self.wanted.backend,))
        if reasons:
            message = f"lockfiles/ is stale: {'; '.join(reasons)}"
            raise LockError("lock.stale", message, "Bring it up to date with envtool lock, or leave --frozen out.")
        return LockResult(lock=lock, changed=False, texts=self.texts()), request, interpreter

    def written(self, result: LockResult) -> contextlib.AbstractContextManager[None]:
        """The lock on disk, if it changed: then whatever ends the rest says so."""
        if not result.changed:
            return contextlib.nullcontext()
        self.reporter.phase("lock", f"wrote {', '.join(write_lock(self.project, result))}")
        tell_changes(result.diff if result.had_previous else (), self.reporter)  # a first lock is all news
        return after_new_lock()

    def texts(self) -> dict[str, str]:
        """The lock's texts as they lie on disk."""
        return read_texts(self.project.lockfiles)

    def installation(self, lock: Lock, request: Request) -> Installation:
        """What to install, and from where."""
        access = index_access(self.project, lock.routes, request.credentials)
        return Installation(
            lock=lock,
            backend=self.wanted.backend,
            access=access,
            torch_index=torch_index(self.project),
            folders=find_links_folders(self.project, access),
            root=self.project.root,
            compile_bytecode=self.wanted.compile_bytecode,
            projects=self.projects(request),
        )

    def projects(self, request: Request) -> tuple[LocalProject, ...]:
        """The local projects to install."""
        return request.projects if self.wanted.install_project else ()

    def identity(self, texts: Mapping[str, str], interpreter: Interpreter, request: Request) -> str:
        """What an environment built from these texts is identified by."""
        projects = projects_here(self.projects(request), interpreter.version)
        return lock_identity(texts, self.wanted.backend.name, interpreter, self.project.root, projects)

    def plan(self, what: Installation, interpreter: Interpreter) -> Plan:
        """What will change, and what it costs."""
        torch, rest = pins_here(what.lock, what.backend.name, interpreter.version)
        size, full = measure(what, interpreter.version, str(interpreter.path))
        before: dict[str, str] = {}
        with contextlib.suppress(EnvtoolError, OSError):
            site = locate_site_packages(self.layout.venv)
            own = local_projects(site)  # installed from a folder again, whatever the lock says
            before = {name: version for name, version in installed_versions(site).items() if name not in own}
        now = {pin.name: str(pin.version) for pin in (*torch, *rest)}
        seeds = {name: version for name, version in before.items() if name in ("pip", "setuptools", "wheel")}
        return Plan(
            backend=what.backend.name,
            torch=next((str(pin.version) for pin in torch if pin.name == "torch"), None),
            python=interpreter.minor,
            size=size,
            full=full,
            free=platform.free_bytes(self.layout.root),
            changes=changes(before, {**seeds, **now} if seeds.keys() <= now.keys() else now),
        )

    # --- an environment that is there already ---

    def ready(self, digest: str, interpreter: Interpreter) -> Generation | None:
        """One that can be used as it is. Why the current one is not, when somebody changed it by hand, is told."""
        wanted = self.project.settings.python
        found = find_ready(
            self.layout,
            self.wanted.backend,
            self.reporter,
            plain=self.wanted.plain,
            fits=lambda one: one.lock_digest == digest and has_python(one, wanted, interpreter),
        )
        now = chain.current(self.layout)
        if now is not None and now != found:
            text = told_by_hand(now, self.home(now), found)
            if text:
                self.notes.append(Note(code="env.changed-by-hand", message=text))
                self.reporter.note(text)
        return found

    def rehearsed(self, ready: Generation | None, plan: Plan, *, lock_changed: bool) -> SetupResult:
        """What a dry run found."""
        now = chain.current(self.layout)
        if ready is None:
            return self.result(now, False, plan, (), lock_changed=lock_changed)
        plan = replace(plan, size=Size(download=0, disk=0))
        changed = now is None or now.id != ready.id
        return replace(self.result(ready, changed, plan, ready.checks, lock_changed=False), reused=True)

    def home(self, generation: Generation) -> Path:
        """Where an environment lies."""
        return self.layout.venv if generation.kind == "plain" else self.layout.generation(generation.id)

    def switch(self, generation: Generation, request: Request, plan: Plan, *, lock_changed: bool) -> SetupResult:
        """Make a generation current that is there already."""
        now = chain.current(self.layout)
        same = now is not None and now.id == generation.id
        folder = self.home(generation)
        with self.clock.phase("check"):
            run_checks(self.commands, folder, self.project.root, self.reporter)
        generation = replace(generation, satisfied=self.satisfied(folder, request))
        if generation.kind == "plain":
            files.write_text(folder / ".envtool.json", record_text(generation))
        else:
            chain.write_record(self.layout, generation)
        if not same:
            self.reporter.phase("activate", f"generation {generation.id}, built before from the same lock")
            with self.clock.phase("activate"):
                self.activate(generation)
        done = self.result(generation, not same, plan, generation.checks, lock_changed=lock_changed)
        return replace(done, reused=True)

    # --- a new environment ---

    def build(
        self,
        what: Installation,
        interpreter: Interpreter,
        digest: str,
        request: Request,
        plan: Plan,
        *,
        lock_changed: bool,
    ) -> SetupResult:
        """Stage a new environment, prove it, and switch to it."""
        number = chain.next_id(self.layout)
        folder = chain.staging(self.layout, number) if self.wanted.plain else self.layout.generation(number)
        done = False
        try:
            with self.clock.phase("stage"):
                self.reporter.phase("stage", f"generation {number} with Python {interpreter.minor}")
                make_environment(folder, interpreter.path, self.project.root.name)
                with naming_torch_index(what.torch_index):
                    remarks = install(folder, interpreter.version, what, self.reporter)
                self.notes += [Note(code="install.source", message=remark) for remark in remarks]
            with self.clock.phase("verify"):
                report = self.verify(folder, what.lock)
            with self.clock.phase("check"):
                run_checks(self.commands, folder, self.project.root, self.reporter)
            generation = self.generation(number, folder, interpreter, report, digest, request)
            with self.clock.phase("activate"):
                self.reporter.phase("activate", f"generation {number}")
                if not self.wanted.plain:
                    chain.write_record(self.layout, generation)
                self.activate(generation, folder)
            done = True
        finally:
            if not done:
                with contextlib.suppress(OSError):
                    self.discard(folder, number)
        return self.result(generation, True, plan, report.checks, lock_changed=lock_changed)

    def discard(self, folder: Path, number: int) -> None:
        """Take a staged environment away again: the record first, so that no half-deleted one counts."""
        now = chain.occupant(self.layout)
        if now.kind == "generation" and now.number == number:
            return  # the switch was made; what failed came after it
        if not self.wanted.plain:
            files.remove_file(self.layout.generations / f"{number}.json")
        if folder.exists():
            files.remove_tree(folder)

    def verify(self, folder: Path, lock: Lock) -> VerifyReport:
        """Prove the staged environment. Raises VerifyError (``verify.<check>``)."""
        self.reporter.phase("probe", "run the new interpreter" if self.wanted.probe else "read the new files")
        options = VerifyOptions(expected=self.wanted.backend, lock=lock, static=not self.wanted.probe)
        report = verify_environment(
            python=locate_python(folder), site_packages=locate_site_packages(folder), options=options
        )
        self.reporter.phase("verify", counted(report))
        raise_failure(report, "the new environment")
        return report

    def generation(
        self,
        number: int,
        folder: Path,
        interpreter: Interpreter,
        report: VerifyReport,
        digest: str,
        request: Request,
    ) -> Generation:
        """The record of what was built."""
        return Generation(
            id=number,
            backend=self.wanted.backend.name,
            torch=report.torch,
            python=report.python or interpreter.version,
            created=timestamp(),
            kind="plain" if self.wanted.plain else "built",
            healthy=True,
            checks=report.checks,
            installed=tuple(installed_versions(locate_site_packages(folder)).items()),
            lock_digest=digest,
            satisfied=self.satisfied(folder, request),
            python_path=str(interpreter.path),
        )

    def satisfied(self, folder: Path, request: Request) -> dict[str, str]:
        """What a later setup compares with, to see that nothing is to do. With checks there always is: they run."""
        if self.commands:
            return {}
        site = locate_site_packages(folder)
        return quick_marks(self.project.root, self.wanted.words, request.files, self.projects(request), site, folder)

    def activate(self, generation: Generation, staged: Path | None = None) -> None:
        """Switch; the user's own environment is adopted in the same step."""
        found = chain.occupant(self.layout)
        adopt = describe_own(self.layout, generation.id) if found.needs_adoption else None
        if generation.kind == "plain" and staged is not None:
            chain.activate_plain(self.layout, staged, generation, adopt=adopt)
        else:
            chain.activate(self.layout, generation, adopt=adopt)
        if adopt is not None:
            note = f"your own .venv is kept as generation {adopt.id}; envtool rollback --to {adopt.id} brings it back"
            self.notes.append(Note(code="env.adopted", message=note))
            self.reporter.note(note)
        self.notes += notes_after(self.project, self.layout, found, plain=generation.kind == "plain")

    def result(
        self,
        generation: Generation | None,
        changed: bool,
        plan: Plan | None,
        checks: tuple[CheckResult, ...],
        *,
        lock_changed: bool,
    ) -> SetupResult:
        """What became of it."""
        return SetupResult(
            generation=generation,
            changed=changed,
            plan=plan,
            checks=checks,
            notes=tuple(dict.fromkeys(self.notes)),
            phases=self.clock.phases,
            lock_changed=lock_changed,
        )
