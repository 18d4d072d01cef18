"""The quick way out of ``envtool setup`` when there is nothing to do, before Typer and all that it imports."""

from __future__ import annotations

import os
from pathlib import Path

_SILENT = frozenset({"--json", "--quiet", "-q"})
_NEVER = frozenset({"--help", "-h", "--dry-run", "--in-place", "--check"})


def setup_words(arguments: list[str]) -> list[str]:
    """The arguments that say what to set up, without those that only say how to print."""
    return [word for word in arguments if word not in _SILENT]


def already_satisfied(arguments: list[str]) -> bool:
    """Whether ``setup`` with these arguments would change nothing; then it has said so. Never raises."""
    if any(word.split("=", 1)[0] in _NEVER for word in arguments):
        return False
    from envtool.cli.envelope import envelope, write_out
    from envtool.env.satisfied import is_satisfied

    try:
        root = Path.cwd()
        venv = os.environ.get("ENVTOOL_VENV", "").strip() or _venv_setting(root)
        record = is_satisfied(root, venv, setup_words(arguments), os.environ) if venv else None
    except (OSError, ValueError):
        return False  # a folder that is gone, a name that no file can have: the long way says so
    if record is None:
        return False
    keys = ("backend", "torch", "python", "checks")
    result = {"generation": record["id"], **{key: record[key] for key in keys}, "venv": venv, "changed": False}
    if "--json" in arguments:
        write_out(envelope("setup", {**result, "seconds": 0.0}, 0, None))
        return True
    if not {"--quiet", "-q"}.isdisjoint(arguments):
        return True
    what = "a plain environment" if record["kind"] == "plain" else f"generation {record['id']}"
    about = f"{what}: torch {record['torch']} ({record['backend']}), Python {record['python']}"
    write_out(f"already satisfied: {venv} is {about}; nothing changed")
    return True


def _venv_setting(root: Path) -> str | None:
    """The folder of the environment; None where only the settings' own reader can tell."""
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ".venv"
    except (OSError, UnicodeDecodeError):
        return None
    if "venv" not in text.replace("envtool", "").replace(".venv", ""):
        return ".venv"
    import tomli

    try:
        value = tomli.loads(text).get("tool", {}).get("envtool", {}).get("venv", ".venv")
    except (tomli.TOMLDecodeError, AttributeError):
        return None
    return value if isinstance(value, str) else None
