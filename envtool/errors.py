"""What can go wrong, as one tree: each error carries a stable code, an exit code and the next step."""

from __future__ import annotations

from enum import IntEnum

AS_IT_WAS = "the environment is as it was"
"""How the message of what failed before the switch ends."""


class ExitCode(IntEnum):
    """The exit codes of every command (docs/reference.md)."""

    OK = 0
    BUG = 1
    USAGE = 2
    NO_INPUTS = 3
    RESOLUTION = 4
    LOCK = 5
    INSTALL = 6
    VERIFY = 7
    ROLLBACK = 8
    BUSY = 9
    FINDINGS = 10
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM, on Windows Ctrl-Break: whatever cleans up after Ctrl-C cleans up after it, too."""


def interruption(error: KeyboardInterrupt) -> tuple[str, ExitCode]:
    """What stopped us, as the code of the error and in its message, and the exit code."""
    if isinstance(error, Terminated):
        return "terminated", ExitCode.TERMINATED
    return "interrupted", ExitCode.INTERRUPTED


class EnvtoolError(Exception):
    """An error that a user can cause and mend.

    ``code`` is stable and dotted (``lock.stale``), ``message`` says what happened and to what, ``hint`` says what to
    do next. Never raised with a secret in it: URLs go through :func:`envtool.adapters.http.redact` first.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class UsageError(EnvtoolError):
    """A wrong option, setting or input file."""

    exit_code = ExitCode.USAGE


class NoInputsError(EnvtoolError):
    """Nothing here needs torch."""

    exit_code = ExitCode.NO_INPUTS


class ResolutionError(EnvtoolError):
    """No set of versions, or no build, fits the request."""

    exit_code = ExitCode.RESOLUTION


class UnsatisfiableError(ResolutionError):
    """The resolver found no solution; ``report`` is its own explanation, whole.

    ``absent``: the package that no index has, where that is the cause. ``split``: the marker of the part that has no
    solution, where the resolver names one.
    """

    def __init__(
        self, code: str, message: str, hint: str = "", *, report: str = "", absent: str = "", split: str = ""
    ) -> None:
        super().__init__(code, message, hint)
        self.report = report
        self.absent = absent
        self.split = split


class LockError(EnvtoolError):
    """The lock is missing, stale, malformed, or a hash does not match it."""

    exit_code = ExitCode.LOCK


class InstallError(EnvtoolError):
    """An environment could not be built; the current one is as it was."""

    exit_code = ExitCode.INSTALL


class VerifyError(EnvtoolError):
    """An environment was built or found, and is not what it should be."""

    exit_code = ExitCode.VERIFY


class RollbackError(EnvtoolError):
    """There is no way back, or it could not be taken."""

    exit_code = ExitCode.ROLLBACK


class BusyError(EnvtoolError):
    """Another envtool holds the lock of this project."""

    exit_code = ExitCode.BUSY


class FindingsError(EnvtoolError):
    """The project holds what will break on CPU-only torch."""

    exit_code = ExitCode.FINDINGS
