"""PyInstaller in an environment of its own, beside the app's: ``.envtool/build-env``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from envtool.adapters import files, platform, uv
from envtool.adapters.uv_errors import raise_install_failure
from envtool.models import IndexAccess, Reporter

LOCK = Path(__file__).parent / "pyinstaller.txt"
"""PyInstaller and what it needs, pinned with hashes; written by scripts/relock.sh from the extra ``bundle``."""


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
    done = uv.run_uv(
        [*arguments, "--no-python-downloads"], env=uv.access_environment(access), show_stderr=reporter.passthrough
    )
    raise_install_failure(done, "installing PyInstaller")
    # Written last: without it the next run makes the environment anew.
    files.write_text(record, wanted)
    return interpreter
