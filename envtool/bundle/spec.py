"""The spec of a bundle: the one that is there, or a lean, commented one for a script."""

from __future__ import annotations

import glob
import os
import shlex
from pathlib import Path

from envtool.adapters import files
from envtool.bundle.models import SpecOptions
from envtool.errors import UsageError
from envtool.reports.escape import printable


def find_spec(source: Path, options: SpecOptions) -> tuple[Path, str]:
    """The spec to build, and for a script the text to write there; for a spec that is there the text is empty.

    Raises UsageError (``bundle.spec``, ``bundle.spec-options``, ``bundle.spec-exists``).
    """
    shown = printable(source.as_posix())
    if not source.is_file():
        raise UsageError("bundle.spec", f"no file {shown}", "Name a PyInstaller spec, or the app's main script.")
    if source.suffix == ".spec":
        if options.given:
            hint = "Change the spec: --onefile, --windowed, --icon and --data are for a script without one."
            raise UsageError("bundle.spec-options", f"{shown} says itself what it builds", hint)
        return source.absolute(), ""
    if source.suffix not in (".py", ".pyw"):
        raise UsageError("bundle.spec", f"{shown} is neither a spec nor a Python script", "It ends in .spec or .py.")
    spec = source.with_suffix(".spec").absolute()
    text = spec_text(source.name, source.stem, options)
    if spec.is_file() and spec.read_text(encoding="utf-8", errors="replace") != text:
        hint = f"Build it: envtool bundle {shlex.quote(printable(spec.name))}; or remove it to have a new one written."
        raise UsageError("bundle.spec-exists", f"{printable(spec.name)} is there, and is yours", hint)
    return spec, text


def write_spec(spec: Path, text: str) -> None:
    """Write a new spec, whole or not at all. Raises UsageError (``bundle.spec-write``)."""
    try:
        files.write_text(spec, text)
    except OSError as error:
        message = f"cannot write {printable(spec.name)}: {error.strerror or error}"
        raise UsageError("bundle.spec-write", message, "Make the script's folder writable.") from error


def parse_data(text: str) -> tuple[str, str | None]:
    """``SOURCE`` or ``SOURCE:FOLDER`` as (source, folder or None). Raises UsageError (``bundle.data``)."""
    # A drive letter is no separator: C:\\models
    head, separator, folder = text.rpartition(":")
    if separator and len(head) > 1:
        source = head
    else:
        source, folder = text, ""
    source = source.replace("\\", "/").rstrip("/")
    if not source or folder.startswith("/") or ".." in folder.split("/"):
        raise UsageError(
            "bundle.data", f"--data {text!r} is not SOURCE or SOURCE:FOLDER", "Such as --data models:models"
        )
    return source, folder or None


def data_entry(text: str, folder: Path) -> tuple[str, str]:
    """One ``--data`` for a spec in ``folder``: (source as seen from there, folder in the bundle).

    A folder keeps its name in the bundle, a file goes to the top, the files of a pattern into a folder like theirs.
    Raises UsageError (``bundle.data``), also when nothing is there: PyInstaller would find out after a minute.
    """
    source, into = parse_data(text)
    path = Path(source)
    if not path.exists() and not glob.glob(source):  # noqa: PTH207 -- the pattern may be absolute
        raise UsageError("bundle.data", f"--data: no file or folder {printable(source)}", "It is looked up from here.")
    if into is None:
        into = path.name if path.is_dir() else "." if path.is_file() else path.parent.name or "."
    return seen_from(source, folder), into


def seen_from(path: str, folder: Path) -> str:
    """A path of the current folder as the spec names it; an absolute one stays."""
    return path if Path(path).is_absolute() else Path(os.path.relpath(path, folder)).as_posix()


def spec_text(script: str, name: str, options: SpecOptions) -> str:
    """The text of a spec that bundles ``script`` (relative to the spec) as ``name``."""
    datas = "".join(f"        ({source!r}, {folder!r}),\n" for source, folder in options.data)
    datas = f"[\n{datas}    ]" if datas else "[]"
    icon = f"    icon={options.icon!r},\n" if options.icon else ""
    content = "    a.binaries,\n    a.datas,\n" if options.onefile else ""
    exclude = "" if options.onefile else "    exclude_binaries=True,\n"
    text = f"""\
# Written by envtool bundle, and yours from here on. Build it with: envtool bundle {shlex.quote(name + ".spec")}
#
# torch needs nothing in this file. envtool brings a hook that leaves out what a CPU bundle does not use, keeps the
# sources that TorchScript reads, and checks torch before the app starts. So do not add here:
#   collect_submodules("torch")          the hook does it
#   excludes=["torch.distributed", ...]  import torch fails without them
#   strip=True, upx=True                 they break numpy's libraries; use: envtool bundle --strip

a = Analysis(
    [{script!r}],
    # Files that the app opens at run time: (from, folder in the bundle). Find them by Path(__file__).parent.
    datas={datas},
    # Modules that are imported by name only (importlib, plugins).
    hiddenimports=[],
    # Packages that are installed here and that the app does not need.
    excludes=[],
)
pyz = PYZ(a.pure)
exe = EXE(
    pyz,
    a.scripts,
{content}{exclude}    name={name!r},
    console={not options.windowed},
{icon})
"""
    if not options.onefile:
        text += f"coll = COLLECT(exe, a.binaries, a.datas, name={name!r})\n"
    if options.windowed:
        made = "exe" if options.onefile else "coll"
        text += "# On macOS: a folder that the Finder shows as an app. Elsewhere this does nothing.\n"
        text += f"app = BUNDLE({made}, name={name + '.app'!r}, bundle_identifier=None)\n"
    return text
