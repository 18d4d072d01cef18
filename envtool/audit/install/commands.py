"""What an install command asks for: pip, uv, poetry, PDM, pipenv, pipx and conda, with the options that matter."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from envtool.audit.deps.model import Declared
from envtool.audit.deps.routes import parse_requirement
from envtool.audit.install.lex import Command, Word
from envtool.audit.install.variables import ASSIGNMENT, PIP, base_name, expand


@dataclass(frozen=True, kw_only=True, slots=True)
class Local:
    """A project folder to install, with extras."""

    path: str
    extras: frozenset[str]
    word: Word
    without: frozenset[str] = frozenset()

    def asks_for(self, extra: str) -> bool:
        """Whether an extra or group is among those asked for."""
        return extra not in self.without and ("*" in self.extras or extra in self.extras)


@dataclass(frozen=True, kw_only=True, slots=True)
class Install:
    """One install command. URLs are expanded; a variable that is not known stays as it is written."""

    tool: str
    command: Command
    head: Word
    requirements: tuple[Declared, ...] = ()
    files: tuple[Word, ...] = ()
    locals: tuple[Local, ...] = ()
    index: tuple[Word, ...] = ()
    extra_index: tuple[Word, ...] = ()
    find_links: tuple[Word, ...] = ()
    backend: str = ""
    no_index: bool = False
    no_deps: bool = False
    renew: bool = False
    """``--upgrade`` or ``--force-reinstall``: what is installed already does not settle it."""
    extras: frozenset[str] = field(default_factory=frozenset)
    """Extras and dependency groups asked for; ``*`` is every extra, ``without`` takes some out again."""
    without: frozenset[str] = field(default_factory=frozenset)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables set on the command itself."""

    @property
    def is_uv(self) -> bool:
        """Whether uv's own settings apply, and pip's do not."""
        return self.tool.startswith("uv")

    @property
    def of_project(self) -> bool:
        """Whether it installs the project that it runs in (``uv sync``, ``poetry install``)."""
        return self.tool in ("pipenv install", *_WITHOUT_TARGETS)


_WITHOUT_TARGETS = ("uv sync", "poetry install", "pdm install")
"""Commands that install a project and take no package by name."""


_PYTHON = re.compile(r"^(python[\d.]*|py|pypy[\d.]*|\$[({]?\w*(PYTHON|PY)\w*[)}]?)$", re.I)
_VERBS = frozenset({"install", "sync", "add", "create", "wheel"})
_PREFIXES = frozenset({"sudo", "eval", "env", "exec", "command", "call", "nice", "nohup", "run", "set", "time"})
_WRAPPERS = frozenset({"retry", "travis_retry", "timeout", "xvfb-run", "arch", "winpty", "ionice", "proxychains4"})
"""Commands that run the rest of their line, after options and values of their own."""

_WITH_VALUE = frozenset(
    {
        *("-t", "--target", "--python", "-p", "--platform", "--python-version", "--prefix", "--root", "--src", "--log"),
        *("--timeout", "--retries", "--trusted-host", "--cache-dir", "--proxy", "--cert", "--client-cert", "-b"),
        *("--progress-bar", "--no-binary", "--only-binary", "--upgrade-strategy", "--config-settings", "-C", "-P"),
        *("--global-option", "--build-option", "--index-strategy", "--link-mode", "-w", "--wheel-dir"),
        *(
            "-d",
            "--dest",
            "--no-build-isolation-package",
            "--exists-action",
            "--keyring-provider",
            "--resolution",
            "--prerelease",
            "--exclude-newer",
            "-n",
        ),
        *("--name", "--implementation", "--abi", "--report", "--package", "--branch"),
        *("--refresh-package", "--upgrade-package", "--no-build-package", "--directory", "--project", "--rev"),
        *("--tag", "--allow-insecure-host", "--default-timeout", "--use-feature", "--root-user-action", "--color"),
        *("--override", "--overrides", "--build-constraint", "-c", "--constraint"),
    }
)


def parse_install(command: Command, environment: Mapping[str, str]) -> Install | None:
    """The install that a command runs, or None if it runs none."""
    if not any(
        word.text in _VERBS
        or word.text.endswith("pip-sync")
        or word.text.startswith("--with")
        or word.text.lstrip("@-").startswith("$")
        for word in command.words
    ):
        return None
    words = _without_redirections(_spelled_out(command.words, environment))
    own: dict[str, str] = {}
    prefixed = False
    while words:
        text = words[0].text.lstrip("@-+") or words[0].text
        assigned = ASSIGNMENT.match(text)
        if assigned:
            own[assigned.group(1)] = expand(assigned.group(2), environment)
        elif base_name(text) in _PREFIXES:
            prefixed = True
        elif prefixed and words[0].text.startswith("-"):
            pass  # an option of sudo or env
        elif base_name(text) in _WRAPPERS:
            words = _wrapped(words)
            continue
        else:
            break
        words.pop(0)
    # Makefiles put "@" or "-" before a command, Docker's RUN its --mount options: both are gone here.
    tool, rest, head = _tool(words, environment)
    if not tool or head is None:
        return None
    return _parse(tool, head, rest, command, {**environment, **own}, own)


def _spelled_out(words: Sequence[Word], environment: Mapping[str, str]) -> Sequence[Word]:
    """A command that stands in a variable (``$(TORCH_INSTALL)``), word by word, all at the variable's place."""
    at = next((number for number, word in enumerate(words) if _begins(word)), 0)
    text = expand(words[at].text.lstrip("@-"), environment) if words else ""
    if " " not in text or not words[at].text.lstrip("@-").startswith("$"):
        return words
    start, end = words[at].start, words[at].end
    return [*words[:at], *(Word(part.strip("\"'"), start, end) for part in text.split()), *words[at + 1 :]]


def _begins(word: Word) -> bool:
    """Whether a word is the command itself, not what stands before it."""
    return base_name(word.text) not in _PREFIXES and not ASSIGNMENT.match(word.text)


def _without_redirections(words: Sequence[Word]) -> list[Word]:
    kept: list[Word] = []
    skip = False
    for word in words:
        alone = re.fullmatch(r"\d?(>>?|<)", word.text) is not None
        if not skip and not alone and not re.match(r"\d?[<>]", word.text):
            kept.append(word)
        skip = alone
    return kept


def _wrapped(words: list[Word]) -> list[Word]:
    """The command that a wrapper runs: it begins at the first word that is an installer's."""
    known = {*_RUNNERS, *_CONDAS, "pipx", "uvx"}
    for number, word in enumerate(words[1:5], 1):
        name = base_name(word.text)
        if name in known or PIP.match(name) or _PYTHON.match(name):
            return words[number:]
    return []


_Tool = tuple[str, list[Word], "Word | None"]
_NO_TOOL: _Tool = ("", [], None)
_RUNNERS = frozenset({"poetry", "pipenv", "pdm", "uv", "hatch"})
_CONDAS = frozenset({"conda", "mamba", "micromamba"})


def _tool(words: list[Word], environment: Mapping[str, str]) -> _Tool:
    """The kind of install, the words after it, and the word that the command begins with."""
    texts = [base_name(expand(word.text, environment)) for word in words]
    if not texts:
        return _NO_TOOL
    if texts[1:2] == ["run"] and texts[0] in _RUNNERS:
        return _run_by(words, texts, environment)
    if texts[1:2] == ["run"] and texts[0] in _CONDAS:
        later = [n for n, text in enumerate(texts) if n > 1 and (PIP.match(text) or _PYTHON.match(text))]
        return _tool(words[later[0] :], environment) if later else _NO_TOOL
    if texts[0] == "uv":
        return _uv(words, texts, 1)
    if texts[0] == "uvx":
        return "uv run", words[1:], words[0]
    if _PYTHON.match(texts[0]):
        return _module(words, texts)
    return _pip(words, texts, 1) if PIP.match(texts[0]) else _other(words, texts)


def _run_by(words: list[Word], texts: list[str], environment: Mapping[str, str]) -> _Tool:
    """``poetry run pip install``: the command after the options; ``uv run --with X``: what it installs first."""
    at = 2
    while at < len(texts) and texts[at].startswith("-"):
        at += 1 if "=" in texts[at] or texts[at] not in _TAKES else 2
    inner = _tool(words[at:], environment)
    if inner[0] or texts[0] != "uv" or not any(text.startswith("--with") for text in texts[2:at]):
        return inner
    return "uv run", words[2:at], words[0]


def _module(words: list[Word], texts: list[str]) -> _Tool:
    """``python -m pip`` and ``python -m uv``."""
    at = 1
    while at < len(texts) and texts[at].startswith("-") and texts[at] != "-m":
        at += 1
    if texts[at : at + 2] == ["-m", "uv"]:
        return _uv(words, texts, at + 2)
    return _pip(words, texts, at + 2) if texts[at : at + 2] == ["-m", "pip"] else _NO_TOOL


_PIP_VERBS = (["install"], ["wheel"])
"""``pip wheel`` downloads, and the image installs, what it is given: the GPU packages, too."""


def _pip(words: list[Word], texts: list[str], at: int) -> _Tool:
    at = _after_options(texts, at)
    return ("pip", words[at + 1 :], words[0]) if texts[at : at + 1] in _PIP_VERBS else _NO_TOOL


def _after_options(texts: list[str], at: int) -> int:
    while at < len(texts) and texts[at].startswith("-"):
        at += 2 if texts[at] in _WITH_VALUE else 1
    return at


def _uv(words: list[Word], texts: list[str], at: int) -> _Tool:
    at = _after_options(texts, at)
    verb = texts[at : at + 2]
    if verb in (["pip", "install"], ["pip", "sync"]):
        return ("uv pip", words[at + 2 :], words[0])
    if verb == ["tool", "install"]:
        return "uv tool", words[at + 2 :], words[0]
    if verb == ["tool", "run"]:
        return "uv run", words[at + 2 :], words[0]
    if verb[:1] in (["add"], ["sync"]):
        return f"uv {verb[0]}", words[at + 1 :], words[0]
    return "", [], None


def _other(words: list[Word], texts: list[str]) -> _Tool:
    verbs = {
        "poetry": {"install": "poetry install", "add": "poetry add", "sync": "poetry install"},
        "pdm": {"install": "pdm install", "sync": "pdm install", "add": "pdm add"},
        "pipenv": {"install": "pipenv install", "sync": "pipenv install"},
        "pipx": {"install": "pipx"},
        "conda": {"install": "conda", "create": "conda"},
        "mamba": {"install": "conda", "create": "conda"},
        "micromamba": {"install": "conda", "create": "conda"},
    }.get(texts[0], {})
    if len(texts) > 1 and texts[1] in verbs:
        return verbs[texts[1]], words[2:], words[0]
    if texts[0] == "pip-sync":
        return "pip-sync", words[1:], words[0]
    return "", [], None


_LISTS = {
    "-r": "files", "--requirement": "files", "--requirements": "files",
    "-i": "index", "--index-url": "index", "--default-index": "index", "--pypi-url": "index",
    "--extra-index-url": "extra_index", "--extra-index": "extra_index", "--index": "extra_index",
    "-f": "find_links", "--find-links": "find_links", "--with-requirements": "files",
}  # fmt: skip
_FLAGS = {
    "--no-index": "no_index", "--no-deps": "no_deps", "--force-reinstall": "renew", "-U": "renew",
    "--upgrade": "renew", "-I": "renew", "--ignore-installed": "renew", "--reinstall": "renew",
}  # fmt: skip


def _parse(
    tool: str, head: Word, words: list[Word], command: Command, environment: Mapping[str, str], own: Mapping[str, str]
) -> Install:
    lists: dict[str, list[Word]] = {"files": [], "index": [], "extra_index": [], "find_links": []}
    flags: set[str] = set()
    chosen: dict[bool, set[str]] = {True: set(), False: set()}
    requirements: list[Declared] = []
    local: list[Local] = []
    backend = ""
    for option, given in _options(tool, words, environment):
        if option in _TARGETS.get(tool, ("", "-e", "--editable")):
            _target(given, tool, requirements, local)
        elif option in _LISTS:
            lists[_LISTS[option]].append(given)
        elif option in _FLAGS:
            flags.add(_FLAGS[option])
        elif option in (*_EXTRAS, *_WITHOUT):
            chosen[option in _EXTRAS].update(re.split(r"[\s,]+", given.text))
        elif option in ("--all-extras", "--all-groups"):
            chosen[True].add("*")
        elif option == "--pip-args":
            lists["extra_index"] += [
                Word(url, given.start, given.end) for url in re.findall(r"https?://\S+", given.text)
            ]
        elif option == "--torch-backend":
            backend = given.text
    for word in [word for word in lists["files"] if _METADATA.search(word.text)]:
        # uv takes a project's metadata for a list of requirements.
        lists["files"].remove(word)
        folder, _, _ = word.text.replace("\\", "/").rpartition("/")
        extras, without = frozenset(chosen[True]), frozenset(chosen[False])
        local.append(Local(path=folder or ".", extras=extras, word=word, without=without))
    return Install(
        tool=tool,
        command=command,
        head=head,
        requirements=tuple(requirements),
        files=tuple(lists["files"]),
        locals=tuple(local),
        index=tuple(lists["index"]),
        extra_index=tuple(lists["extra_index"]),
        find_links=tuple(lists["find_links"]),
        backend=backend,
        no_index="no_index" in flags,
        no_deps="no_deps" in flags,
        renew="renew" in flags,
        extras=frozenset(chosen[True]),
        without=frozenset(chosen[False]),
        environment=dict(own),
    )


_METADATA = re.compile(r"(^|[\\/])(pyproject\.toml|setup\.(cfg|py))$")
_EXTRAS = ("--extra", "--extras", "-E", "--group", "--only-group", "-G", "--with", "--only")
_WITHOUT = ("--no-extra", "--no-group", "--without")
_TARGETS = {"uv run": ("--with", "--with-editable"), **dict.fromkeys(_WITHOUT_TARGETS, ())}
"""Where a tool's packages stand, if not in its plain arguments and ``-e``."""
_TAKES = frozenset(
    {*_LISTS, *_WITH_VALUE, *_EXTRAS, *_WITHOUT, "-e", "--editable", "--with-editable", "--torch-backend", "--pip-args"}
)
_CONDA_TAKES = frozenset({"-c", "--channel", "-n", "--name", "-p", "--prefix", "-f", "--file"})


def _options(tool: str, words: list[Word], environment: Mapping[str, str]) -> Iterator[tuple[str, Word]]:
    """Options with their expanded values; a plain argument has an empty option."""
    takes = _CONDA_TAKES if tool == "conda" else _TAKES
    pending = deque(words)
    while pending:
        word = pending.popleft()
        option, equals, value = word.text.partition("=")
        if not word.text.startswith("-") or word.text == "-":
            option, value = "", word.text
        elif re.match(r"^-[rif][^-=]", word.text):
            option, value = word.text[:2], word.text[2:]
        elif option in takes and not equals and pending:
            word = pending.popleft()
            value = word.text
        yield option, Word(expand(value.strip("\"'"), environment), word.start, word.end)


_LOCAL = re.compile(r"^(?P<path>\.{0,2}(?:/[\w./-]*)?|[\w./-]+/)(?:\[(?P<extras>[\w,\s-]+)\])?$")
_UNKNOWN = re.compile(r"\$\{\{.*?\}\}|\$\{[^}]*\}|\$\([^)]*\)|\$\w+|%\w+%")


def _target(word: Word, tool: str, requirements: list[Declared], local: list[Local]) -> None:
    text = word.text.strip().strip("\"'")
    if not text or text.startswith(("2>", ">", "<")) or text in ("\\",):
        return
    folder = _LOCAL.match(text)
    if folder and (folder.group("path") or "").startswith((".", "/")) and not text.endswith(".whl"):
        extras = frozenset(re.findall(r"[\w-]+", folder.group("extras") or ""))
        local.append(Local(path=folder.group("path") or ".", extras=extras, word=word))
        return
    # A version that only the run knows: the name is what counts.
    text = _UNKNOWN.sub("0", text)
    for piece in text.split() if " " in text and not re.search(r"[;@]", text) else [text]:
        known = piece
        if tool == "conda":
            known = re.split(r"[=<>!~]", known)[0].rsplit("::", 1)[-1]
        parsed = parse_requirement(known.split(">")[0] if ">/" in known else known)
        if parsed is None:
            continue
        requirements.append(
            Declared(
                name=parsed[0],
                start=word.start,
                end=word.end,
                specifier=str(parsed[1].specifier),
                marker=str(parsed[1].marker) if parsed[1].marker else None,
                url=parsed[1].url,
                extras=frozenset(parsed[1].extras),
                group="conda:" if tool == "conda" else "",
            )
        )
