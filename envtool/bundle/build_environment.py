"""PyInstaller in an environment of its own, beside the app's: ``.envtool/build-env``."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

from envtool.adapters import files, platform, uv
from envtool.adapters.uv_errors import raise_install_failure
from envtool.errors import InstallError
from envtool.models import IndexAccess, Reporter

LOCK = Path(__file__).parent / "pyinstaller.txt"
"""PyInstaller and what it needs, pinned with hashes; written by scripts/relock.sh from the extra ``bundle``."""


def _install(arguments: list[str | Path], access: IndexAccess, reporter: Reporter) -> None:
    """Install; where no index answers, from uv's cache and the find-links folders: the hashes say it is the same."""
    environment = uv.access_environment(access)
    try:
        raise_install_failure(
            uv.run_uv(arguments, env=environment, show_stderr=reporter.passthrough), "installing PyInstaller"
        )
    except InstallError as error:
        if not error.code.startswith("network."):
            raise
        if error.code != "network.unreachable" or uv.run_uv([*arguments, "--offline"], env=environment).returncode:
            first = "Unset UV_OFFLINE" if error.code == "network.offline" else "Set UV_DEFAULT_INDEX to a mirror"
            hint = f"{first}; or fetch its wheels where there is a network, into a folder that find-links names: "
            hint += f"pip download --no-deps -d wheels -r {shlex.quote(str(LOCK))}"
            message = error.message.removeprefix("installing PyInstaller: ")
            raise InstallError(error.code, f"PyInstaller is not here and cannot be fetched: {message}", hint) from None


def ensure(state: Path, python: Path, access: IndexAccess, reporter: Reporter) -> Path:
    """The interpreter of the build environment; made when it is missing, or when the pins or the Python changed.

    ``python`` is the app's interpreter: PyInstaller bundles the Python that it runs on. Raises InstallError.
    """
    folder = state / "build-env"
    record = folder / "envtool-pins"
    wanted = hashlib.sha256(LOCK.read_bytes() + str(python.resolve()).encode()).hexdigest() + "\n"
    try:
        if record.read_text(encoding="ascii") == wanted and platform.interpreter(folder).exists():
            return platform.interpreter(folder)
    except (OSError, UnicodeDecodeError):
        pass
    reporter.phase("tools", "PyInstaller, in .envtool/build-env")
    files.remove_tree(folder)
    done = uv.run_uv(["venv", "--quiet", "--no-python-downloads", "--no-project", "--python", python, folder])
    raise_install_failure(done, "making the build environment")
    interpreter = platform.interpreter(folder)
    arguments: list[str | Path] = ["pip", "install", "--python", interpreter, "--require-hashes", "-r", LOCK]
    _install([*arguments, "--no-python-downloads"], access, reporter)
    # Written last: without it the next run makes the environment anew.
    files.write_text(record, wanted)
    return interpreter
