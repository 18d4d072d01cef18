"""CPU403 (C03): what is named for CPUs still installs CUDA torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envtool.audit.install.images import needs_gpu
from envtool.audit.install.steps import scopes_of
from envtool.audit.models import COMMANDS, Finding, Project, Safe, Source, SourceKind
from envtool.audit.naming import is_cpu_file, says_cpu
from envtool.audit.places import place
from envtool.audit.rules._install_fix import fix_of
from envtool.audit.rules.cpu402_install_without_cpu_index import bad_steps, message_of


class CpuImageWithCuda:
    """``Dockerfile.cpu`` with a plain ``pip install torch``."""

    code = "CPU403"
    name = "cpu-image-with-cuda"
    summary = "A CPU image or job still installs CUDA torch"
    kinds: Sequence[SourceKind] = COMMANDS

    def check(self, source: Source, project: Project) -> Iterable[Finding | Safe]:
        """Files, stages and jobs with CPU in their name."""
        whole = is_cpu_file(source)
        what = "the file" if whole else "the stage or job"
        for scope in scopes_of(source, project):
            why = needs_gpu(scope.base)
            if why and (whole or says_cpu(scope.name)):
                yield Finding(
                    code=self.code,
                    severity="error",
                    confidence="high",
                    path=source.path,
                    location=place(source, project, *scope.base_span),
                    message=f"{what} is named for CPUs, and {scope.base} is {why}",
                )
        for step in bad_steps(source, project):
            if not whole and not says_cpu(step.scope.name):
                continue
            yield Finding(
                code=self.code,
                severity="error",
                confidence="high",
                path=source.path,
                location=place(source, project, step.start, step.end),
                message=f"{what} is named for CPUs, but {message_of(step, project)}",
                fix=fix_of(step, source, project),
            )


RULE = CpuImageWithCuda()
