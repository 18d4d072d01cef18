"""Run child processes: a clean environment, bounded time, and no orphan when envtool is interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from envtool.adapters.certificates import for_uv
from envtool.errors import EnvtoolError, Terminated
from envtool.models import Completed

# Ambient settings that would change what gets resolved or where it goes. What only says how to reach the network or
# where a cache lies (UV_CACHE_DIR, UV_HTTP_TIMEOUT, proxies, SSL_CERT_FILE) stays.
_KEEP_UV = frozenset(
    {
        "UV_CACHE_DIR",
        "UV_CONCURRENT_BUILDS",
        "UV_CONCURRENT_DOWNLOADS",
        "UV_CONCURRENT_INSTALLS",
        "UV_HTTP_RETRIES",
        "UV_HTTP_TIMEOUT",
        "UV_INSECURE_HOST",
        "UV_KEYRING_PROVIDER",
        "UV_LINK_MODE",
        "UV_NATIVE_TLS",
        "UV_NO_CACHE",
        "UV_NO_PROGRESS",
        "UV_OFFLINE",
        "UV_PYTHON_DOWNLOADS",
        "UV_PYTHON_INSTALL_DIR",
        "UV_SYSTEM_CERTS",
    }
)
_DROP = frozenset(
    {
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONDONTWRITEBYTECODE",
        "__PYVENV_LAUNCHER__",
        "COLUMNS",  # uv breaks its lines there, also into a pipe, and then its errors are not recognized
    }
)

_LAST_WORDS = 5.0
"""Seconds to read on after a program has ended."""
_KILLED_WORDS = 0.2
"""The same for one that we ended: whoever sent SIGTERM will not wait long."""

_GRACE = 0.5
"""Seconds for a program to end by itself once it is asked to; then it is killed, with all that it started."""

_STOPS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""What ends a program politely. SIGHUP: the terminal was closed, and a child in its own session does not hear of that.
SIGBREAK is Windows' own, where nobody can send another one SIGTERM."""

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child: ours without ambient PIP_*, UV_*, VIRTUAL_ENV and PYTHONPATH, plus ``extra``."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in _DROP and not key.startswith("PIP_") and (not key.startswith("UV_") or key in _KEEP_UV)
    }
    return {**kept, **for_uv(), **(extra or {})}


def raise_when_terminated() -> None:
    """From now on SIGTERM raises Terminated, as Ctrl-C raises KeyboardInterrupt: children are ended, folders go.

    The default would end us on the spot and leave uv at work. A second one changes nothing: we are about to end. One
    that whoever started us ignores stays ignored.
    """

    def stop(number: int, frame: object) -> None:
        for one in _STOPS:
            signal.signal(one, signal.SIG_IGN)
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        for one in _STOPS:
            if signal.getsignal(one) == signal.SIG_DFL:
                signal.signal(one, stop)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM do nothing: for the few steps that must not be left half-way, though a kill may do it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, *_STOPS)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    show_stderr: bool = False,
) -> Completed:
    """Run a program to its end and return what it printed. Never raises for a non-zero exit status.

    ``env`` is the whole environment (default: :func:`clean_environment`). With ``show_stderr`` the child's stderr goes
    straight to ours, so that its own progress bars stay visible. ``timeout`` is in seconds.

    Raises EnvtoolError (``process.missing``, ``process.timeout``) when the program cannot start or does not end.
    """
    words = [os.fspath(arg) for arg in args]
    whole = dict(env) if env is not None else clean_environment()
    with (
        _told(words, timeout),
        _start(words, whole, cwd, show_stderr=show_stderr) as child,
        _ended(child, alone=not show_stderr),
    ):
        out, err = child.communicate(timeout=timeout)
    sys.stderr.flush()
    return Completed(args=tuple(words), returncode=child.returncode, stdout=out or "", stderr=err or "")


def follow(
    args: Sequence[str | Path],
    heard: Callable[[str], None],
    *,
    env: Mapping[str, str],
    cwd: Path,
    timeout: float | None = None,
) -> Completed:
    """Run a program that takes minutes as :func:`run` does, and pass on each line that it prints, from both streams.

    ``heard`` is called in other threads. Raises EnvtoolError as :func:`run` does.
    """
    words = [os.fspath(arg) for arg in args]
    texts: dict[str, list[str]] = {"stdout": [], "stderr": []}

    def read(name: str, stream: IO[str]) -> None:
        for line in stream:
            texts[name].append(line)
            heard(line.rstrip())

    with _told(words, timeout):
        child = _start(words, dict(env), cwd)
        streams = {"stdout": child.stdout, "stderr": child.stderr}
        readers = [
            threading.Thread(target=read, args=(name, stream), daemon=True)
            for name, stream in streams.items()
            if stream
        ]
        patience = _LAST_WORDS
        try:
            for reader in readers:
                reader.start()
            with _ended(child, alone=True):
                child.wait(timeout)
        except BaseException:
            patience = _KILLED_WORDS
            raise
        finally:
            for reader in readers:
                # What the program started itself may hold the pipe open, and need not be waited for.
                reader.join(patience)
    return Completed(
        args=tuple(words), returncode=child.returncode, stdout="".join(texts["stdout"]), stderr="".join(texts["stderr"])
    )


def _start(
    words: Sequence[str], env: Mapping[str, str], cwd: Path | None, *, show_stderr: bool = False
) -> subprocess.Popen[str]:
    """A program whose output we read, in a session of its own: so that all that it starts can be ended with it.

    One that draws on our terminal stays in the group that the terminal sends Ctrl-C and Ctrl-Z to.
    """
    return subprocess.Popen(
        words,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if show_stderr else subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=hasattr(os, "killpg") and not show_stderr,
    )


@contextlib.contextmanager
def _ended(child: subprocess.Popen[str], *, alone: bool) -> Iterator[None]:
    """Whatever stops us while we wait ends the program too. ``alone``: it is in a session of its own."""
    try:
        yield
    except BaseException as error:
        if alone and hasattr(os, "killpg"):
            # First as the terminal or a supervisor would have done it: an envtool in a check has children of its own.
            by_hand = isinstance(error, KeyboardInterrupt) and not isinstance(error, Terminated)
            _end_group(child, signal.SIGINT if by_hand else signal.SIGTERM)
        else:
            child.kill()
        child.wait()
        raise


def _end_group(child: subprocess.Popen[str], number: int) -> None:
    try:
        _signal_group(child, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
    finally:
        _signal_group(child, _KILL)


def _signal_group(child: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(OSError):  # none of it is left
        os.killpg(child.pid, number)  # type: ignore[attr-defined, unused-ignore]  # POSIX alone has it


@contextlib.contextmanager
def _told(words: Sequence[str], timeout: float | None) -> Iterator[None]:
    """What a program does that does not start or does not end, as an EnvtoolError."""
    try:
        yield
    except FileNotFoundError as error:
        raise EnvtoolError("process.missing", f"cannot run {words[0]}: {error.strerror}", "Is it installed?") from error
    except OSError as error:
        raise EnvtoolError("process.missing", f"cannot run {words[0]}: {error.strerror}", "") from error
    except subprocess.TimeoutExpired as error:
        message = f"{Path(words[0]).name} did not end within {timeout:.0f} s"
        raise EnvtoolError("process.timeout", message, "Try again, or raise the limit.") from error
