"""Where the user's own uv and pip configuration says that packages come from: the default index and find-links.

uv ignores pip's configuration and pip ignores uv's; a team sets one of them once and expects every tool to follow. An
ambient *extra* index is left out on purpose: it must never decide where a package comes from that it also happens to
list (the way torchtriton was attacked in December 2022).
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import tomli

from envtool.adapters.http import is_readable, with_credentials
from envtool.adapters.process import run
from envtool.errors import UsageError
from envtool.models import IndexAccess


def begin_reading(environ: Mapping[str, str] = os.environ) -> None:
    """Ask pip in the background: it takes 0.2 s to start, and a command that will need the answer has other work."""
    _asked(tuple(sorted(environ.items())))


def read_ambient(environ: Mapping[str, str] = os.environ) -> IndexAccess:
    """Default index and find-links: UV_* variables first, then uv.toml, then pip's variables and configuration.

    One that uv has a name for comes with the credentials that uv's variables say for the name. Raises UsageError
    (``settings.index``) for a URL that cannot be read.
    """
    pip = _asked(tuple(sorted(environ.items()))).result()
    uv_index, uv_links = _uv_toml(environ)
    told = {
        "UV_DEFAULT_INDEX": _named(environ.get("UV_DEFAULT_INDEX", "")),
        "UV_INDEX_URL": ("", environ.get("UV_INDEX_URL", "")),
        "the default index of uv.toml": uv_index,
        "pip's index-url (PIP_INDEX_URL, or its configuration)": ("", pip.get("index-url", "")),
    }
    where, (name, url) = next((item for item in told.items() if item[1][1]), ("", ("", "")))
    _check(url, where)
    default = with_credentials(url, named_credentials(name, environ))
    links = [part.strip() for part in environ.get("UV_FIND_LINKS", "").split(",") if part.strip()]
    links = links or uv_links or pip.get("find-links", "").split()
    for link in links:
        _check(link, "find-links of uv or pip")
    return IndexAccess(default_index=default or None, find_links=tuple(dict.fromkeys(links)))


def _check(url: str, where: str) -> None:
    # It is not shown: it may be secret.
    if not is_readable(url):
        raise UsageError("settings.index", f"{where} has a URL that cannot be read", "Mend it, or unset it.")


def _named(index: str) -> tuple[str, str]:
    """Name and URL of an index as uv's variables have it: ``name=url``, or a URL alone."""
    name, equals, url = index.partition("=")
    return (name, url) if equals and re.fullmatch(r"[\w.-]+", name) else ("", index)


def default_is_set(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a variable of uv's names the default index: it comes before the one that a project tells uv of."""
    return bool(environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL"))


def named_credentials(index: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """User name and password, percent-encoded, that uv's variables say for an index of that name."""
    stem = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", index.upper())
    user, password = (quote(environ.get(f"{stem}_{what}", ""), safe="") for what in ("USERNAME", "PASSWORD"))
    return (user, password) if index and (user or password) else None


def _uv_toml(environ: Mapping[str, str]) -> tuple[tuple[str, str], list[str]]:
    """Name and URL of the default index in the user's uv.toml, and its find-links."""
    base = environ.get("APPDATA") if sys.platform == "win32" else environ.get("XDG_CONFIG_HOME")
    folder = Path(base) if base else Path(environ.get("HOME", "")) / ".config"
    try:
        table = tomli.loads((folder / "uv" / "uv.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ("", ""), []
    listed = [item for item in table.get("index", []) if isinstance(item, dict) and item.get("default")]
    default = (str(listed[0].get("name") or ""), str(listed[0].get("url") or "")) if listed else ("", "")
    if not default[1]:
        default = "", str(table.get("index-url") or "")
    links = table.get("find-links", [])
    return default, [str(link) for link in links if isinstance(link, str)]


@lru_cache(maxsize=1)
def _asked(environ: tuple[tuple[str, str], ...]) -> Future[dict[str, str]]:
    """pip's answer, asked for once: a lock and an install in one command follow the same configuration."""
    pool = ThreadPoolExecutor(max_workers=1)
    answer = pool.submit(_pip_settings, dict(environ))
    pool.shutdown(wait=False)
    return answer


def _pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's own view of its configuration (``pip config list``): files, in pip's order, and PIP_* variables."""
    if environ.get("PIP_CONFIG_FILE") == os.devnull:  # then pip reads no file at all, and need not be asked
        variables = {"index-url": "PIP_INDEX_URL", "find-links": "PIP_FIND_LINKS"}
        return {name: environ[variable] for name, variable in variables.items() if environ.get(variable)}
    done = run([sys.executable, "-m", "pip", "config", "list"], env=dict(environ), timeout=60)
    found: dict[str, tuple[int, str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.strip().rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if rank is None or name not in ("index-url", "find-links"):
            continue
        try:
            text = str(ast.literal_eval(value.strip()))
        except (ValueError, SyntaxError):
            continue
        if name not in found or rank >= found[name][0]:
            found[name] = (rank, text)
    return {name: text for name, (_, text) in found.items()}
